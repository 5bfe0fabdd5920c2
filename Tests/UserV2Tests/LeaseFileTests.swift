// SPDX-License-Identifier: Apache-2.0

import NetStack
import Testing
import Wire

@testable import Gateway

@Suite(.timeLimit(.minutes(5))) struct LeaseFileTests {
  private let second: UInt64 = 1_000_000_000
  private let before = LeaseFile.Clocks(monotonic: 500_000_000_000, unix: 1_000_000)
  private let router = IPAddress(192, 168, 104, 2)

  private func lease(_ number: UInt8, _ state: DHCPLease.State, expiry: UInt64?) -> DHCPLease {
    DHCPLease(
      address: IPAddress(192, 168, 104, number),
      client: DHCPClient(mac: MACAddress(0x52, 0x55, 0x55, 0, 0, number)), hostname: "vm\(number)",
      state: state, expiry: expiry)
  }

  @Test func `bindings come back, with the time they have left, under another clock`() throws {
    let text = LeaseFile.text(
      [
        lease(3, .bound, expiry: before.monotonic + 100 * second), lease(4, .bound, expiry: nil),
        lease(5, .released, expiry: 1), lease(6, .offered, expiry: .max),
        lease(7, .declined, expiry: .max), lease(8, .reserved, expiry: nil),
      ], before)
    // A boot later: 40 s of wall time, and a young monotonic clock.
    let after = LeaseFile.Clocks(monotonic: 7 * second, unix: 1_000_040)
    let leases = try #require(LeaseFile.read(text, after))
    #expect(leases.map(\.address.description.last) == ["3", "4", "5", "8"])
    #expect(leases.map(\.state) == [.bound, .bound, .released, .bound])
    // Configured by hand: kept until it is taken up again, and not for ever.
    #expect(leases[3].expiry == 67 * second)
    #expect(leases[0].expiry == 67 * second)
    #expect(leases[0].hostname == "vm3")
    #expect(leases[1].expiry == nil)
    // One that ended meanwhile is remembered, and holds again when its guest is seen.
    let late = LeaseFile.Clocks(monotonic: 7 * second, unix: 1_000_101)
    var ended = try #require(LeaseFile.read(text, late)?.first)
    #expect(!ended.isLive(late.monotonic))
    ended.isPresent = true
    #expect(ended.isLive(late.monotonic))
  }

  @Test(arguments: [
    "", "{", "[]", "null", #"{"version":2,"leases":[]}"#, #"{"version":1}"#,
    #"{"version":1,"leases":{}}"#,
  ])
  func `what is no lease file is known as such`(text: String) {
    #expect(LeaseFile.read(text, before) == nil)
  }

  @Test func `entries that make no sense are left out, the others stay`() throws {
    let text = """
      {"version":1,"leases":[5,null,{},{"address":"x","mac":"52:55:55:00:00:01","state":"bound"},
      {"address":"fd00::1","mac":"52:55:55:00:00:01","state":"bound"},
      {"address":"192.168.104.9","mac":"ff:ff:ff:ff:ff:ff","state":"bound"},
      {"address":"192.168.104.3","mac":"52:55:55:00:00:01","state":"bound","expires":-5},
      {"address":"192.168.104.4","mac":"52:55:55:00:00:02","state":"bound","expires":9e99},
      {"address":"192.168.104.5","mac":"52:55:55:00:00:03","state":"bound","expires":9223372036854775807,"hostname":"a b"}]}
      """
    let leases = try #require(LeaseFile.read(text, before))
    #expect(leases.map(\.state) == [.released, .released, .bound])
    #expect(leases[2].hostname == "")
  }

  @Test func `Lima's file has every address and the router's, and is read back`() throws {
    let text = LeaseFile.limaText(
      [lease(3, .bound, expiry: 1), lease(4, .released, expiry: 0), lease(5, .offered, expiry: 9)],
      router: router, routerMAC: MACAddress(0x5a, 0x94, 0xef, 0xe4, 0x0c, 0xdd))
    #expect(
      text
        == #"{"192.168.104.2":"5a:94:ef:e4:0c:dd","192.168.104.3":"52:55:55:00:00:03","192.168.104.4":"52:55:55:00:00:04"}"#
        + "\n")
    let leases = try #require(LeaseFile.readLima(text, router: router, now: 9))
    #expect(leases.map(\.address.description) == ["192.168.104.3", "192.168.104.4"])
    #expect(leases.allSatisfy { $0.state == .released })
    #expect(LeaseFile.readLima("[1]", router: router, now: 9) == nil)
  }
}
