// SPDX-License-Identifier: Apache-2.0
import DNSMessage

/// How long an answer may be cached, and where its TTLs are.
struct DNSLifetime {
  /// The shortest TTL.
  var seconds = UInt32.max
  /// Where the TTLs are, as offsets into the answer's records.
  var ttls: [UInt16] = []
  /// For a negative answer: the offset of its SOA's TTL, and the value to be set there.
  var negative: (offset: Int, ttl: UInt32)?

  /// Maximum seconds that an answer is cached, regardless of its TTL (RFC 8767 4 gives reasons).
  static let maximum: UInt32 = 86_400
  /// The same for negative answers (RFC 2308 5: three hours at the most).
  static let maximumNegative: UInt32 = 10_800

  /// Nil when it must not be cached: a failure, a truncated answer, a referral, a negative answer without a lifetime,
  /// a TTL of 0.
  init?(_ survey: DNSSurvey, _ bytes: [UInt8], _ question: DNSQuestion) {
    let code = survey.header.responseCode
    guard !survey.header.isTruncated, code == .noError || code == .nameError,
      survey.edns(of: bytes)?.extendedCode ?? 0 == 0
    else { return nil }
    let end = survey.optRange?.lowerBound ?? survey.end
    var hasData = false
    var authority: (offset: Int, ttl: UInt32)?
    survey.forEachRecord(in: bytes) { record in
      guard record.ttlOffset < end else { return }
      let offset = record.ttlOffset - survey.questionEnd
      ttls.append(UInt16(truncatingIfNeeded: offset))
      switch record.section {
      case .answer where record.type == question.type || question.type == .any: hasData = true
      case .authority where record.type == .soa && record.data.count >= 22:
        // MINIMUM is the last field (RFC 1035 3.3.13).
        let minimum = bytes[(record.data.upperBound - 4)..<record.data.upperBound]
          .reduce(0) { $0 << 8 | UInt32($1) }
        authority = (offset, min(record.ttl, DNSRecord.readTTL(minimum)))
      default: break
      }
      seconds = min(seconds, record.ttl)
    }
    if code == .nameError || !hasData {
      guard let authority else { return nil }
      negative = authority
      seconds = min(seconds, authority.ttl, Self.maximumNegative)
    }
    seconds = min(seconds, Self.maximum)
    if ttls.isEmpty || seconds == 0 { return nil }
  }
}
