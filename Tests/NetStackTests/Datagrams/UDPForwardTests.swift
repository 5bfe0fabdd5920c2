// SPDX-License-Identifier: Apache-2.0
//
// Clients of UDP forwards with a scripted kernel.

import Testing
import Wire

@testable import NetStack

@Suite(.timeLimit(.minutes(5))) struct UDPForwardTests {
  let guest = Endpoint(DatagramWorld.guest, port: 53)

  private func world() throws -> (DatagramWorld, Int32) {
    let world = try DatagramWorld()
    // The guest sends a frame, so that its Ethernet address is known.
    world.send(world.echo(1, 1, to: DatagramWorld.gateway))
    world.host.frames = []
    try world.stack.forwards.expose(
      ForwardRule(kind: .udp(Endpoint(.anyV4, port: 5353)), guest: guest))
    return (world, try #require(world.kernel.open.first))
  }

  @Test func `the guest sees a client of the network under its own address`() throws {
    let (world, fd) = try world()
    let client = Endpoint(IPAddress(10, 7, 7, 7), port: 1234)
    world.kernel.sockets[fd]?.incoming = [
      .init(source: client, payload: [1], local: IPAddress(10, 0, 0, 5))
    ]
    world.poll()
    #expect(world.datagrams() == [.init(source: client, port: 53, payload: [1])])
    world.send(world.udp(from: 53, to: client, [2]))
    // By the same socket, from the address the client spoke to; no flow is made for it.
    let sent = try #require(world.kernel.sent.last)
    #expect(sent.fd == fd && sent.destination == client && sent.source == IPAddress(10, 0, 0, 5))
    #expect(world.kernel.open == [fd])
  }

  @Test(arguments: [(true, nil), (true, false), (false, nil), (false, true)] as [(Bool, Bool?)])
  func `under which address a client is seen is the forward's choice, then the network's`(
    network: Bool, forward: Bool?
  ) throws {
    let world = try DatagramWorld { $0.forwardsShowClients = network }
    world.send(world.echo(1, 1, to: DatagramWorld.gateway))
    world.host.frames = []
    try world.stack.forwards.expose(
      ForwardRule(
        kind: .udp(Endpoint(.anyV4, port: 5454)), guest: guest, showsClients: forward))
    let fd = try #require(world.kernel.open.first)
    let clients = (1...2).map { Endpoint(IPAddress(10, 7, 7, UInt8($0)), port: 1234) }
    world.kernel.sockets[fd]?.incoming = clients.map { .init(source: $0, payload: [1]) }
    world.poll()
    let seen = world.datagrams().map(\.source)
    if forward ?? network {
      #expect(seen == clients)
    } else {
      // Each with a port of its own, and the answer finds its way.
      #expect(seen.allSatisfy { $0.address == DatagramWorld.gateway } && Set(seen).count == 2)
    }
    for source in seen { world.send(world.udp(from: 53, to: source, [2])) }
    #expect(world.kernel.sent.suffix(2).map(\.destination) == clients)
  }

  @Test func `clients on loopback are the gateway, each with a port of its own`() throws {
    let (world, fd) = try world()
    let clients = (1...3).map { Endpoint(IPAddress(127, 0, 0, UInt8($0)), port: 1234) }
    world.kernel.sockets[fd]?.incoming = clients.map { .init(source: $0, payload: [1]) }
    world.poll()
    let got = world.datagrams()
    #expect(got.allSatisfy { $0.source.address == DatagramWorld.gateway })
    #expect(Set(got.map(\.source.port)).count == 3)
    #expect(got.first?.source.port == 1234)
    for datagram in got { world.send(world.udp(from: 53, to: datagram.source, [2])) }
    #expect(world.kernel.sent.map(\.destination) == clients)
  }

  @Test func `a full table makes room by the client that was silent longest`() throws {
    let (world, fd) = try world()
    func client(_ number: Int) -> Endpoint {
      Endpoint(IPAddress(10, 1, UInt8(number >> 8), UInt8(number & 255)), port: 9)
    }
    func speak(_ numbers: some Sequence<Int>) {
      for number in numbers {
        world.kernel.sockets[fd]?.incoming = [.init(source: client(number), payload: [1])]
        world.poll()
      }
    }
    let capacity = UDPForwardTable.capacity
    speak(0..<capacity)
    #expect(world.stack.forwards.all.first?.connections == capacity)
    world.wait(seconds: 5)
    // The first one speaks again: the second is the one that was silent longest.
    speak([0, capacity])
    #expect(world.stack.forwards.all.first?.connections == capacity)
    let table = try #require(world.stack.forwards.registry.datagrams)
    func isThere(_ number: Int) -> Bool {
      table.indices { $0.client == client(number) }.count == 1
    }
    #expect(isThere(0) && !isThere(1) && isThere(2) && isThere(capacity))
    // A flood of new clients, each in the place of one.
    speak(capacity + 1..<capacity + 2000)
    #expect(!isThere(2) && isThere(0) && table.count == capacity)
  }

  @Test func `silent clients are forgotten, and all of them with the forward`() throws {
    let (world, fd) = try world()
    let client = Endpoint(IPAddress(10, 7, 7, 7), port: 1234)
    world.kernel.sockets[fd]?.incoming = [.init(source: client, payload: [1])]
    world.poll()
    #expect(world.stack.forwards.all.first?.connections == 1)
    world.wait(seconds: 400)
    #expect(world.stack.forwards.all.first?.connections == 0)
    world.kernel.sockets[fd]?.incoming = [.init(source: client, payload: [1])]
    world.poll()
    world.stack.forwards.unexpose(.udp(Endpoint(.anyV4, port: 5353)))
    #expect(world.kernel.open.isEmpty)
    // What the guest still says to the client is an ordinary flow now.
    world.send(world.udp(from: 53, to: client, [2]))
    #expect(world.kernel.sent.last?.source == nil)
  }
}
