// SPDX-License-Identifier: Apache-2.0

/// Where a record lies in a message; nothing of it is taken apart.
package struct DNSRecordSpan: Sendable {
  package let section: DNSBuilder.Section
  package let type: DNSType
  package let dnsClass: DNSClass
  /// Seconds, as `DNSRecord.readTTL` has them.
  package let ttl: UInt32
  /// Of the four octets of TTL.
  package let ttlOffset: Int
  package let data: Range<Int>
}

extension DNSSurvey {
  /// All records of the message that this is the survey of, OPT included, from front to back.
  package func forEachRecord(in bytes: [UInt8], _ body: (DNSRecordSpan) -> Void) {
    var reader = DNSReader(bytes, at: questionEnd)
    for index in 0..<answerCount + authorityCount + additionalCount {
      guard (try? reader.skipName()) != nil, let type = try? reader.u16(),
        let dnsClass = try? reader.u16()
      else { return }
      let ttlOffset = reader.offset
      guard let ttl = try? reader.u32(), let length = try? reader.u16() else { return }
      let start = reader.offset
      guard (try? reader.skip(Int(length))) != nil else { return }
      let section: DNSBuilder.Section =
        index < answerCount
        ? .answer : index < answerCount + authorityCount ? .authority : .additional
      body(
        DNSRecordSpan(
          section: section, type: DNSType(rawValue: type), dnsClass: DNSClass(rawValue: dnsClass),
          ttl: DNSRecord.readTTL(ttl), ttlOffset: ttlOffset, data: start..<reader.offset))
    }
  }
}
