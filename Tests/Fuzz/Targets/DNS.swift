// SPDX-License-Identifier: Apache-2.0
//
// Any octets as a DNS message. What is read must come out the same when it is written and read
// again; the two parsers must not contradict each other.

import DNSMessage

extension FuzzTarget {
  static let dns = FuzzTarget("dns", seeds: dnsSeeds) { bytes in
    let survey = try? DNSSurvey(bytes)
    if let survey { checkSurvey(survey, bytes) }
    guard let message = try? DNSMessage(parsing: bytes) else { return }
    expectFuzz(survey != nil, "the survey looks into no RDATA: it takes what the parser takes")
    for question in message.questions { checkName(question.name) }
    for record in message.answers { checkName(record.name) }
    _ = message.description
    let encoded = message.encoded()
    expectFuzz(encoded.count <= 65535, "a message's length")
    if let again = try? DNSMessage(parsing: encoded) {
      // Uncompressed, a message may not fit any more; what fits is the same.
      expectFuzz(again.header.isTruncated || again == message, "a message read back")
    } else {
      expectFuzz(false, "a message can be read back")
    }
    let limit = 512 + bytes.count % 1024
    expectFuzz(message.encoded(limit: limit).count <= limit, "a message cut to a limit")
  }

  private static let dnsSeeds: [[UInt8]] = {
    guard let name = DNSName("www.example.com") else { return [] }
    let question = DNSQuestion(name: name, type: .a)
    return [
      DNSMessage(query: question, id: 1).encoded(),
      DNSMessage(query: question, id: 2, edns: DNSEDNS(udpSize: 4096)).encoded(),
    ]
  }()

  private static func checkSurvey(_ survey: DNSSurvey, _ bytes: [UInt8]) {
    var records = 0
    survey.forEachRecord(in: bytes) { record in
      expectFuzz(
        record.data.upperBound <= bytes.count && record.ttlOffset + 4 <= bytes.count,
        "a record lies within its message")
      records += 1
    }
    expectFuzz(
      records == survey.answerCount + survey.authorityCount + survey.additionalCount,
      "every record is seen")
    if let name = survey.firstName(of: bytes) { checkName(name) }
    if let range = survey.optRange { _ = survey.ednsOptions(of: bytes, in: range) }
    _ = survey.edns(of: bytes)
  }

  private static func checkName(_ name: DNSName) {
    expectFuzz(name.wire.count <= DNSName.maximumLength, "a name's length")
    expectFuzz(DNSName(name.description) == name, "a name read back")
    expectFuzz(name.lowercased == name, "names compare without case")
    if let address = name.reverseAddress {
      expectFuzz(DNSName(reverseOf: address) == name, "a reverse name read back")
    }
  }
}
