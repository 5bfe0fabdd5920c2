// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import Testing

@Suite("Names (RFC 1035 3.1, 4.1.4, 5.1; RFC 2181 11; RFC 4343)", .timeLimit(.minutes(5)))
struct NameTests {
  @Test(
    "presentation form is read and written",
    arguments: [
      ("example.com", "example.com."), ("example.com.", "example.com."), (".", "."),
      ("Lima", "Lima."), ("a\\.b.c", "a\\.b.c."), ("\\097b.c", "ab.c."),
      ("_sip._tcp.x", "_sip._tcp.x."),
      ("a\\032b", "a\\032b."), ("\\255.", "\\255."), ("*.x", "*.x."), ("a\\\\b", "a\\\\b."),
    ])
  func reads(_ text: String, _ expected: String) throws {
    let name = try #require(DNSName(text))
    #expect(name.description == expected)
    #expect(DNSName(name.description) == name)
    #expect(DNSName(wire: name.wire)?.wire == name.wire)
  }

  @Test(
    "what is no name is refused",
    arguments: [
      "", "..", "a..b", ".a", "a\\", "a\\2", "a\\25", "a\\256", "a\\2x5",
      String(repeating: "x", count: 64), String(repeating: "a.", count: 128),
      String(repeating: "a", count: 5000),
    ])
  func refuses(_ text: String) {
    #expect(DNSName(text) == nil)
  }

  @Test("the longest label and the longest name fit (RFC 1035 2.3.4)")
  func limits() {
    #expect(DNSName(String(repeating: "x", count: 63)) != nil)
    #expect(DNSName(String(repeating: "a.", count: 127))?.wire.count == 255)
  }

  @Test("letters compare without case, nothing else does (RFC 4343)")
  func caseInsensitive() throws {
    let lower = try #require(DNSName("www.example.com"))
    let upper = try #require(DNSName("WWW.Example.COM"))
    #expect(lower == upper)
    #expect(Set([lower]).contains(upper))
    #expect(upper.description == "WWW.Example.COM.")
    #expect(DNSName("a[b") != DNSName("a{b"))
    #expect(DNSName("a@b") != DNSName("a`b"))
  }

  @Test("a length octet that looks like a letter is not folded")
  func lengthsAreNotLetters() throws {
    // 0x41 would be a label type, so nothing below 64 may change.
    let name = try #require(DNSName(labels: [Array(repeating: 0x41, count: 63)]))
    #expect(name == name.lowercased)
    #expect(name.lowercased.wire[0] == 63)
  }

  @Test("within means at label boundaries")
  func within() throws {
    let zone = try #require(DNSName("example.COM"))
    #expect(try #require(DNSName("a.b.Example.com")).isWithin(zone))
    #expect(zone.isWithin(zone))
    #expect(zone.isWithin(.root))
    #expect(!(try #require(DNSName("badexample.com")).isWithin(zone)))
    #expect(!(DNSName.root.isWithin(zone)))
  }

  @Test("a pointer expands to what it points at, case kept")
  func pointer() throws {
    //           0: Ab.c.            6: x + pointer to 0
    let bytes: [UInt8] = [2, 0x41, 0x62, 1, 0x63, 0, 1, 0x78, 0xC0, 0]
    var offset = 6
    let name = try DNSName.read(bytes, at: &offset)
    #expect(name.description == "x.Ab.c.")
    #expect(offset == 10)
  }

  @Test(
    "bad pointers and labels end in an error",
    arguments: [
      ([0xC0, 0], .badPointer),  // to itself
      ([0xC0, 2, 0xC0, 0], .badPointer),  // forward
      ([1, 0x61, 0xC0, 0], .badPointer),  // a loop through a label
      ([0xC0], .truncated), ([5, 1, 2], .truncated), ([], .truncated), ([1, 0x61], .truncated),
      ([0x40, 0], .badLabel), ([0x80, 0], .badLabel),
    ] as [([UInt8], DNSParseError)])
  func badNames(_ bytes: [UInt8], _ error: DNSParseError) {
    var offset = 0
    #expect(throws: error) { try DNSName.read(bytes, at: &offset) }
  }

  @Test("a name longer than 255 octets through pointers is refused")
  func tooLong() {
    var bytes: [UInt8] = []
    for _ in 0..<5 { bytes += [60] + Array(repeating: 0x61, count: 60) }
    bytes.append(0)
    var offset = 0
    #expect(throws: DNSParseError.nameTooLong) { try DNSName.read(bytes, at: &offset) }
  }

  @Test("a long chain of pointers is refused")
  func chain() {
    var bytes: [UInt8] = [0, 0]
    for target in stride(from: 0, to: 400, by: 2) {
      bytes += [0xC0 | UInt8(target >> 8), UInt8(target & 255)]
    }
    var offset = bytes.count - 2
    #expect(throws: DNSParseError.badPointer) { try DNSName.read(bytes, at: &offset) }
    offset = 20
    #expect((try? DNSName.read(bytes, at: &offset))?.isRoot == true)
  }

  @Test(
    "reverse names go both ways (RFC 1035 3.5, RFC 3596 2.5)",
    arguments: [
      ("192.168.5.15", "15.5.168.192.in-addr.arpa."),
      (
        "2001:db8::1",
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."
      ),
    ])
  func reverse(_ address: String, _ name: String) throws {
    let address = try #require(DNSAddress(address))
    #expect(DNSName(reverseOf: address).description == name)
    #expect(DNSName(name.uppercased())?.reverseAddress == address)
  }

  @Test(
    "other names are no reverse names",
    arguments: [
      "5.168.192.in-addr.arpa", "256.1.1.1.in-addr.arpa", "01.1.1.1.in-addr.arpa",
      "x.1.1.1.in-addr.arpa", "1.1.1.1.ip6.arpa", "1.1.1.1.example.com", ".",
    ])
  func noReverse(_ text: String) throws {
    #expect(try #require(DNSName(text)).reverseAddress == nil)
  }
}

@Suite("Addresses (RFC 4291 2.2, RFC 5952)", .timeLimit(.minutes(5)))
struct AddressTests {
  @Test(
    "text is read and written in its one form",
    arguments: [
      ("192.168.5.2", "192.168.5.2"), ("0.0.0.0", "0.0.0.0"),
      ("255.255.255.255", "255.255.255.255"),
      ("::", "::"), ("::1", "::1"), ("FD00::0:2", "fd00::2"), ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
      ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("::ffff:1.2.3.4", "::ffff:102:304"),
      ("1::", "1::"), ("0:0:1:0:0:0:0:0", "0:0:1::"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
    ])
  func text(_ text: String, _ expected: String) throws {
    let address = try #require(DNSAddress(text))
    #expect(address.description == expected)
    #expect(DNSAddress(octets: address.octets) == address)
    #expect(DNSAddress(expected) == address)
  }

  @Test(
    "what is no address is refused",
    arguments: [
      "", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", "+1.2.3.4", ":", ":::",
      "1::2::3",
      "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "g::", "::1%lo", "+1::", "1:2:3:4:5:6:7::8",
      "fe80::1.2.3", ":1:2:3:4:5:6:7",
    ])
  func refuses(_ text: String) {
    #expect(DNSAddress(text) == nil)
  }
}
