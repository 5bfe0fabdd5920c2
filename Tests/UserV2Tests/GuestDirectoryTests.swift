// SPDX-License-Identifier: Apache-2.0

import Gateway
import NetStack
import Testing
import Wire

@testable import Gateway

@Suite(.timeLimit(.minutes(5))) struct GuestDirectoryTests {
  private static func mac(_ number: UInt8) -> MACAddress {
    MACAddress(0x52, 0x55, 0x55, 0, 0, number)
  }

  private func lease(
    _ number: UInt8, _ hostname: String, state: DHCPLease.State = .bound, expiry: UInt64? = 100
  ) -> DHCPLease {
    DHCPLease(
      address: IPAddress(192, 168, 104, number), client: DHCPClient(mac: Self.mac(number)),
      hostname: hostname, state: state, expiry: expiry)
  }

  private func record(_ name: String, _ number: UInt8) -> GuestDirectory.Record {
    .init(name: name, address: IPAddress(192, 168, 104, number))
  }

  private func directory(guests: ClosedRange<UInt8> = 3...5) -> GuestDirectory {
    var directory = GuestDirectory(domain: "internal", reserved: ["host.internal"])
    for number in guests {
      directory.guestUp(UInt64(number), name: "")
      directory.station(Self.mac(number), at: UInt64(number))
    }
    return directory
  }

  @Test func `a name is there while its guest has lease and link`() {
    var directory = directory()
    let leases = [lease(3, "lima-a")]
    let up = directory.update(leases, now: 0)
    #expect(up.published == [record("lima-a.internal", 3)])
    #expect(up.bound.map(\.0) == [IPAddress(192, 168, 104, 3)])
    #expect(directory.update(leases, now: 1) == .init())
    // The link goes: the name, too, but not the address.
    #expect(directory.guestDown(3) == [Self.mac(3)])
    let down = directory.update(leases, now: 2)
    #expect(down.withdrawn == [record("lima-a.internal", 3)])
    #expect(down.unbound.isEmpty)
    // It comes back, without asking for its address again.
    directory.guestUp(9, name: "")
    directory.station(Self.mac(3), at: 9)
    #expect(directory.update(leases, now: 3).published == [record("lima-a.internal", 3)])
    // The lease ends.
    let over = directory.update(leases, now: 100)
    #expect(over.withdrawn == [record("lima-a.internal", 3)])
    #expect(over.unbound == [IPAddress(192, 168, 104, 3)])
  }

  @Test func `who asks by DHCP hears the name it gets, and none that is another's`() {
    var directory = directory()
    directory.guestUp(7, name: "Box_7")
    directory.station(Self.mac(7), at: 7)
    #expect(directory.fullName("Web_1.lan", of: Self.mac(3)) == "web-1.internal")
    // Its link's name where its own makes none, and none without.
    for name in ["", "___", ".x"] {
      #expect(directory.fullName(name, of: Self.mac(7)) == "box-7.internal")
      #expect(directory.fullName(name, of: Self.mac(3)) == nil)
    }
    _ = directory.update([lease(3, "web-1")], now: 0)
    #expect(directory.fullName("WEB-1", of: Self.mac(3)) == "web-1.internal")
    #expect(directory.fullName("web-1", of: Self.mac(4)) == nil)
    #expect(directory.fullName("host", of: Self.mac(4)) == nil)
  }

  @Test func `of two with one name the first has it as long as its lease, and the second inherits`()
  {
    var directory = directory()
    let first = [lease(4, "web")]
    _ = directory.update(first, now: 0)
    let both = [lease(3, "WEB"), lease(4, "web")]
    let refusal = GuestDirectory.Refusal(
      name: "web.internal", mac: Self.mac(3), owner: Self.mac(4))
    let second = directory.update(both, now: 1)
    #expect(second.published.isEmpty)
    #expect(second.refused == [refusal])
    // Said once.
    #expect(directory.update(both, now: 2).refused.isEmpty)
    // Away, and back with another link: nobody else has the name meanwhile.
    _ = directory.guestDown(4)
    let away = directory.update(both, now: 3)
    #expect(away.withdrawn == [record("web.internal", 4)])
    #expect(away.published.isEmpty && away.ended.isEmpty && away.refused.isEmpty)
    #expect(directory.fullName("web", of: Self.mac(3)) == nil)
    #expect(directory.fullName("web", of: Self.mac(4)) == "web.internal")
    directory.guestUp(9, name: "")
    directory.station(Self.mac(4), at: 9)
    let back = directory.update(both, now: 4)
    #expect(back.published == [record("web.internal", 4)])
    #expect(back.refused.isEmpty && back.withdrawn.isEmpty)
    // Its lease is given up while it is away.
    _ = directory.guestDown(9)
    _ = directory.update(both, now: 5)
    let heir = directory.update([lease(3, "WEB"), lease(4, "web", state: .released)], now: 6)
    #expect(heir.published == [record("web.internal", 3)])
    #expect(heir.ended == [.init(name: "web.internal", mac: Self.mac(3), owner: Self.mac(3))])
    // It comes once more, and is the second.
    directory.guestUp(10, name: "")
    directory.station(Self.mac(4), at: 10)
    #expect(directory.update(both, now: 7).refused.map(\.mac) == [Self.mac(4)])
  }

  @Test func `a name ends with a lease that ends while its guest is away`() {
    var directory = directory()
    let both = [lease(3, "web", expiry: 500), lease(4, "web")]
    _ = directory.update([lease(4, "web")], now: 0)
    _ = directory.update(both, now: 1)
    _ = directory.guestDown(4)
    #expect(directory.update(both, now: 2).published.isEmpty)
    let over = directory.update(both, now: 101)
    #expect(over.published == [record("web.internal", 3)])
  }

  @Test
  func `a guest that stays away leaves its name to another, and has it again only behind that one`()
  {
    var directory = directory()
    let hold = GuestDirectory.nameHold
    let both = [lease(3, "web", expiry: 9 * hold), lease(4, "web", expiry: 9 * hold)]
    _ = directory.update([both[1]], now: 0)
    _ = directory.update(both, now: 1)
    _ = directory.guestDown(4)
    #expect(directory.update(both, now: 2).published.isEmpty)
    #expect(directory.nextExpiry == 2 + hold)
    #expect(directory.update(both, now: 1 + hold).published.isEmpty)
    #expect(directory.update(both, now: 2 + hold).published == [record("web.internal", 3)])
    directory.guestUp(9, name: "")
    directory.station(Self.mac(4), at: 9)
    let back = directory.update(both, now: 3 + hold)
    #expect(back.refused.map(\.mac) == [Self.mac(4)])
    #expect(back.published.isEmpty && back.withdrawn.isEmpty)
  }

  @Test func `who had given up its lease before has no place, and takes no name from another`() {
    var directory = GuestDirectory(domain: "internal", reserved: ["host.internal"])
    directory.restore(order: [Self.mac(4), Self.mac(3)])
    let released = lease(4, "web", state: .released)
    _ = directory.update([released], now: 0)
    directory.forgetOrder()
    for number in [5, 4] as [UInt8] {
      directory.guestUp(UInt64(number), name: "")
      directory.station(Self.mac(number), at: UInt64(number))
      _ = directory.update([number == 5 ? released : lease(4, "web"), lease(5, "web")], now: 1)
    }
    #expect(directory.fullName("web", of: Self.mac(5)) == "web.internal")
    #expect(directory.fullName("web", of: Self.mac(4)) == nil)
  }

  @Test func `a guest with two stations does not refuse its own name`() {
    var directory = directory(guests: 3...3)
    directory.guestUp(7, name: "box")
    for number in [8, 9] as [UInt8] { directory.station(Self.mac(number), at: 7) }
    let changes = directory.update([lease(8, ""), lease(9, "")], now: 0)
    #expect(changes.published.map(\.name) == ["box.internal", "lima-box.internal"])
    #expect(changes.refused.isEmpty && changes.ended.isEmpty)
  }

  @Test func `a refusal that holds no more is told`() {
    var directory = directory()
    let leases = [lease(3, "web"), lease(4, "host"), lease(5, "web")]
    #expect(directory.update(leases, now: 0).refused.count == 2)
    // It wants another name, and leaves.
    let other = directory.update([lease(3, "web"), lease(4, "mine"), lease(5, "web")], now: 1)
    #expect(other.ended == [.init(name: "host.internal", mac: Self.mac(4), owner: nil)])
    _ = directory.guestDown(5)
    let gone = directory.update(leases, now: 2)
    #expect(gone.ended.contains(.init(name: "web.internal", mac: Self.mac(5), owner: nil)))
  }

  @Test func `of two that an earlier process knew the one keeps the name that had it`() {
    var before = directory()
    let leases = [lease(3, "web"), lease(4, "web"), lease(5, "other")]
    _ = before.update([leases[2]], now: 0)
    _ = before.update([leases[1], leases[2]], now: 0)
    _ = before.update(leases, now: 1)
    let kept = before.inOrder(leases)
    #expect(kept.map(\.hostname) == ["other", "web", "web"])
    #expect(kept[1].address == leases[1].address)
    // Nobody is there yet; the one that comes first is not the one that had it.
    var directory = GuestDirectory(domain: "internal", reserved: ["host.internal"])
    directory.restore(order: kept.map(\.client.mac))
    #expect(directory.update(leases, now: 2).published.isEmpty)
    directory.guestUp(3, name: "")
    directory.station(Self.mac(3), at: 3)
    let first = directory.update(leases, now: 3)
    #expect(first.published.isEmpty)
    #expect(
      first.refused == [.init(name: "web.internal", mac: Self.mac(3), owner: Self.mac(4))])
    // The link's own name is new, and none that another has meanwhile.
    directory.guestUp(5, name: "box")
    directory.station(Self.mac(5), at: 5)
    _ = directory.update(leases, now: 4)
    directory.guestUp(4, name: "box")
    directory.station(Self.mac(4), at: 4)
    let back = directory.update(leases, now: 5)
    #expect(back.published == [record("web.internal", 4)])
    #expect(back.refused.map(\.name) == ["lima-box.internal"])
  }

  @Test func `the host's name is nobody's`() {
    var directory = directory()
    let changes = directory.update([lease(3, "host")], now: 0)
    #expect(changes.published.isEmpty)
    #expect(changes.refused == [.init(name: "host.internal", mac: Self.mac(3), owner: nil)])
  }

  @Test func `a guest without a host name has the name of its link`() {
    var directory = directory(guests: 3...3)
    directory.guestUp(7, name: "box")
    directory.station(Self.mac(7), at: 7)
    #expect(
      directory.update([lease(7, "")], now: 0).published
        == [record("box.internal", 7), record("lima-box.internal", 7)])
  }

  @Test func `the name of a link is also what Lima would make of it`() {
    var directory = directory(guests: 3...3)
    for (port, name) in [(7, "vm"), (8, "lima-db"), (9, String(repeating: "x", count: 60))] {
      directory.guestUp(UInt64(port), name: name)
      directory.station(Self.mac(UInt8(port)), at: UInt64(port))
    }
    let leases = [lease(7, "web"), lease(8, ""), lease(9, "long")]
    #expect(
      directory.update(leases, now: 0).published == [
        record("lima-db.internal", 8), record("lima-vm.internal", 7), record("long.internal", 9),
        record("web.internal", 7),
      ])
  }

  @Test func `a guest that changes its name loses the old one`() {
    var directory = directory()
    _ = directory.update([lease(3, "old")], now: 0)
    let changes = directory.update([lease(3, "new")], now: 1)
    #expect(changes.withdrawn == [record("old.internal", 3)])
    #expect(changes.published == [record("new.internal", 3)])
  }

  @Test func `a guest that changes its Ethernet address keeps its name`() {
    var directory = directory()
    _ = directory.update([lease(3, "web"), lease(4, "web")], now: 0)
    directory.station(Self.mac(9), at: 3)
    #expect(directory.isOneGuest(Self.mac(3), Self.mac(9)))
    #expect(!directory.isOneGuest(Self.mac(4), Self.mac(9)))
    #expect(!directory.isOneGuest(Self.mac(7), Self.mac(8)))
    var moved = lease(3, "web")
    moved.client.mac = Self.mac(9)
    let changes = directory.update([moved, lease(4, "web")], now: 1)
    #expect(changes.withdrawn.isEmpty && changes.published.isEmpty && changes.unbound.isEmpty)
    #expect(changes.bound.map(\.1) == [Self.mac(9)])
  }

  @Test func `a station that moved stays when its old port goes`() {
    var directory = directory()
    _ = directory.update([lease(3, "a")], now: 0)
    directory.station(Self.mac(3), at: 5)
    #expect(directory.guestDown(3).isEmpty)
    #expect(directory.update([lease(3, "a")], now: 1) == .init())
  }

  @Test func `a guest that makes up stations forgets its own only`() {
    var directory = directory()
    _ = directory.update([lease(3, "a"), lease(4, "b")], now: 0)
    for number in 0..<1000 {
      directory.station(MACAddress(0x0200_0000_0000 + UInt64(number)), at: 3)
    }
    #expect(directory.update([lease(3, "a"), lease(4, "b")], now: 1) == .init())
  }

  @Test func `what was given since the last look counts, and stations that make room are told`() {
    var directory = directory()
    var leases: [DHCPLease] = []
    var dropped: Set<MACAddress> = []
    for number in 0..<600 {
      let mac = MACAddress(0x0200_0000_0000 + UInt64(number))
      directory.station(mac, at: 3)
      dropped.formUnion(directory.takeDropped())
      guard directory.admits(mac, now: 0, in: leases) == .yes else { continue }
      leases.append(
        DHCPLease(
          address: IPAddress(v4: 0x0a00_0000 + UInt32(number)), client: DHCPClient(mac: mac),
          hostname: "", state: .offered, expiry: 100))
    }
    #expect(leases.count == GuestDirectory.maximumLeases)
    // 256 are remembered, of 601 with the one that was there before.
    #expect(dropped.count == 601 - 256)
    #expect(dropped.isDisjoint(with: leases.map(\.client.mac)))
  }

  @Test func `no guest takes all addresses`() {
    var directory = directory()
    var leases: [DHCPLease] = []
    func station(_ number: UInt64) -> MACAddress { MACAddress(0x0200_0000_0000 + number) }
    for number in 0..<300 {
      let mac = station(UInt64(number))
      directory.station(mac, at: 3)
      guard directory.admits(mac, now: 0, in: leases) == .yes else { continue }
      leases.append(
        DHCPLease(
          address: IPAddress(v4: 0x0a00_0000 + UInt32(number)), client: DHCPClient(mac: mac),
          hostname: "", state: .offered, expiry: 100))
      _ = directory.update(leases, now: 0)
    }
    #expect(leases.count == GuestDirectory.maximumLeases)
    // Who has one may renew it; others are not concerned; an unknown station gets nothing.
    #expect(directory.admits(station(0), now: 0, in: leases) == .yes)
    #expect(directory.admits(Self.mac(4), now: 0, in: leases) == .yes)
    #expect(directory.admits(station(999), now: 0, in: leases) == .no)
    #expect(directory.admits(station(299), now: 100, in: leases) == .yes)
  }

  @Test(arguments: [
    ("lima-vm", "lima-vm"), ("LIMA-vm.example.org", "lima-vm"), ("lima-vm.internal", "lima-vm"),
    ("-a", "a"), ("a-", "a"), ("a_b", "a-b"), ("My_VM", "my-vm"), ("_x_.y", "x"), ("", nil),
    (".x", nil), ("9", "9"), ("___", nil), ("caf\u{e9}", nil), ("a b", nil),
  ])
  func `a label is a host name`(hostname: String, label: String?) {
    #expect(HostName.label(hostname) == label)
  }

  @Test(arguments: [
    ("vm", "lima-vm"), ("lima-vm", "lima-vm"), ("My_VM", "lima-my-vm"),
    ("ubuntu-24.04", "lima-ubuntu-24-04"), ("", nil), ("a b", nil),
  ])
  func `an instance has the name that Lima gives it`(instance: String, label: String?) {
    #expect(HostName.limaLabel(instance) == label)
  }

  @Test func `a label has 63 bytes at most`() {
    let long = String(repeating: "a", count: 63)
    #expect(HostName.label(long) == long)
    #expect(HostName.label(long + "a") == nil)
  }

  private func address6(_ number: UInt8, _ low: UInt64, primary: Bool = true, name: String = "")
    -> GuestDirectory.Address6
  {
    GuestDirectory.Address6(
      address: IPAddress(high: 0xfd00_0006_0000_0000, low: low), mac: Self.mac(number),
      isPrimary: primary, hostname: name)
  }

  @Test func `a name has its guest's lasting IPv6 address beside the other, and follows either`() {
    var directory = directory()
    let leases = [lease(3, "lima-a")]
    let (first, privacy) = (address6(3, 0x1000), address6(3, 0x2000, primary: false))
    _ = directory.update(leases, now: 0)
    let both = directory.update(leases, [first, privacy], now: 1)
    #expect(both.published == [.init(name: "lima-a.internal", address: first.address)])
    #expect(both.withdrawn.isEmpty)
    // The switch is told of all of them.
    #expect(both.bound.map(\.0) == [first.address, privacy.address])
    let other = directory.update(leases, [address6(3, 0x3000)], now: 2)
    #expect(other.unbound == [first.address, privacy.address])
    #expect(other.withdrawn == both.published)
    #expect(other.published.map(\.address.low) == [0x3000])
    let none = directory.update(leases, [], now: 3)
    #expect(none.withdrawn == other.published && none.published.isEmpty)
  }

  @Test func `a guest without an IPv4 address has a name all the same`() {
    var directory = directory()
    let changes = directory.update([], [address6(4, 0x1000, name: "six")], now: 0)
    #expect(changes.published.map(\.name) == ["six.internal"])
    #expect(directory.guestDown(4) == [Self.mac(4)])
    #expect(directory.update([], [], now: 1).withdrawn == changes.published)
  }
}
