// SPDX-License-Identifier: Apache-2.0
//
// The addresses of stations: claims, objections, limits and expiry.

import Testing
import Wire

@testable import NetStack

@Suite("Guests' IPv6 addresses", .timeLimit(.minutes(5)))
struct GuestAddressTableTests {
  private static let second: UInt64 = 1_000_000_000
  private let anna = MACAddress(0x52, 0x55, 0x55, 0, 0, 1)
  private let bert = MACAddress(0x52, 0x55, 0x55, 0, 0, 2)

  private func address(_ number: UInt64) -> IPAddress {
    IPAddress(high: 0xfd00_0000_0000_0001, low: number)
  }

  /// Expects that no address is solicited.
  private func expectNothing(_ table: inout GuestAddresses, at now: UInt64) {
    let asked = table.advance(now: now)
    #expect(asked.isEmpty)
  }

  private func never(_ mac: MACAddress) -> Bool { false }

  @Test("a probe is a claim that holds after a second without objection (RFC 4862 §5.4)")
  func claim() {
    var table = GuestAddresses()
    table.probed(address(0x1000), by: anna, guest: 1, now: 0, mayReplace: never)
    #expect(table[address(0x1000)]?.isTentative == true)
    #expect(table.primary(of: anna) == nil)
    expectNothing(&table, at: GuestAddresses.claimTime)
    #expect(table[address(0x1000)]?.isTentative == false)
    #expect(table.primary(of: anna) == address(0x1000))
  }

  @Test(
    "what the process before knew is nobody else's while its station is asked for it, and then nobody's"
  )
  func restored() {
    var table = GuestAddresses()
    let second = Self.second
    for number: UInt64 in [0x1000, 0x2000] { table.restore(address(number), to: anna, now: 0) }
    // Nothing was received from Anna yet, so that she counts as gone.
    let isGone = { (_: MACAddress) in true }
    let taken = table.heard(address(0x1000), from: bert, guest: 2, now: 1, mayReplace: isGone)
    #expect(!taken)
    table.probed(address(0x2000), by: bert, guest: 2, now: 1, mayReplace: isGone)
    #expect(table.entries(of: bert).isEmpty)
    let asked = table.advance(now: second)
    #expect(Set(asked.map(\.address)) == [address(0x1000), address(0x2000)])
    #expect(asked.allSatisfy { $0.mac == anna })
    // She answers for one.
    let spoke = table.heard(
      address(0x1000), from: anna, guest: 1, now: second + 1, mayReplace: isGone)
    #expect(spoke)
    for time in UInt64(2)...4 { _ = table.advance(now: time * second + 1) }
    #expect(table[address(0x1000)]?.mac == anna)
    #expect(table[address(0x2000)] == nil)
    let free = table.heard(
      address(0x2000), from: bert, guest: 2, now: 5 * second, mayReplace: isGone)
    #expect(free)
  }

  @Test("who claims an address gives way to who speaks under it, and who has it to nobody")
  func objection() {
    var table = GuestAddresses()
    // A link-local one that is made of an Ethernet address is its station's, whoever foresaw it (RFC 4291, appendix A).
    let made = IPAddress.linkLocal(of: anna)
    let foresaw = table.heard(made, from: bert, guest: 2, now: 0, mayReplace: never)
    #expect(foresaw)
    table.probed(made, by: anna, guest: 1, now: 0, mayReplace: never)
    #expect(table[made]?.mac == anna)

    table.probed(address(0x1000), by: anna, guest: 1, now: 0, mayReplace: never)
    let spoke = table.heard(address(0x1000), from: bert, guest: 2, now: 1, mayReplace: never)
    #expect(spoke)
    #expect(table[address(0x1000)]?.mac == bert)
    let tooLate = table.heard(address(0x1000), from: anna, guest: 1, now: 2, mayReplace: never)
    #expect(!tooLate)
    table.probed(address(0x1000), by: anna, guest: 1, now: 3, mayReplace: never)
    #expect(table[address(0x1000)]?.mac == bert)
    // Bert has left: his address is free.
    let afterwards = table.heard(address(0x1000), from: anna, guest: 1, now: 4) { $0 == bert }
    #expect(afterwards)
    #expect(table[address(0x1000)]?.mac == anna)
  }

  @Test("of a station with more addresses than one may have the one heard longest ago goes")
  func stationBound() {
    var table = GuestAddresses()
    let count = UInt64(GuestAddresses.perStation)
    for number in 0..<count {
      _ = table.heard(
        address(0x1000 + number), from: anna, guest: 1, now: number, mayReplace: never)
    }
    _ = table.heard(address(0x1000), from: anna, guest: 1, now: 100, mayReplace: never)
    _ = table.heard(address(0x2000), from: anna, guest: 1, now: 101, mayReplace: never)
    #expect(table.count == GuestAddresses.perStation)
    #expect(table[address(0x1001)] == nil)
    #expect(table[address(0x1000)] != nil && table[address(0x2000)] != nil)
  }

  @Test("a guest that makes up stations and addresses takes nothing from another")
  func linkBound() {
    var table = GuestAddresses()
    _ = table.heard(address(0x9_0000), from: bert, guest: 2, now: 0, mayReplace: never)
    for number in 0..<20_000 as Range<UInt64> {
      let mac = MACAddress(0x0200_0000_0000 | number)
      _ = table.heard(
        address(0x10_0000 + number), from: mac, guest: 1, now: number, mayReplace: never)
    }
    #expect(table.count <= GuestAddresses.perGuest + 1)
    #expect(table[address(0x9_0000)]?.mac == bert)
    for guest in 10..<60 as Range<UInt64> {
      for number in 0..<200 as Range<UInt64> {
        let mac = MACAddress(0x0200_0000_0000 | guest << 16 | number)
        _ = table.heard(
          address(guest << 32 | number), from: mac, guest: guest, now: number, mayReplace: never)
      }
    }
    #expect(table.count <= GuestAddresses.perLink)
    #expect(table[address(0x9_0000)]?.mac == bert)
  }

  @Test(
    "a station is known by what it was given, then by what its Ethernet address makes, then by the oldest"
  )
  func primary() {
    var table = GuestAddresses()
    let modified = IPAddress(
      high: address(0).high, low: IPAddress.interfaceIdentifier(of: anna))
    _ = table.heard(IPAddress.linkLocal(of: anna), from: anna, guest: 1, now: 0, mayReplace: never)
    #expect(table.primary(of: anna) == nil)
    _ = table.heard(address(0x5000), from: anna, guest: 1, now: 1, mayReplace: never)
    _ = table.heard(address(0x4000), from: anna, guest: 1, now: 2, mayReplace: never)
    #expect(table.primary(of: anna) == address(0x5000))
    _ = table.heard(modified, from: anna, guest: 1, now: 3, mayReplace: never)
    #expect(table.primary(of: anna) == modified)
    let given = table.assign(
      address(0x6000), to: anna, origin: .leased, guest: 1, expiry: 10, now: 4, mayReplace: never)
    #expect(given)
    #expect(table.primary(of: anna) == address(0x6000))
    expectNothing(&table, at: 10)
    #expect(table.primary(of: anna) == modified)
  }

  @Test("an address nobody speaks under is asked for three times, and goes when nobody answers")
  func silence() {
    var table = GuestAddresses()
    _ = table.heard(address(0x1000), from: anna, guest: 1, now: 0, mayReplace: never)
    _ = table.heard(address(0x2000), from: bert, guest: 2, now: 0, mayReplace: never)
    var now = GuestAddresses.silence
    expectNothing(&table, at: now - 1)
    let both = Set(table.advance(now: now).map(\.address))
    #expect(both == [address(0x1000), address(0x2000)])
    _ = table.heard(address(0x2000), from: bert, guest: 2, now: now + 1, mayReplace: never)
    for _ in 0..<2 {
      now += GuestAddresses.askInterval
      let one = table.advance(now: now).map(\.address)
      #expect(one == [address(0x1000)])
    }
    now += GuestAddresses.askInterval
    expectNothing(&table, at: now)
    #expect(table[address(0x1000)] == nil && table[address(0x2000)] != nil)
  }

  @Test("a station that is gone leaves nothing behind")
  func forget() {
    var table = GuestAddresses()
    for number in 0..<10 as Range<UInt64> {
      _ = table.heard(address(0x1000 + number), from: anna, guest: 1, now: 0, mayReplace: never)
    }
    let came = table.takeChanges()
    table.forget([anna])
    let left = table.takeChanges()
    #expect(table.count == 0 && came == [anna] && left == [anna])
    #expect(table.entries(of: anna).isEmpty)
  }

  @Test("thousands of addresses that are due together are asked for in parts")
  func askedInParts() {
    var table = GuestAddresses()
    for number in 0..<1000 as Range<UInt64> {
      table.restore(address(0x1000 + number), to: MACAddress(2 + number << 8), now: 0)
    }
    var now = GuestAddresses.askInterval
    var asked: [Int] = []
    while asked.reduce(0, +) < 1000 {
      asked.append(table.advance(now: now).count)
      now = table.nextDeadline
    }
    #expect(asked == [256, 256, 256, 232])
  }
}
