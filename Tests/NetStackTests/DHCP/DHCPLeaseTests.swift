// SPDX-License-Identifier: Apache-2.0
//
// Bindings: time, limits, reservations, and hostile clients.

import Testing
import Wire

@testable import NetStack

@Suite("DHCP leases", .timeLimit(.minutes(5)))
struct DHCPLeaseTests {
  @Test("an offer that isn't taken is free again after 30 s")
  func offersExpire() {
    let server = server(pool(1))
    #expect(server.answer(Client(1).discover())?.type == .offer)
    #expect(server.answer(Client(2).discover(), now: 29 * seconds) == nil)
    #expect(server.answer(Client(2).discover(), now: 30 * seconds)?.type == .offer)
  }

  @Test("the length of a lease is what the client asks for, within bounds")
  func leaseTimes() {
    for (asked, given) in [(60, 120), (600, 600), (7200, 3600), (UInt32.max, 3600)] {
      let server = server()
      var message = Client(1).select(guestIP)
      message.options.set(DHCPOptionCode.leaseTime, UInt32(asked))
      #expect(server.answer(message)?.message.options.uint32(51) == UInt32(given))
      let end = UInt64(given) * seconds
      #expect(server.leases(now: end - 1).count == 1)
      #expect(server.leases(now: end).isEmpty)
    }
  }

  @Test("a lease for ever has no end and no renewal")
  func forever() throws {
    let server = server()
    server.state.configuration.leaseSeconds = .max
    let ack = try #require(server.answer(Client(1).select(guestIP)))
    #expect(ack.message.options.uint32(51) == .max)
    #expect(ack.message.options[58] == nil)
    #expect(server.leases(now: .max).count == 1)
  }

  @Test("a thousand made-up clients take the pool and not a byte more, and it heals")
  func flood() {
    let server = server(pool(8))
    for number in 0..<1000 {
      let mac = MACAddress(0x5200_0000_0000 | UInt64(number))
      var client = Client(0)
      client.mac = mac
      _ = server.answer(client.discover())
    }
    #expect(server.state.table.leases.count == 8)
    #expect(server.give(Client(1), now: 31 * seconds) != nil)
  }

  @Test("one client cannot collect addresses")
  func collector() {
    let server = server(pool(8))
    for last in UInt8(15)..<23 {
      #expect(server.answer(Client(1).select(IPAddress(192, 168, 5, last)))?.type == .ack)
    }
    #expect(server.leases(now: 0).map(\.address) == [IPAddress(192, 168, 5, 22)])
  }

  @Test("a reservation is its station's alone, inside the range or outside")
  func reservations() {
    let outside = IPAddress(192, 168, 5, 200)
    let server = server(pool(2, reservations: [Client(1).mac: guestIP, Client(2).mac: outside]))
    #expect(server.give(Client(3)) == IPAddress(192, 168, 5, 16))
    #expect(server.give(Client(4)) == nil)
    #expect(server.answer(Client(4).select(guestIP))?.type == .nak)
    #expect(server.give(Client(1)) == guestIP)
    #expect(server.give(Client(2)) == outside)
    #expect(server.answer(Client(2).select(IPAddress(192, 168, 5, 16)))?.type == .nak)
    #expect(server.answer(Client(2).reboot(outside))?.type == .ack)
  }

  @Test("excluded addresses are never given")
  func exclusions() {
    let last = IPAddress(192, 168, 5, 17)
    let server = server(
      .pool(DHCPPool(first: guestIP, last: last, excluded: [guestIP, IPAddress(192, 168, 5, 16)])))
    #expect(server.answer(Client(1).select(guestIP))?.type == .nak)
    #expect(server.give(Client(1)) == last)
    #expect(server.give(Client(2)) == nil)
  }

  @Test("a guest configured by hand has its address until it is gone")
  func byHand() {
    let server = server(pool(2))
    let guest = DHCPClient(mac: Client(1).mac)
    let address = server.state.reserve(for: guest, hostname: "exec-1", now: 0)
    #expect(address == guestIP)
    #expect(server.leases(now: .max).map(\.state) == [.reserved])
    #expect(server.leases(now: 0).first?.hostname == "exec-1")
    #expect(server.give(Client(2)) == IPAddress(192, 168, 5, 16))
    // A DHCP client in that guest changes nothing.
    #expect(server.give(Client(1), now: seconds) == guestIP)
    #expect(server.answer(Client(1).release(guestIP)) == nil)
    #expect(server.leases(now: .max).map(\.state) == [.reserved])
    server.state.cancelReservation(of: guest, now: seconds)
    #expect(server.leases(now: seconds).map(\.state) == [.bound])
  }

  @Test("a pool of any two addresses is a pool of at most 4096")
  func hugePool() {
    let pool = DHCPPool(first: IPAddress(v4: 0xffff_ff00), last: .broadcastV4)
    #expect(pool.last == .broadcastV4)
    let wide = DHCPPool(first: .anyV4, last: .broadcastV4)
    #expect(wide.last.v4 == 4095)
    let none = server(.pool(DHCPPool(first: guestIP, last: serverIP)))
    #expect(none.give(Client(1)) == nil)
  }

  @Test(
    "a name with anything but letters, digits, dots, dashes and underscores is no name",
    arguments: [
      ("lima-vm", "lima-vm"), ("a.b_c", "a.b_c"), ("vm\0", "vm"), ("v\"m", ""), ("v m", ""),
      ("\u{1b}[2J", ""), ("é", ""), ("", ""),
    ])
  func hostnames(sent: String, kept: String) {
    #expect(DHCPServer.hostname(Array(sent.utf8)) == kept)
  }
}
