// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import NetStack

/// Leases of present and absent stations, and addresses used without a lease.
@Suite(.timeLimit(.minutes(1))) struct DHCPPresenceTests {
  /// Information from the network for the server.
  private final class Network {
    var present: Set<MACAddress> = []
    var users: [IPAddress: MACAddress] = [:]
    var proofs: [IPAddress: DHCPProof] = [:]
    var asked: [IPAddress] = []
  }

  private func shared(_ network: Network, _ count: UInt32, proves: Bool = false) -> TestServer {
    let server = server(pool(count))
    server.state.configuration.identifiesByMAC = true
    server.state.isPresent = { network.present.contains($0) }
    server.state.user = { network.users[$0] }
    if proves {
      server.state.proof = { address, _ in
        network.asked.append(address)
        return network.proofs[address] ?? .unused
      }
    }
    return server
  }

  private func address(_ number: UInt32) -> IPAddress { IPAddress(v4: guestIP.v4 + number) }

  @Test func `a station that is there keeps address and name though it never renews`() throws {
    let network = Network()
    let server = shared(network, 2)
    var quiet = Client(1)
    quiet.hostname = "quiet"
    network.present = [quiet.mac]
    #expect(server.give(quiet) == guestIP)
    // Days later other clients arrive.
    let later = 500_000 * seconds
    #expect(server.leases(now: later).map(\.hostname) == ["quiet"])
    #expect(server.give(Client(2), now: later) == address(1))
    #expect(server.give(Client(3), now: later + 10_000 * seconds) == address(1))
    #expect(server.answer(Client(4).reboot(guestIP), now: later)?.type != .ack)
    // It leaves.
    server.state.stationsDown([quiet.mac])
    #expect(server.leases(now: later + 1).allSatisfy { $0.client.mac != quiet.mac })
    // It returns before another client has got the address.
    server.state.stationUp(quiet.mac)
    #expect(server.leases(now: later + 2).contains { $0.client.mac == quiet.mac })
  }

  @Test func `what was given back is not kept, though its station is there`() {
    let network = Network()
    let server = shared(network, 2)
    network.present = [Client(1).mac]
    #expect(server.give(Client(1)) == guestIP)
    #expect(server.answer(Client(1).release(guestIP), now: seconds) == nil)
    #expect(server.leases(now: 2 * seconds).isEmpty)
    server.state.stationUp(Client(1).mac)
    #expect(server.leases(now: 3 * seconds).isEmpty)
  }

  @Test func `guests that come and go do not use up the pool`() throws {
    let network = Network()
    let server = shared(network, 240)
    let stays = Client(0)
    network.present = [stays.mac]
    let kept = try #require(server.give(stays))
    for number in 1...1000 {
      var client = Client(1)
      client.mac = MACAddress(0x52, 0x55, 0x55, 1, UInt8(number >> 8), UInt8(number & 0xff))
      let now = UInt64(number) * seconds
      network.present.insert(client.mac)
      let given = server.give(client, now: now)
      #expect(given != nil && given != kept)
      network.present.remove(client.mac)
      server.state.stationsDown([client.mac])
      // The one that has just left still finds its own.
      #expect(server.answer(client.reboot(given ?? .anyV4), now: now)?.type == .ack)
    }
    #expect(server.state.exhausted == 0)
  }

  @Test func `with a full pool the oldest lease whose link is gone goes first, and no other`() {
    let network = Network()
    let server = shared(network, 4)
    for number in 1...4 as ClosedRange<UInt8> {
      network.present.insert(Client(number).mac)
      #expect(server.give(Client(number), now: UInt64(number) * seconds) != nil)
    }
    #expect(server.give(Client(5), now: 10 * seconds) == nil)
    server.state.stationsDown([Client(3).mac, Client(2).mac])
    network.present.subtract([Client(3).mac, Client(2).mac])
    #expect(server.give(Client(5), now: 11 * seconds) == address(1))
    #expect(server.give(Client(6), now: 12 * seconds) == address(2))
    #expect(server.leases(now: 12 * seconds).count == 4)
  }

  @Test func `what a station that left was offered is another's at once, or its own again`() {
    let network = Network()
    let server = shared(network, 1)
    let gone = Client(1)
    #expect(server.answer(gone.discover())?.message.yourAddress == guestIP)
    #expect(server.answer(Client(2).discover(), now: seconds) == nil)
    server.state.stationsDown([Client(3).mac])
    #expect(server.answer(Client(2).discover(), now: 2 * seconds) == nil)
    server.state.stationsDown([gone.mac])
    #expect(server.answer(gone.discover(), now: 3 * seconds)?.message.yourAddress == guestIP)
    server.state.stationsDown([gone.mac])
    #expect(server.give(Client(2), now: 4 * seconds) == guestIP)
  }

  @Test func `an address that somebody uses without a lease is not offered, nor acknowledged`() {
    let network = Network()
    let server = shared(network, 4)
    let squatter = Client(9).mac
    network.users[guestIP] = squatter
    #expect(server.give(Client(1)) == address(1))
    #expect(server.answer(Client(2).discover(guestIP))?.message.yourAddress == address(2))
    // Taken between offer and request.
    network.users[address(2)] = squatter
    #expect(server.answer(Client(2).select(address(2)))?.type == .nak)
    // The station that uses it may get it.
    var itself = Client(9)
    itself.hostname = "squatter"
    #expect(server.answer(itself.discover(guestIP))?.message.yourAddress == guestIP)
    // The holder of the lease keeps it, whatever others claim.
    network.users[address(1)] = squatter
    #expect(server.answer(Client(1).renew(address(1)), now: seconds)?.type == .ack)
    // A lease that is over is not.
    #expect(server.answer(Client(1).reboot(address(1)), now: 9000 * seconds)?.type == .nak)
  }

  @Test func `what the configuration keeps for a guest is its own, whoever uses it`() {
    let network = Network()
    let client = Client(1)
    let server = server(pool(4, reservations: [client.mac: address(2)]))
    server.state.user = { network.users[$0] }
    server.state.proof = { _, _ in .used }
    network.users[address(2)] = Client(9).mac
    #expect(server.give(client) == address(2))
  }

  @Test func `an address is asked for before it is offered, and held meanwhile`() {
    let network = Network()
    let server = shared(network, 4, proves: true)
    for number in 0..<4 { network.proofs[address(UInt32(number))] = .pending }
    #expect(server.answer(Client(1).discover()) == nil)
    #expect(server.state.awaitsProof && server.state.exhausted == 0)
    #expect(server.answer(Client(2).discover()) == nil)
    #expect(network.asked == [address(0), address(1)])
    network.proofs[address(0)] = .used
    network.proofs[address(1)] = .unused
    network.proofs[address(2)] = .unused
    #expect(server.answer(Client(2).discover())?.message.yourAddress == address(1))
    #expect(server.answer(Client(1).discover())?.message.yourAddress == address(2))
    #expect(!server.state.awaitsProof)
    network.asked = []
    #expect(server.answer(Client(1).select(address(2)))?.type == .ack)
    // Who has a lease is not kept waiting.
    #expect(server.answer(Client(1).discover())?.message.yourAddress == address(2))
    #expect(server.answer(Client(1).reboot(address(2)))?.type == .ack)
    #expect(network.asked.isEmpty)
  }

  @Test func `when there is no other, a lease that is over goes if its station does not answer`() {
    let network = Network()
    let server = shared(network, 2, proves: true)
    for number in 1...2 as ClosedRange<UInt8> {
      network.present.insert(Client(number).mac)
      #expect(server.give(Client(number), now: UInt64(number) * seconds) != nil)
    }
    let later = 100_000 * seconds
    network.users = [address(0): Client(1).mac, address(1): Client(2).mac]
    network.proofs = [address(0): .pending, address(1): .pending]
    #expect(server.answer(Client(3).discover(), now: later) == nil)
    // Nothing is taken while the question is out.
    #expect(server.leases(now: later).count == 2)
    network.proofs = [address(0): .used, address(1): .unused]
    network.users[address(1)] = nil
    network.present.insert(Client(3).mac)
    #expect(server.give(Client(3), now: later) == address(1))
    // The one that answered is not asked again and again.
    network.asked = []
    #expect(server.answer(Client(4).discover(), now: later + seconds) == nil)
    #expect(!network.asked.contains(address(0)))
    #expect(server.leases(now: later + seconds).contains { $0.client.mac == Client(1).mac })
  }

  @Test func `one link's lease that is over can be given up for another of the same link`() {
    let network = Network()
    let server = shared(network, 4)
    network.present = [Client(1).mac, Client(2).mac]
    #expect(server.give(Client(1)) == guestIP)
    server.state.yield(guestIP, now: seconds)
    #expect(server.leases(now: seconds).count == 1)
    let later = 10_000 * seconds
    #expect(server.leases(now: later).count == 1)
    server.state.yield(guestIP, now: later)
    #expect(server.leases(now: later).isEmpty)
  }
}
