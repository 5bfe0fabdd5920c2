// SPDX-License-Identifier: Apache-2.0

extension DNSSurvey {
  /// Whether `bytes`, of which this is the survey, answer `question` as it was
  /// asked with `id`: the guard against mixed-up and forged answers (RFC 5452
  /// 9.1). Names compare without case (RFC 4343), type and class exactly.
  package func answers(_ question: DNSQuestion, id: UInt16, in bytes: [UInt8]) -> Bool {
    guard header.isResponse, header.id == id, header.opcode == .query, questionCount == 1,
      !firstNameIsCompressed, let asked = firstQuestion(of: bytes),
      asked.type == question.type, asked.dnsClass == question.dnsClass,
      firstNameEnd - DNSHeader.length == question.name.wire.count
    else { return false }
    return DNSName(wire: Array(bytes[DNSHeader.length..<firstNameEnd])) == question.name
  }
}
