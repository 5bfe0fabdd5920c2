// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import NetStack

/// Guests that change their Ethernet address keep their leases.
@Suite(.timeLimit(.minutes(1))) struct DHCPChangeTests {
  private static let stranger = Client(9)

  /// All clients are of one guest, except the stranger.
  private func shared(_ policy: DHCPPolicy) -> TestServer {
    let server = server(policy)
    server.state.configuration.identifiesByMAC = true
    let stranger = Self.stranger.mac
    server.state.isOneGuest = { $0 != stranger && $1 != stranger }
    return server
  }

  private func owners(_ server: TestServer) -> [MACAddress] {
    server.leases(now: seconds).map(\.client.mac)
  }

  @Test func `a lease goes to another station of its guest that asks for it`() {
    let server = shared(pool(4))
    var old = Client(1)
    old.hostname = "box"
    #expect(server.give(old) == guestIP)
    #expect(server.answer(Client(2).reboot(guestIP))?.type == .ack)
    #expect(owners(server) == [Client(2).mac])
    #expect(server.leases(now: seconds).map(\.hostname) == ["box"])
    #expect(server.answer(Client(3).renew(guestIP))?.message.yourAddress == guestIP)
    #expect(owners(server) == [Client(3).mac])
    // It is not the first one's any more, until that asks for it.
    #expect(server.answer(Client(1).reboot(guestIP))?.type == .ack)
    #expect(owners(server) == [Client(1).mac])
  }

  @Test func `another guest does not get it, nor does a station that has a lease`() {
    let server = shared(pool(4))
    #expect(server.give(Client(1)) == guestIP)
    #expect(server.answer(Self.stranger.reboot(guestIP)) == nil)
    #expect(server.answer(Self.stranger.renew(guestIP))?.type == .nak)
    #expect(server.give(Client(2)) != guestIP)
    #expect(server.answer(Client(2).reboot(guestIP))?.type == .nak)
    let moved = server.state.follow(guestIP, to: DHCPClient(mac: Client(2).mac), now: seconds)
    #expect(!moved)
    #expect(owners(server) == [Client(1).mac, Client(2).mac])
  }

  @Test func `a station that is there and answers keeps it`() {
    let server = shared(pool(4))
    #expect(server.give(Client(1)) == guestIP)
    server.state.proof = { _, _ in .pending }
    #expect(server.answer(Client(2).reboot(guestIP)) == nil)
    #expect(server.state.awaitsProof)
    server.state.proof = { _, _ in .used }
    #expect(server.answer(Client(2).reboot(guestIP)) == nil)
    #expect(!server.state.awaitsProof && owners(server) == [Client(1).mac])
    server.state.proof = { _, _ in .unused }
    #expect(server.answer(Client(2).reboot(guestIP))?.type == .ack)
  }

  @Test func `what the configuration keeps for a station stays there`() {
    let server = shared(pool(4, reservations: [Client(1).mac: guestIP]))
    #expect(server.give(Client(1)) == guestIP)
    #expect(server.answer(Client(2).reboot(guestIP)) == nil)
    #expect(owners(server) == [Client(1).mac])
  }
}
