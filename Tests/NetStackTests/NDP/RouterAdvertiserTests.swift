// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import NetStack

@Suite("Router advertisements", .timeLimit(.minutes(5)))
struct RouterAdvertiserTests {
  private let prefix = CIDR("fd00:1::/64")
  private let mac = MACAddress(0x5a, 0x94, 0xef, 0xe4, 0x0c, 0xdd)

  private func advertiser() throws -> RouterAdvertiser {
    RouterAdvertiser(
      prefix: try #require(prefix), mac: mac, nameServers: [try #require(IPAddress("fd00:1::2"))])
  }

  /// Its options by type.
  private func options(_ message: NDPMessage) throws -> [UInt8: [UInt8]] {
    try message.payload.withByteView { payload in
      var found: [UInt8: [UInt8]] = [:]
      try #require(NDPOptions(checking: payload.dropFirst(8))).forEach { option in
        found[option[0]] = option.bytes
      }
      return found
    }
  }

  @Test("one has prefix, MTU, DNS and search list, and says whether its sender leads outside")
  func content() throws {
    let message = try advertiser().message(
      mtu: 1500, leadsOutside: true, searchDomains: ["lan", "no..name"])
    #expect(message.header.type == ICMPv6Type.routerAdvertisement)
    #expect(message.header.rest & 0xffff == 1800)
    // O, not M: addresses are the guests' own (RFC 4861 §4.2).
    #expect(message.header.rest >> 16 & 0xff == 0x40)
    let options = try options(message)
    #expect(Set(options.keys) == [1, 3, 5, 25, 31])
    #expect(options[31]?[8...12] == [3, 0x6c, 0x61, 0x6e, 0])
    let lonely = try advertiser().message(mtu: 0, leadsOutside: false, searchDomains: [])
    // RFC 4861 §6.2.3: no default router, and the prefix all the same.
    #expect(lonely.header.rest & 0xffff == 0)
    #expect(try Set(self.options(lonely).keys) == [1, 3, 25])
  }

  @Test("one fits every link, however many domains there are")
  func length() throws {
    let domains = (0..<32).map { "\(String(repeating: "a", count: 60)).\($0).example.org" }
    let message = try advertiser().message(mtu: 9000, leadsOutside: true, searchDomains: domains)
    #expect(message.payload.count + 8 + 40 <= 1280)
    #expect(try options(message)[31] != nil)
  }

  @Test("the first three come within 16 s, the others after 200 to 600 s (RFC 4861 §6.2.4)")
  func times() throws {
    var advertiser = try advertiser()
    var random = RandomSource(seed: 1)
    let delays = (0..<20).map { _ in advertiser.nextDelay(&random) / 1_000_000_000 }
    #expect(delays[..<2].allSatisfy { $0 <= 16 })
    #expect(delays[2...].allSatisfy { (200...600).contains($0) })
    #expect(Set(delays[2...]).count > 5)
    advertiser.restart()
    let first = advertiser.nextDelay(&random) / 1_000_000_000
    #expect(first <= 16)
  }
}
