// SPDX-License-Identifier: Apache-2.0
//
// Any octets as a DNS message. What is read is written so that it reads the same, and the two
// parsers, the one that looks over a message and the one that takes it apart, agree.

import DNSMessage

extension FuzzTarget {
  /// "www. IN A" with an OPT; "a. CNAME b." and "b. A 192.0.2.1" behind the question for "a. IN A".
  private static let dnsSeeds: [[UInt8]] = [
    [
      0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 3, 0x77, 0x77, 0x77, 0, 0, 1, 0, 1,
      0, 0, 41, 0x04, 0xd0, 0, 0, 0x80, 0, 0, 0,
    ],
    [
      0, 1, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0x61, 0, 0, 1, 0, 1,
      0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 3, 1, 0x62, 0,
      0xc0, 31, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 1,
    ],
  ]

  static let dns = FuzzTarget("dns", seeds: dnsSeeds, longest: 65535) { bytes in
    let survey = try? DNSSurvey(bytes)
    if let survey { look(survey, at: bytes) }
    guard let message = try? DNSMessage(parsing: bytes) else { return }
    expectFuzz(survey != nil, "the survey looks into no RDATA, so it takes what the parser takes")
    for question in message.questions { check(question.name) }
    for record in message.answers { check(record.name) }
    _ = message.description
    let encoded = message.encoded()
    expectFuzz(encoded.count <= 65535, "a length of two octets")
    guard let again = try? DNSMessage(parsing: encoded) else {
      return expectFuzz(false, "what was written is read")
    }
    // Written anew a message may not fit any more.
    expectFuzz(again.header.isTruncated || again == message, "read back")
    let limit = 512 + bytes.count % 1024
    expectFuzz(message.encoded(limit: limit).count <= limit, "within \(limit) octets")
  }

  private static func look(_ survey: DNSSurvey, at bytes: [UInt8]) {
    var records = 0
    survey.forEachRecord(in: bytes) { record in
      expectFuzz(record.data.upperBound <= bytes.count, "RDATA is in the message")
      expectFuzz(record.ttlOffset + 4 <= bytes.count, "a TTL is in the message")
      records += 1
    }
    expectFuzz(
      records == survey.answerCount + survey.authorityCount + survey.additionalCount,
      "as many records as it says")
    if let name = survey.firstName(of: bytes) { check(name) }
    if let range = survey.optRange { _ = survey.ednsOptions(of: bytes, in: range) }
    _ = survey.edns(of: bytes)
  }

  private static func check(_ name: DNSName) {
    expectFuzz(name.wire.count <= DNSName.maximumLength, "255 octets at most")
    expectFuzz(DNSName(name.description) == name, "printed and read: \(name)")
    expectFuzz(name.lowercased == name, "compared without case: \(name)")
    if let address = name.reverseAddress {
      expectFuzz(DNSName(reverseOf: address) == name, "the name of an address: \(name)")
    }
  }
}
