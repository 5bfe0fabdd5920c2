// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import NetStack

/// Guests on a shared network are identified by their Ethernet address.
@Suite(.timeLimit(.minutes(5)))
struct DHCPSharedTests {
  private func shared(_ count: UInt32 = 4, retired: Set<IPAddress> = []) -> DHCPServer {
    var pool = DHCPPool(first: guestIP, last: IPAddress(v4: guestIP.v4 + count - 1))
    pool.retired = retired
    var configuration = DHCPServer.Configuration(
      serverAddress: serverIP,
      // 24 is a valid prefix length.
      subnet: CIDR(serverIP, prefixLength: 24).unsafelyUnwrapped)
    configuration.identifiesByMAC = true
    return DHCPServer(configuration: configuration, policy: .pool(pool))
  }

  private func lease(_ server: inout DHCPServer, _ client: Client, now: UInt64 = 0) -> IPAddress? {
    guard
      let offer = server.handle(client.discover(), receivedFrom: client.mac, now: now)
    else { return nil }
    let address = offer.message.yourAddress
    let reply = server.handle(client.select(address), receivedFrom: client.mac, now: now)
    return reply?.type == .ack ? address : nil
  }

  @Test func `copies of one machine, with one identifier, have an address each`() {
    var server = shared()
    let first = lease(&server, Client(1, identifier: [255, 1, 2, 3]))
    let second = lease(&server, Client(2, identifier: [255, 1, 2, 3]))
    #expect(first == guestIP)
    #expect(second == IPAddress(v4: guestIP.v4 + 1))
  }

  @Test func `one machine keeps its address whatever it calls itself`() {
    var server = shared()
    let first = lease(&server, Client(1, identifier: [1]))
    #expect(lease(&server, Client(1, identifier: [2])) == first)
    #expect(lease(&server, Client(1)) == first)
  }

  @Test func `nobody speaks for another`() {
    var server = shared()
    let client = Client(1)
    #expect(lease(&server, client) == guestIP)
    #expect(
      server.handle(client.release(guestIP), receivedFrom: Client(2).mac, now: 1) == nil)
    #expect(server.leases(now: 1).map(\.state) == [.bound])
    #expect(server.handle(client.discover(), receivedFrom: Client(2).mac, now: 1) == nil)
  }

  @Test func `bindings are taken up, if they can be`() {
    var server = shared(retired: [IPAddress(192, 168, 5, 1)])
    func remembered(_ number: UInt8, _ address: IPAddress) -> DHCPLease {
      DHCPLease(
        address: address, client: DHCPClient(mac: Client(number).mac), hostname: "",
        state: .released, expiry: 0)
    }
    server.restore([
      remembered(1, IPAddress(192, 168, 5, 1)), remembered(2, IPAddress(192, 168, 5, 18)),
      remembered(3, IPAddress(192, 168, 5, 18)), remembered(2, IPAddress(192, 168, 5, 17)),
      remembered(4, IPAddress(10, 0, 0, 1)), remembered(5, serverIP),
    ])
    #expect(server.remembered.count == 2)
    #expect(lease(&server, Client(2)) == IPAddress(192, 168, 5, 18))
    #expect(lease(&server, Client(1)) == IPAddress(192, 168, 5, 1))
    // Given to no new client, not even when all others are gone.
    #expect(lease(&server, Client(6)) == guestIP)
    #expect(lease(&server, Client(7)) == IPAddress(192, 168, 5, 16))
    #expect(lease(&server, Client(8)) == IPAddress(192, 168, 5, 17))
    #expect(lease(&server, Client(9)) == nil)
    #expect(server.exhausted == 1)
  }
}
