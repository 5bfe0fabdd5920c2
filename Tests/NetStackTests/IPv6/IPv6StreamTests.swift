// SPDX-License-Identifier: Apache-2.0

import LibC
import Testing
import Wire

@testable import NetStack

/// TCP over IPv6: the differences from IPv4, as the engine is the same. TCPSimulationTests runs it on all kinds of links.
@Suite(.timeLimit(.minutes(2)))
struct IPv6StreamTests {
  private func opened(_ simulation: Simulation) -> FakeKernel.Socket? {
    TCPTransferTests.open(simulation, isV4: false) ? simulation.socket : nil
  }

  @Test(arguments: [LinkWeather.fair, .storm])
  func `every byte arrives once and in order, both ways`(weather: LinkWeather) throws {
    let simulation = Simulation(seed: 5, weather: weather)
    let socket = try #require(opened(simulation))
    #expect(socket.target == Simulation.server6)
    let (up, down) = (pattern(150_000, seed: 1), pattern(300_000, seed: 2))
    simulation.guests[0].out = up
    simulation.guests[0].pump(now: simulation.host.now)
    socket.incoming = down
    #expect(
      simulation.run(until: {
        socket.received.count == up.count && $0.guests[0].received.count == down.count
      }))
    #expect(socket.received == up && simulation.guests[0].received == down)
    #expect(simulation.guests[0].badChecksums == 0 || weather.loss > 0)
    // No packet is longer than the link, each with the whole of its headers.
    #expect(simulation.seen.allSatisfy { $0.count <= 14 + 1500 })
    #expect(simulation.seen.contains { $0.count > 14 + 1400 })
  }

  @Test func `a GSO frame fits an IP packet with its longer header`() throws {
    let simulation = Simulation(seed: 6, mtu: 65_520)
    var guest = GuestTCP(
      local: Endpoint(Simulation.guestAddress6, port: 40000), remote: Simulation.server6, iss: 3)
    guest.mss = 1440
    guest.receiveRoom = 1 << 20
    guest.connect(now: simulation.host.now)
    simulation.guests = [guest]
    #expect(simulation.run(until: { $0.guests[0].state == .open }))
    let socket = try #require(simulation.socket)
    socket.incoming = pattern(1 << 20, seed: 3)
    #expect(simulation.run(until: { $0.guests[0].received.count == 1 << 20 }))
    #expect(simulation.host.rawFrames < simulation.seen.count)
  }

  @Test func `a SYN's MSS is what the link carries (RFC 9293 §3.7.1)`() throws {
    let simulation = Simulation(seed: 1)
    _ = try #require(opened(simulation))
    let syn = try #require(
      simulation.seen.lazy.compactMap {
        Frames.tcp(
          in: $0, to: Endpoint(Simulation.guestAddress6, port: 40000), from: Simulation.server6)
      }.first)
    #expect(syn.header.flags == [.syn, .ack])
    #expect(syn.header.options.maximumSegmentSize == 65_460)
  }

  @Test(arguments: [
    (ENETUNREACH, ICMPv6Unreachable.noRoute), (EADDRNOTAVAIL, ICMPv6Unreachable.noRoute),
    (EHOSTUNREACH, ICMPv6Unreachable.address), (EACCES, ICMPv6Unreachable.prohibited),
  ])
  func `where the host has no way the guest hears of it at once`(code: Int32, reason: UInt8) throws
  {
    let simulation = Simulation(seed: 1)
    simulation.kernel.configure = { $0.connectResult = code }
    var guest = GuestTCP(
      local: Endpoint(Simulation.guestAddress6, port: 40000), remote: Simulation.server6, iss: 77)
    guest.connect(now: simulation.host.now)
    simulation.guests = [guest]
    simulation.wait(1_000_000)
    let frame = try #require(simulation.seen.first)
    #expect(frame[54] == 1 && frame[55] == reason)
    // Its own SYN: addresses, ports and sequence number.
    let quoted = Array(frame[62...])
    #expect(quoted.withByteView { QuotedTCP($0) }?.sequence == 77)
    #expect(quoted.withByteView { QuotedTCP($0) }?.source == guest.local)
    #expect(simulation.kernel.openCount == 0)
  }

  @Test func `a host without IPv6 has no route`() throws {
    let simulation = Simulation(seed: 1)
    simulation.kernel.socketError = EAFNOSUPPORT
    var guest = GuestTCP(
      local: Endpoint(Simulation.guestAddress6, port: 40000), remote: Simulation.server6, iss: 77)
    guest.connect(now: simulation.host.now)
    simulation.guests = [guest]
    simulation.wait(1_000_000)
    let frame = try #require(simulation.seen.first)
    #expect(frame[54] == 1 && frame[55] == 0)
    #expect(simulation.host.log.isEmpty)
  }

  struct Loopback: CustomTestStringConvertible, Sendable {
    var rule: String
    var isV4: Bool
    /// Errno of the first loopback and of the second; 0: the connection succeeds.
    var results: [Int32]
    var isLate = false
    var isOpen: Bool
    var testDescription: String { rule }
  }

  static let loopbacks: [Loopback] = [
    Loopback(rule: "IPv4, found on 127.0.0.1", isV4: true, results: [0], isOpen: true),
    Loopback(rule: "IPv4, found on ::1", isV4: true, results: [ECONNREFUSED, 0], isOpen: true),
    Loopback(rule: "IPv6, found on ::1", isV4: false, results: [0], isOpen: true),
    Loopback(
      rule: "IPv6, found on 127.0.0.1", isV4: false, results: [ECONNREFUSED, 0], isOpen: true),
    Loopback(
      rule: "IPv6, the host has no ::1", isV4: false, results: [EADDRNOTAVAIL, 0], isOpen: true),
    Loopback(
      rule: "IPv6, the first answer is late", isV4: false, results: [ECONNREFUSED, 0], isLate: true,
      isOpen: true),
    Loopback(
      rule: "IPv6, nobody is there", isV4: false, results: [ECONNREFUSED, ECONNREFUSED],
      isOpen: false),
    Loopback(
      rule: "IPv4, nobody is there, and no ::1", isV4: true,
      results: [ECONNREFUSED, EADDRNOTAVAIL], isOpen: false),
    Loopback(
      rule: "IPv6, nobody is there, late", isV4: false, results: [ECONNREFUSED, ECONNREFUSED],
      isLate: true, isOpen: false),
  ]

  @Test(arguments: loopbacks)
  func `a service on either loopback of the host is reached`(_ loopback: Loopback) throws {
    let simulation = Simulation(seed: 1)
    var results = loopback.results
    var isFirst = true
    simulation.kernel.configure = { socket in
      // It is asked twice, of each loopback once.
      let result = results.isEmpty ? EINVAL : results.removeFirst()
      if loopback.isLate, isFirst {
        socket.connectLater = true
      } else {
        socket.connectResult = result
      }
      isFirst = false
    }
    var guest = GuestTCP(
      local: Endpoint(
        loopback.isV4 ? Simulation.guestAddress : Simulation.guestAddress6, port: 40000),
      remote: Endpoint(loopback.isV4 ? Simulation.gateway : Simulation.gateway6, port: 8080),
      iss: 5)
    guest.connect(now: simulation.host.now)
    simulation.guests = [guest]
    if loopback.isLate {
      simulation.wait(5_000_000)
      let first = try #require(simulation.socket)
      first.connectDone = true
      first.error = loopback.results[0]
    }
    simulation.wait(50_000_000)
    #expect(simulation.guests[0].state == (loopback.isOpen ? .open : .reset))
    #expect(results.isEmpty)
    #expect(simulation.kernel.openCount == (loopback.isOpen ? 1 : 0))
    #expect(simulation.host.watches.count == (loopback.isOpen ? 1 : 0))
    guard loopback.isOpen else { return }
    let targets = simulation.kernel.sockets.sorted { $0.key < $1.key }.compactMap(\.value.target)
    #expect(
      targets.map(\.address.isV4)
        == (loopback.results.count == 1 ? [loopback.isV4] : [loopback.isV4, !loopback.isV4]))
    #expect(targets.allSatisfy { $0.address.isLoopback && $0.port == 8080 })
    simulation.guests[0].out = [1, 2, 3]
    simulation.guests[0].pump(now: simulation.host.now)
    simulation.wait(50_000_000)
    #expect(simulation.socket?.received == [1, 2, 3])
  }

  private func message(_ type: UInt8, code: UInt8 = 0, rest: UInt32 = 0, about frame: [UInt8])
    -> [UInt8]
  {
    let server = Simulation.server6.address
    return DatagramWorld.ipv6(
      IPProtocol.icmpV6,
      DatagramWorld.message(
        ICMPHeader(type: type, code: code, rest: rest),
        Array(frame[14..<min(frame.count, 14 + 60)]),
        to: server), to: server)
  }

  @Test func `segments become as small as a router behind the guest wants them (RFC 8201 §4)`()
    throws
  {
    let simulation = Simulation(seed: 3)
    let socket = try #require(opened(simulation))
    let sent = pattern(500_000, seed: 9)
    socket.incoming = sent
    var told = 0
    simulation.onStep = { simulation in
      guard told == 0, let long = simulation.seen.first(where: { $0.count > 1400 }) else { return }
      told = simulation.seen.count
      // Less than any link of IPv6 carries: not believed.
      simulation.deliver([
        message(ICMPv6Type.packetTooBig, rest: 600, about: long),
        message(ICMPv6Type.packetTooBig, rest: 1300, about: long),
      ])
    }
    #expect(simulation.run(until: { $0.guests[0].received.count == sent.count }))
    #expect(simulation.guests[0].received == sent)
    let later = simulation.seen.dropFirst(told + 64)
    #expect(later.allSatisfy { $0.count <= 14 + 1300 })
    #expect(later.contains { $0.count == 14 + 1300 })
  }

  @Test(arguments: [
    (ICMPv6Unreachable.port, true), (ICMPv6Unreachable.prohibited, true),
    (ICMPv6Unreachable.address, false), (ICMPv6Unreachable.noRoute, false),
  ])
  func
    `an unreachable of a guest ends a connection towards it (RFC 1122 §4.2.3.9, RFC 4443 §2.4 d)`(
      code: UInt8, isRefusal: Bool
    ) throws
  {
    let simulation = Simulation(seed: 1)
    simulation.deliver([
      Frames.ip(
        proto: 255, transport: [0], source: Simulation.guestAddress6,
        destination: Simulation.gateway6)
    ])
    simulation.host.frames = []
    let (fd, socket) = simulation.kernel.makeConnected()
    #expect(
      simulation.stack.tcp.openTowardGuest(
        socket: fd, link: 1, guest: Endpoint(Simulation.guestAddress6, port: 22),
        source: Endpoint(Simulation.gateway6, port: 50000), owner: 0))
    simulation.stack.endOfIteration()
    let syn = try #require(simulation.host.frames.first)
    simulation.deliver([
      DatagramWorld.ipv6(
        IPProtocol.icmpV6,
        DatagramWorld.message(
          ICMPHeader(type: 1, code: code), Array(syn.dropFirst(14)), to: Simulation.gateway6),
        to: Simulation.gateway6)
    ])
    #expect(socket.isClosed && socket.wasReset)
    #expect(simulation.stack.tcp.counters.refused == (isRefusal ? 1 : 0))
    #expect(simulation.stack.tcp.counters.unreachable == (isRefusal ? 0 : 1))
  }

  @Test func `a forward's guest is asked for by neighbour discovery, and its SYN waits`() throws {
    let simulation = Simulation(seed: 1)
    let (fd, socket) = simulation.kernel.makeConnected()
    let local = Endpoint(Simulation.guestAddress6, port: 22)
    let source = Endpoint(Simulation.gateway6, port: 50000)
    #expect(
      simulation.stack.tcp.openTowardGuest(
        socket: fd, link: 1, guest: local, source: source, owner: 0))
    simulation.stack.endOfIteration()
    let asked = try #require(simulation.host.frames.first)
    #expect(simulation.host.frames.count == 1)
    #expect(Frames.destination(of: asked) == MACAddress(group: local.address.solicitedNode))
    #expect(asked[54] == ICMPv6Type.neighborSolicitation)
    var guest = GuestTCP(local: local, remote: source, iss: 9)
    guest.state = .listening
    simulation.guests = [guest]
    // As the service of neighbour discovery does it when the answer has come.
    simulation.stack.core.noteNeighbor(local.address, at: GuestTCP.mac, on: 1)
    simulation.stack.endOfIteration()
    socket.incoming = pattern(5000, seed: 2)
    #expect(simulation.run(until: { $0.guests[0].received.count == 5000 }))
  }

  @Test func `the network's DNS answers over TCP and IPv6`() throws {
    let simulation = Simulation(seed: 1)
    simulation.stack.dns.resolver = simulation.host
    var guest = GuestTCP(
      local: Endpoint(Simulation.guestAddress6, port: 40000),
      remote: Endpoint(Simulation.dns6, port: 53), iss: 5)
    guest.connect(now: simulation.host.now)
    simulation.guests = [guest]
    #expect(simulation.run(until: { $0.guests[0].state == .open }))
    #expect(simulation.stack.dns.counters.streams == 1)
  }
}
