// SPDX-License-Identifier: Apache-2.0
//
// Names as users write them, and the reasons that answers give.

import DNSMessage
import Testing

@Suite("Names with letters of any script", .timeLimit(.minutes(5)))
struct UserNameTests {
  @Test(
    "become what the DNS has (RFC 3492 7.1, RFC 5891 4.4)",
    arguments: [
      ("b\u{fc}cher.example", "xn--bcher-kva.example."),
      ("B\u{dc}CHER.example.", "xn--bcher-kva.example."),
      // u and a combining diaeresis are one letter.
      ("bu\u{308}cher.example", "xn--bcher-kva.example."),
      ("\u{4f8b}\u{3048}.\u{30c6}\u{30b9}\u{30c8}", "xn--r8jz45g.xn--zckzah."),
      ("\u{4f8b}\u{3048}\u{3002}\u{30c6}\u{30b9}\u{30c8}", "xn--r8jz45g.xn--zckzah."),
      ("www.\u{645}\u{62b}\u{627}\u{644}.example", "www.xn--mgbh0fb.example."),
      ("stra\u{df}e.de", "xn--strae-oqa.de."),
      ("plain.example", "plain.example."), ("UPPER.example", "UPPER.example."),
      ("_srv._tcp.b\u{fc}cher.example", "_srv._tcp.xn--bcher-kva.example."),
    ])
  func encoded(text: String, name: String) {
    #expect(DNSName(userText: text)?.description == name)
  }

  @Test("stay UTF-8 where multicast DNS has them (RFC 6762 16)")
  func local() {
    #expect(
      DNSName(userText: "b\u{fc}ro.local")?.labels.first.map(Array.init) == Array("b\u{fc}ro".utf8))
  }

  @Test("are refused when a label would be too long or empty")
  func refused() {
    #expect(DNSName(userText: String(repeating: "\u{fc}", count: 64) + ".example") == nil)
    #expect(DNSName(userText: "\u{fc}..example") == nil)
    #expect(DNSName(userText: "") == nil)
    // Long ones take no time.
    #expect(DNSName(userText: String(repeating: "\u{fc}", count: 100_000)) == nil)
  }

  @Test(
    "classes are read in any case",
    arguments: [
      ("in", 1), ("CH", 3), ("HS", 4), ("any", 255), ("CLASS3", 3), ("class65535", 65535),
    ]
      as [(String, UInt16)])
  func classes(text: String, value: UInt16) {
    #expect(DNSClass(text)?.rawValue == value)
  }

  @Test("what is no class is none", arguments: ["", "INN", "CLASS", "CLASS65536", "A"])
  func noClass(text: String) { #expect(DNSClass(text) == nil) }

  @Test("extended errors are read from any options (RFC 8914)")
  func extendedErrors() {
    let edns = DNSEDNS(
      udpSize: 512,
      options: [0, 15, 0, 2, 0, 6, 0, 15, 0, 1, 9, 0, 3, 0, 0, 0, 15, 0, 4, 200, 0, 0x68, 0x69])
    #expect(
      edns.extendedErrors.map(\.description) == ["6 (DNSSEC Bogus)", "51200 (unknown): hi"])
    #expect(edns.optionList.map(\.code) == [15, 15, 3, 15])
    #expect(DNSEDNS(udpSize: 512, options: [0, 15, 0]).extendedErrors.isEmpty)
  }
}
