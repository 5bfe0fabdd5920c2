// SPDX-License-Identifier: Apache-2.0
//
// Answers for networks without IPv6: IPv6 addresses are removed from all sections.

extension DNSMessage {
  /// A message without IPv6 addresses: no AAAA in any section (the answer to ANY, glue), no `ipv6hint` in SVCB and
  /// HTTPS (RFC 9460 7.3), and no signature over removed records. The same octets when there are none; nil when there
  /// are some and the message cannot be parsed.
  package static func withoutIPv6(_ bytes: [UInt8]) -> [UInt8]? {
    guard let survey = try? DNSSurvey(bytes) else { return bytes }
    var mayHave = false
    survey.forEachRecord(in: bytes) {
      if $0.type == .aaaa || $0.type == .https || $0.type == .svcb { mayHave = true }
    }
    guard mayHave else { return bytes }
    guard var message = try? DNSMessage(parsing: bytes) else { return nil }
    let hadAnswers = !message.answers.isEmpty
    var isChanged = false
    for section in [\DNSMessage.answers, \.authorities, \.additionals] {
      if message.removeIPv6(section) { isChanged = true }
    }
    guard isChanged else { return bytes }
    if hadAnswers, message.answers.isEmpty, message.responseCode == .noError,
      let question = message.questions.first
    {
      message.authorities = [DNSRecord(authorityOf: question.name, ttl: withheldTTL)]
    }
    // No signature covers the changed message.
    message.header.authenticData = false
    return message.encoded()
  }

  /// TTL of the denial, seconds.
  package static let withheldTTL: UInt32 = 60

  /// True when a record was removed or changed.
  private mutating func removeIPv6(
    _ section: WritableKeyPath<DNSMessage, [DNSRecord]>
  ) -> Bool {
    var changed: Set<Signed> = []
    var records = self[keyPath: section].compactMap { record -> DNSRecord? in
      switch record.data {
      case .address(.v6):
        changed.insert(Signed(name: record.name, type: .aaaa))
        return nil
      case .service(let type, let priority, let target, let parameters):
        let rest = Self.withoutHints(parameters)
        if rest == parameters { return record }
        changed.insert(Signed(name: record.name, type: type))
        var record = record
        record.data = .service(type, priority: priority, target: target, parameters: rest)
        return record
      default: return record
      }
    }
    if changed.isEmpty { return false }
    records.removeAll { record in
      guard case .opaque(Self.signature, let bytes) = record.data, bytes.count > 2 else {
        return false
      }
      let covered = DNSType(rawValue: UInt16(bytes[0]) << 8 | UInt16(bytes[1]))
      return changed.contains(Signed(name: record.name, type: covered))
    }
    self[keyPath: section] = records
    return true
  }

  private struct Signed: Hashable {
    let name: DNSName
    let type: DNSType
  }

  private static let signature = DNSType(rawValue: 46)  // RRSIG
  private static let mandatory: UInt16 = 0
  private static let ipv6Hint: UInt16 = 6

  /// SvcParams in wire form without `ipv6hint`, which `mandatory` does not list either
  /// (RFC 9460 8).
  private static func withoutHints(_ parameters: [UInt8]) -> [UInt8] {
    var reader = DNSReader(parameters)
    var kept: [UInt8] = []
    while !reader.isAtEnd {
      let start = reader.offset
      guard let key = try? reader.u16(), let length = try? reader.u16(),
        let value = try? reader.octets(Int(length))
      else { return parameters }
      switch key {
      case ipv6Hint: break
      case mandatory:
        let keys = stride(from: value.startIndex, to: value.endIndex - 1, by: 2).filter {
          UInt16(value[$0]) << 8 | UInt16(value[$0 + 1]) != ipv6Hint
        }
        if keys.isEmpty { break }
        kept += [0, 0, UInt8(keys.count * 2 >> 8), UInt8(truncatingIfNeeded: keys.count * 2)]
        for key in keys { kept += value[key...key + 1] }
      default: kept += parameters[start..<reader.offset]
      }
    }
    return kept
  }
}
