// SPDX-License-Identifier: Apache-2.0
//
// The directory of a network with thousands of guests: what an update costs goes with what changed, and what it says is what a
// look at all of them would say.

import NetStack
import TestSupport
import Testing
import Wire

@testable import Gateway

extension GuestDirectory {
  /// Updates from whole lists: every station that has or had something is one that changed.
  mutating func update(
    _ leases: [DHCPLease], _ addresses: [Address6] = [], now: UInt64
  ) -> Changes {
    changed(known.keys)
    changed(leases.map(\.client.mac))
    changed(addresses.map(\.mac))
    return update(now: now, limit: .max) { mac in
      Bindings(
        leases: leases.filter { $0.client.mac == mac },
        addresses6: addresses.filter { $0.mac == mac })
    }
  }

  mutating func admits(
    _ mac: MACAddress, now: UInt64, in leases: [DHCPLease]
  ) -> DHCPService.Admission {
    admits(mac, now: now) { station in leases.filter { $0.client.mac == station } }
  }
}

@Suite(.timeLimit(.minutes(5))) struct GuestDirectoryScaleTests {
  private static func mac(_ number: Int) -> MACAddress {
    MACAddress(0x5255_5500_0000 + UInt64(number))
  }

  private static func lease(
    _ number: Int, _ hostname: String, expiry: UInt64? = 1000
  ) -> DHCPLease {
    DHCPLease(
      address: IPAddress(v4: 0x0a00_0000 + UInt32(number)), client: DHCPClient(mac: mac(number)),
      hostname: hostname, state: .bound, expiry: expiry)
  }

  @Test func `with 4,096 guests the change of one is a look at one`() {
    var directory = GuestDirectory(domain: "internal", reserved: ["host.internal"])
    var leases: [MACAddress: DHCPLease] = [:]
    for number in 1...4096 {
      directory.guestUp(UInt64(number), name: "")
      directory.station(Self.mac(number), at: UInt64(number))
      leases[Self.mac(number)] = Self.lease(number, "vm-\(number)")
    }
    func bindings(_ mac: MACAddress) -> GuestDirectory.Bindings {
      GuestDirectory.Bindings(leases: leases[mac].map { [$0] } ?? [])
    }
    // Many that change at once are looked at in parts.
    var turns = 0
    var published = 0
    while directory.isPending {
      let before = directory.examined
      published += directory.update(now: 0, bindings).published.count
      #expect(directory.examined - before <= UInt64(GuestDirectory.stationsAtOnce))
      turns += 1
    }
    #expect(turns == 4096 / GuestDirectory.stationsAtOnce && published == 4096)

    let before = directory.examined
    leases[Self.mac(7)]?.hostname = "seven"
    directory.changed([Self.mac(7)])
    let changes = directory.update(now: 1, bindings)
    #expect(changes.published.map(\.name) == ["seven.internal"])
    #expect(changes.withdrawn.map(\.name) == ["vm-7.internal"])
    #expect(directory.examined - before == 1)
    #expect(directory.update(now: 2, bindings) == .init())
    #expect(directory.examined - before == 1)
  }

  @Test func `leases that end by themselves are found without a word`() {
    var directory = GuestDirectory(domain: "internal", reserved: [])
    var leases: [MACAddress: DHCPLease] = [:]
    for number in 1...3 {
      directory.guestUp(UInt64(number), name: "")
      directory.station(Self.mac(number), at: UInt64(number))
      leases[Self.mac(number)] = Self.lease(number, "vm-\(number)", expiry: UInt64(number) * 100)
    }
    func bindings(_ mac: MACAddress) -> GuestDirectory.Bindings {
      GuestDirectory.Bindings(leases: leases[mac].map { [$0] } ?? [])
    }
    _ = directory.update(now: 0, bindings)
    #expect(directory.nextExpiry == 100)
    #expect(directory.update(now: 99, bindings) == .init())
    #expect(directory.update(now: 100, bindings).withdrawn.map(\.name) == ["vm-1.internal"])
    #expect(directory.nextExpiry == 200)
    // Renewed in time.
    leases[Self.mac(2)]?.expiry = 900
    directory.changed([Self.mac(2)])
    #expect(directory.update(now: 150, bindings) == .init())
    #expect(directory.update(now: 250, bindings) == .init())
    #expect(directory.nextExpiry == 300)
  }

  /// What the rest knows of the directory, by what it was told.
  private struct Told: Equatable {
    var bindings: [IPAddress: MACAddress] = [:]
    var names: Set<GuestDirectory.Record> = []

    mutating func apply(_ changes: GuestDirectory.Changes) {
      for address in changes.unbound { bindings[address] = nil }
      for (address, mac) in changes.bound { bindings[address] = mac }
      names.subtract(changes.withdrawn)
      names.formUnion(changes.published)
    }
  }

  @Test func `what is told of changes adds up to what a look at everything tells`() {
    var random = SeededGenerator(seed: 11)
    var directory = GuestDirectory(domain: "internal", reserved: ["host.internal"])
    var all = GuestDirectory(domain: "internal", reserved: ["host.internal"])
    var leases: [MACAddress: DHCPLease] = [:]
    var (told, whole) = (Told(), Told())
    for now in 0..<3000 as Range<UInt64> {
      let number = Int.random(in: 1...12, using: &random)
      let port = UInt64.random(in: 1...6, using: &random)
      switch Int.random(in: 0..<8, using: &random) {
      case 0:
        for each in [0, 1] {
          if each == 0 { directory.guestUp(port, name: "link-\(port % 3)") }
          if each == 1 { all.guestUp(port, name: "link-\(port % 3)") }
        }
      case 1:
        #expect(directory.guestDown(port) == all.guestDown(port))
      case 2, 3:
        #expect(
          directory.station(Self.mac(number), at: port) == all.station(Self.mac(number), at: port))
      case 4:
        leases[Self.mac(number)] = nil
        directory.changed([Self.mac(number)])
      default:
        // One address each, which may be another's who loses it; some names are wanted by several.
        let address = IPAddress(v4: 0x0a00_0000 + UInt32.random(in: 1...12, using: &random))
        let loser = leases.first { $0.value.address == address }?.key
        if let loser { leases[loser] = nil }
        var lease = Self.lease(
          number, ["", "web", "db", "host", "vm-\(number)"].randomElement(using: &random) ?? "",
          expiry: now + UInt64.random(in: 1...200, using: &random))
        lease.address = address
        leases[Self.mac(number)] = lease
        directory.changed([Self.mac(number)] + (loser.map { [$0] } ?? []))
      }
      told.apply(
        directory.update(now: now, limit: .max) { mac in
          GuestDirectory.Bindings(leases: leases[mac].map { [$0] } ?? [])
        })
      whole.apply(all.update(Array(leases.values), now: now))
      #expect(told == whole, "after step \(now)")
      #expect(directory.nameCount == Set(told.names.map(\.name)).count)
      guard told == whole else { return }
    }
  }
}
