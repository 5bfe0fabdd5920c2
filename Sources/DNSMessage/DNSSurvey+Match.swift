// SPDX-License-Identifier: Apache-2.0

extension DNSSurvey {
  /// Whether the surveyed `bytes` answer `question` as asked with `id`: protects against mixed-up and forged answers
  /// (RFC 5452 9.1). Names compare without case (RFC 4343), type and class exactly.
  package func answers(_ question: DNSQuestion, id: UInt16, in bytes: [UInt8]) -> Bool {
    guard header.isResponse, header.id == id, header.opcode == .query, questionCount == 1,
      !firstNameIsCompressed, let asked = firstQuestion(of: bytes),
      asked.type == question.type, asked.dnsClass == question.dnsClass,
      firstNameEnd - DNSHeader.length == question.name.wire.count
    else { return false }
    return DNSName(wire: Array(bytes[DNSHeader.length..<firstNameEnd])) == question.name
  }

  /// Whether `bytes` report that the answer to `question` did not fit, even if their records are cut: decided by id,
  /// question and TC (RFC 2181 9).
  /// - Parameter isCut: they are the beginning of a longer datagram.
  package static func isTruncatedAnswer(
    _ bytes: [UInt8], to question: DNSQuestion, id: UInt16, isCut: Bool = false
  ) -> Bool {
    var reader = DNSReader(bytes)
    guard let ownID = try? reader.u16(), let flags = try? reader.u16(),
      let count = try? reader.u16(), (try? reader.skip(6)) != nil
    else { return false }
    let header = DNSHeader(id: ownID, flags: flags)
    guard header.isResponse, header.isTruncated || isCut, header.opcode == .query, ownID == id,
      count == 1, let extent = try? reader.skipName(), !extent.isCompressed,
      let type = try? reader.u16(), let dnsClass = try? reader.u16(),
      type == question.type.rawValue, dnsClass == question.dnsClass.rawValue
    else { return false }
    return DNSName(wire: Array(bytes[DNSHeader.length..<extent.end])) == question.name
  }
}
