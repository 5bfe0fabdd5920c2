// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

/// Extension headers as the packet's destination reads them: a case for each rule, with the section that it is from.
@Suite(.timeLimit(.minutes(1)))
struct IPv6ChainTests {
  struct Case: CustomTestStringConvertible, Sendable {
    var rule: String
    var first: UInt8
    var bytes: [UInt8]
    var isGroup = false
    var expected: IPv6Chain
    var testDescription: String { rule }
  }

  private static func layer(
    _ proto: UInt8, at offset: Int, named: Int, fragment: IPv6Fragment? = nil, fragmentAt: Int = 0
  ) -> IPv6Chain {
    .layer(
      IPv6Layer(
        protocolNumber: proto, offset: offset, nextHeaderOffset: named, fragment: fragment,
        fragmentOffset: fragmentAt))
  }

  private static func problem(_ code: UInt8, _ pointer: Int) -> IPv6Chain {
    .refused(.problem(code: code, pointer: pointer))
  }

  /// Eight bytes of an extension header that is padding.
  private static func padding(_ next: UInt8) -> [UInt8] { [next, 0, 1, 4, 0, 0, 0, 0] }
  private static func option(_ next: UInt8, _ type: UInt8) -> [UInt8] {
    [next, 0, type, 4, 0, 0, 0, 0]
  }
  private static func fragment(_ next: UInt8, offset: UInt16, more: Bool) -> [UInt8] {
    let word = offset | (more ? 1 : 0)
    return [next, 0, UInt8(word >> 8), UInt8(word & 0xff), 0, 0, 0, 9]
  }
  private static func piece(_ offset: Int, more: Bool) -> IPv6Fragment {
    IPv6Fragment(offset: offset, moreFragments: more, identification: 9)
  }
  private static let udp: [UInt8] = [0, 7, 0, 9, 0, 8, 0, 0]

  static let cases: [Case] = [
    Case(
      rule: "RFC 8200 §3: no extension header", first: 17, bytes: udp,
      expected: layer(17, at: 40, named: 6)),
    Case(
      rule: "§4.3: hop-by-hop options that are padding", first: 0, bytes: padding(17) + udp,
      expected: layer(17, at: 48, named: 40)),
    Case(
      rule: "§4.1: hop-by-hop options anywhere but first are an unknown header", first: 60,
      bytes: padding(0) + padding(17) + udp, expected: problem(1, 40)),
    Case(
      rule: "§4.6: destination options before and behind others", first: 60,
      bytes: padding(43) + [60, 0, 0, 0, 0, 0, 0, 0] + padding(17) + udp,
      expected: layer(17, at: 64, named: 56)),
    Case(
      rule: "§4.2: option 00xxxxxx is skipped", first: 60, bytes: option(17, 0x1e) + udp,
      expected: layer(17, at: 48, named: 40)),
    Case(
      rule: "§4.2: option 01xxxxxx discards without a word", first: 60,
      bytes: option(17, 0x5e) + udp, expected: .refused(.discarded)),
    Case(
      rule: "§4.2: option 10xxxxxx is reported", first: 60, bytes: option(17, 0x9e) + udp,
      expected: problem(2, 42)),
    Case(
      rule: "§4.2: option 10xxxxxx is reported of a group's packet, too", first: 60,
      bytes: option(17, 0x9e) + udp, isGroup: true, expected: problem(2, 42)),
    Case(
      rule: "§4.2: option 11xxxxxx is reported", first: 60, bytes: option(17, 0xde) + udp,
      expected: problem(2, 42)),
    Case(
      rule: "§4.2: option 11xxxxxx is not reported of a group's packet", first: 60,
      bytes: option(17, 0xde) + udp, isGroup: true, expected: .refused(.discarded)),
    Case(
      rule: "RFC 2675 §3: a jumbogram is none of ours", first: 0, bytes: option(17, 0xc2) + udp,
      expected: problem(2, 42)),
    Case(
      rule: "RFC 2711 §2.1: router alert is skipped", first: 0,
      bytes: [58, 0, 5, 2, 0, 0, 1, 0] + udp, expected: layer(58, at: 48, named: 40)),
    Case(
      rule: "§4.2: an option longer than its header", first: 60,
      bytes: [17, 0, 1, 9, 0, 0, 0, 0] + udp, expected: problem(0, 42)),
    Case(
      rule: "§4.2: an option without its length", first: 60,
      bytes: [17, 0, 0, 0, 0, 0, 0, 1] + udp, expected: problem(0, 47)),
    Case(
      rule: "RFC 8504 §5.3, RFC 8883 §2.6: too many options", first: 60,
      bytes: [17, 5] + [UInt8](repeating: 0, count: 46) + udp, expected: problem(9, 40 + 2 + 32)),
    Case(
      rule: "RFC 5095 §3: routing header of type 0 with segments left", first: 43,
      bytes: [17, 0, 0, 1, 0, 0, 0, 0] + udp, expected: problem(0, 42)),
    Case(
      rule: "RFC 8200 §4.4: any routing header without segments left", first: 43,
      bytes: [17, 0, 0, 0, 0, 0, 0, 0] + udp, expected: layer(17, at: 48, named: 40)),
    Case(
      rule: "§4.4: an unknown routing header with segments left", first: 43,
      bytes: [17, 0, 200, 7, 0, 0, 0, 0] + udp, expected: problem(0, 42)),
    Case(
      rule: "§4.5: the first fragment", first: 44, bytes: fragment(17, offset: 0, more: true) + udp,
      expected: layer(17, at: 48, named: 40, fragment: piece(0, more: true), fragmentAt: 40)),
    Case(
      rule: "§4.5: behind a later fragment's header nothing is read", first: 44,
      bytes: fragment(60, offset: 1280, more: false) + [0xff, 0xff],
      expected: layer(60, at: 48, named: 40, fragment: piece(1280, more: false), fragmentAt: 40)),
    Case(
      rule: "RFC 6946 §4: an atomic fragment", first: 44,
      bytes: fragment(17, offset: 0, more: false) + udp,
      expected: layer(17, at: 48, named: 40, fragment: piece(0, more: false), fragmentAt: 40)),
    Case(
      rule: "§4.5: a fragment of a fragment", first: 44,
      bytes: fragment(44, offset: 0, more: true) + fragment(17, offset: 0, more: true) + udp,
      expected: .refused(.malformed)),
    Case(
      rule: "RFC 7112 §5: a first fragment without its transport header", first: 44,
      bytes: fragment(6, offset: 0, more: true) + udp, expected: problem(3, 0)),
    Case(
      rule: "RFC 7112 §5: a first fragment whose options are cut off", first: 44,
      bytes: fragment(60, offset: 0, more: true) + [17, 3, 0, 0, 0, 0, 0, 0],
      expected: problem(3, 0)),
    Case(
      rule: "RFC 8504 §5.3, RFC 8883 §2.5: too many headers", first: 60,
      bytes: (0..<9).flatMap { padding($0 == 8 ? 17 : 60) } + udp,
      expected: problem(8, 40 + 8 * 8)),
    Case(
      rule: "§4.7: no next header", first: 59, bytes: [1, 2, 3],
      expected: layer(59, at: 40, named: 6)),
    Case(
      rule: "§4: a header that nobody knows", first: 60, bytes: padding(200) + udp,
      expected: layer(200, at: 48, named: 40)),
    Case(
      rule: "a header that is cut off", first: 60, bytes: [17, 0, 0], expected: .refused(.malformed)
    ),
    Case(
      rule: "a header longer than the packet", first: 0, bytes: [17, 9, 0, 0, 0, 0, 0, 0],
      expected: .refused(.malformed)),
  ]

  @Test(arguments: cases) func `each rule`(_ rule: Case) throws {
    let destination = rule.isGroup ? IPAddress.allNodes : IPAddress(high: 0xfd00 << 48, low: 2)
    let packet = [UInt8](capacity: 40 + rule.bytes.count) { out in
      IPv6Header(
        source: IPAddress(high: 0xfd00 << 48, low: 9), destination: destination,
        nextHeader: rule.first, payloadLength: rule.bytes.count
      ).emit(into: out)
      rule.bytes.withByteView { out.store($0, at: 40) }
      return 40 + rule.bytes.count
    }
    try packet.withByteView { view in
      let ip = try #require(IPv6Packet(checking: view))
      #expect(ip.walk() == rule.expected)
      #expect(ip.chain == rule.expected)
    }
  }

  @Test func `groups and addresses that follow from others are those of the RFCs`() throws {
    let mac = MACAddress(0x5a, 0x94, 0xef, 0xe4, 0x0c, 0xdd)
    // RFC 4291, appendix A.
    #expect(IPAddress.linkLocal(of: mac) == IPAddress("fe80::5894:efff:fee4:cdd"))
    // RFC 4291 §2.7.1
    #expect(
      try #require(IPAddress("4037::01:800:200e:8c6c")).solicitedNode
        == IPAddress("ff02::1:ff0e:8c6c"))
    // RFC 2464 §7
    #expect(
      MACAddress(group: try #require(IPAddress("ff02::1:ff0e:8c6c")))
        == MACAddress(0x33, 0x33, 0xff, 0x0e, 0x8c, 0x6c))
    #expect(IPAddress.allNodes == IPAddress("ff02::1"))
    #expect(IPAddress.allRouters == IPAddress("ff02::2"))
    #expect(IPAddress.allDHCPAgents == IPAddress("ff02::1:2"))
    #expect(IPAddress.allMLDv2Routers == IPAddress("ff02::16"))
  }
}
