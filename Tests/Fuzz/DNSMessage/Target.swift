// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer's entry: any octets as a DNS message. What is read must come out the same when it is
// written and read again; the two parsers must not contradict each other; nothing may trap.

import DNSMessage

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
  let bytes = Array(UnsafeBufferPointer(start: data, count: data == nil ? 0 : size))
  let survey = try? DNSSurvey(bytes)
  if let survey {
    var records = 0
    survey.forEachRecord(in: bytes) { record in
      check(record.data.upperBound <= bytes.count && record.ttlOffset + 4 <= bytes.count)
      records += 1
    }
    check(records == survey.answerCount + survey.authorityCount + survey.additionalCount)
    if let name = survey.firstName(of: bytes) { checkName(name) }
    if let range = survey.optRange { _ = survey.ednsOptions(of: bytes, in: range) }
    _ = survey.edns(of: bytes)
  }
  guard let message = try? DNSMessage(parsing: bytes) else { return 0 }
  // The survey looks into no RDATA, so it takes whatever the parser takes.
  check(survey != nil)
  for question in message.questions { checkName(question.name) }
  for record in message.answers { checkName(record.name) }
  _ = message.description
  let encoded = message.encoded()
  check(encoded.count <= 65535)
  if let again = try? DNSMessage(parsing: encoded) {
    // Uncompressed, a message may not fit any more; what fits is the same.
    check(again.header.isTruncated || again == message)
  } else {
    check(false)
  }
  let limit = 512 + size % 1024
  check(message.encoded(limit: limit).count <= limit)
  return 0
}

private func checkName(_ name: DNSName) {
  check(name.wire.count <= DNSName.maximumLength)
  check(DNSName(name.description) == name)
  check(name.lowercased == name)
  if let address = name.reverseAddress { check(DNSName(reverseOf: address) == name) }
}

/// A trap on purpose: the fuzzer reports it with the input.
private func check(_ condition: Bool) {
  if !condition { fatalError("a promise of the parser does not hold") }
}
