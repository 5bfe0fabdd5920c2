// SPDX-License-Identifier: Apache-2.0

import LimaNetdSDK
import Testing

@Suite struct JSONTests {
  @Test func `a document survives the way to text and back`() throws {
    let value: JSONValue = [
      "text": "a \"quoted\" line\n\u{1F600}\u{7f}", "number": 42, "negative": -7,
      "real": .number(1.5), "list": [true, false, nil], "empty": [:], "none": [],
    ]
    #expect(try JSONValue(parsing: value.text) == value)
  }

  @Test func `escapes are read`() throws {
    #expect(
      try JSONValue(parsing: #" "\u00e9\ud83d\ude00\/\\\b" "#) == .string("é\u{1F600}/\\\u{8}"))
  }

  @Test(arguments: [
    "", "{", "[1,]", "{\"a\"}", "{\"a\":1,}", "01", "1.", "-", "nul", "\"\u{1}\"", "\"\\x\"",
    "\"\\ud800\"", "[1] 2", "{a:1}", "1e999", "\"abc", "+1", ".5",
    String(repeating: "[", count: 100),
  ])
  func `what is not JSON is refused`(text: String) {
    #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
  }

  @Test func `any bytes are read or refused, never a trap`() {
    var seed: UInt64 = 1
    let alphabet = Array("{}[]\",:\\u0123456789.eE+-truefalsn \n".utf8)
    for _ in 0..<5000 {
      var bytes: [UInt8] = []
      for _ in 0..<24 {
        seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        bytes.append(alphabet[Int(seed >> 33) % alphabet.count])
      }
      bytes.withUnsafeBytes { _ = try? JSONValue(parsing: $0) }
    }
  }
}
