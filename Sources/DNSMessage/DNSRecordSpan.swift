// SPDX-License-Identifier: Apache-2.0

/// The position of a record in a message; its RDATA is not decoded.
package struct DNSRecordSpan: Sendable {
  package let section: DNSBuilder.Section
  package let type: DNSType
  package let dnsClass: DNSClass
  /// Seconds, as decoded by `DNSRecord.readTTL`.
  package let ttl: UInt32
  /// Offset of the TTL field.
  package let ttlOffset: Int
  package let data: Range<Int>
}

extension DNSSurvey {
  /// Enumerates all records of the surveyed message in order, OPT included.
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
