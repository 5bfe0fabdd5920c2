// SPDX-License-Identifier: Apache-2.0
//
// Guests that change their Ethernet address, refuse a forward's connection by ICMP, or reboot.

import LibC
import Testing
import Wire

@testable import NetStack

@Suite(.timeLimit(.minutes(1))) struct TCPGuestChangeTests {
  private static let other = MACAddress(0x52, 0x55, 0x55, 0, 0, 9)

  // MARK: Ethernet address

  @Test(arguments: [LinkKind.guest, .switch], [false, true])
  func `a connection follows its guest to another Ethernet address`(kind: LinkKind, byARP: Bool)
    throws
  {
    let simulation = Simulation(seed: 1, kind: kind)
    let guest = ScriptedGuest(simulation)
    try #require(guest.open())
    let socket = try #require(guest.socket)
    if kind == .switch {
      // Another guest speaks in between.
      simulation.deliver([
        Frames.arp(from: IPAddress(192, 168, 5, 77), at: MACAddress(2, 0, 0, 0, 0, 1))
      ])
    }
    if byARP {
      simulation.deliver([Frames.arp(from: Simulation.guestAddress, at: Self.other)])
    } else {
      var frame = guest.segment([.psh, .ack], [7])
      guest.next &+= 1
      frame.replaceSubrange(6..<12, with: [0x52, 0x55, 0x55, 0, 0, 9])
      simulation.host.frames = []
      simulation.deliver([frame])
      #expect(socket.received == [7])
      #expect(simulation.host.frames.map { Frames.destination(of: $0) } == [Self.other])
    }
    if kind == .switch {
      simulation.deliver([
        Frames.arp(from: IPAddress(192, 168, 5, 77), at: MACAddress(2, 0, 0, 0, 0, 1))
      ])
    }
    simulation.host.frames = []
    socket.incoming = [1, 2, 3]
    guest.poll()
    #expect(simulation.host.frames.map { Frames.destination(of: $0) } == [Self.other])
    simulation.host.frames = []
    socket.error = ECONNRESET
    guest.poll()
    #expect(simulation.host.frames.map { Frames.destination(of: $0) } == [Self.other])
  }

  @Test func `an address that is leased to one station does not move to another`() throws {
    let simulation = Simulation(seed: 2, kind: .switch)
    let guest = ScriptedGuest(simulation)
    try #require(guest.open())
    simulation.stack.core.bindNeighbor(Simulation.guestAddress, to: GuestTCP.mac, on: 1)
    simulation.deliver([Frames.arp(from: Simulation.guestAddress, at: Self.other)])
    simulation.host.frames = []
    try #require(guest.socket).incoming = [1]
    guest.poll()
    #expect(simulation.host.frames.map { Frames.destination(of: $0) } == [GuestTCP.mac])
  }

  // MARK: Refusals

  /// A forward's connection whose SYN was sent.
  private func connecting(_ seed: UInt64) throws -> (Simulation, FakeKernel.Socket, Frames.Segment)
  {
    let simulation = Simulation(seed: seed)
    simulation.deliver([Frames.arp(from: Simulation.guestAddress)])
    simulation.host.frames = []
    let (fd, socket) = simulation.kernel.makeConnected()
    let source = Endpoint(Simulation.gateway, port: 50000)
    let guest = Endpoint(Simulation.guestAddress, port: 22)
    try #require(
      simulation.stack.tcp.openTowardGuest(
        socket: fd, link: 1, guest: guest, source: source, owner: 0))
    simulation.stack.endOfIteration()
    let syn = simulation.host.frames.compactMap { Frames.tcp(in: $0, to: guest, from: source) }
    return (simulation, socket, try #require(syn.first))
  }

  /// An ICMP error from the guest about a segment to its port 22.
  private func error(
    _ type: UInt8, _ code: UInt8, sequence: UInt32, port: UInt16 = 22, extra: Int = 0
  ) -> [UInt8] {
    let length = 8 + 20 + 8 + extra
    let icmp = [UInt8](capacity: length) { out in
      let quoted = out.dropFirst(8)
      IPv4Header(
        source: Simulation.gateway, destination: Simulation.guestAddress, protocolNumber: 6,
        payloadLength: 20
      ).emit(into: quoted)
      quoted.store(UInt16(50000), at: 20)
      quoted.store(port, at: 22)
      quoted.store(sequence, at: 24)
      let payload = ByteView(UnsafeRawPointer(quoted.base), count: length - 8)
      ICMPHeader(type: type, code: code).emit(into: out, payload: payload)
      return length
    }
    return Frames.ipv4(
      proto: 1, transport: icmp, source: Simulation.guestAddress, destination: Simulation.gateway)
  }

  @Test(arguments: [(3, 0), (3, 1), (3, 2), (3, 3), (3, 9), (3, 10), (3, 13), (11, 0), (12, 0)])
  func `a guest's ICMP error about the SYN ends the attempt at once`(kind: (Int, Int)) throws {
    let (simulation, socket, syn) = try connecting(3)
    simulation.deliver([error(UInt8(kind.0), UInt8(kind.1), sequence: syn.header.sequence)])
    #expect(socket.isClosed && socket.wasReset)
    #expect(simulation.stack.tcp.flows.count == 0)
  }

  @Test
  func `an error about another segment, another port, or to be believed by nobody ends nothing`()
    throws
  {
    let (simulation, socket, syn) = try connecting(4)
    let sequence = syn.header.sequence
    simulation.deliver([
      error(3, 1, sequence: sequence &+ 1), error(3, 1, sequence: sequence, port: 23),
      error(3, 4, sequence: sequence), error(4, 0, sequence: sequence),
      error(5, 1, sequence: sequence),
    ])
    var broken = error(3, 1, sequence: sequence)
    broken[36] ^= 1
    simulation.deliver([broken])
    #expect(!socket.isClosed)
  }

  @Test func `an error about an open connection does not end it`() throws {
    let (simulation, socket, syn) = try connecting(5)
    let answer = Frames.tcp(
      TCPHeader(
        sourcePort: 22, destinationPort: 50000, sequence: 9,
        acknowledgement: syn.header.sequence &+ 1, flags: [.syn, .ack], window: 1000),
      payload: [], source: Simulation.guestAddress, destination: Simulation.gateway)
    simulation.deliver([answer])
    simulation.deliver([
      error(3, 3, sequence: syn.header.sequence), error(3, 3, sequence: syn.header.sequence &+ 1),
    ])
    #expect(!socket.isClosed)
  }

  @Test func `who asked for a connection is told whether it was refused or unreachable`() throws {
    for (code, reason): (UInt8, ForwardFailure.Reason) in [
      (3, .refused), (10, .refused), (1, .notFound),
    ] {
      let simulation = Simulation(seed: 6)
      var outcome: ForwardFailure?
      simulation.stack.forwards.onConnect = { outcome = $1 }
      simulation.deliver([Frames.arp(from: Simulation.guestAddress)])
      simulation.host.frames = []
      let (fd, socket) = simulation.kernel.makeConnected()
      try simulation.stack.forwards.connect(fd: fd, to: "192.168.5.15:22", ticket: 1)
      simulation.stack.endOfIteration()
      let frame = try #require(simulation.host.frames.last)
      var message = error(3, code, sequence: frame.withByteView { $0.uint32(at: 38) })
      // The engine chose the port.
      message.replaceSubrange(62..<64, with: frame[34..<36])
      message.replaceSubrange(36..<38, with: [0, 0])
      let sum = message.withByteView { Checksum.of($0.dropFirst(34)) }
      message.replaceSubrange(36..<38, with: [UInt8(sum >> 8), UInt8(sum & 0xff)])
      simulation.deliver([message])
      #expect(outcome?.reason == reason)
      #expect(socket.isClosed)
    }
  }

  // MARK: A guest that boots anew

  @Test func `the client of a forward hears within a minute that its guest booted anew`() throws {
    let simulation = Simulation(seed: 7)
    var guest = GuestTCP(
      local: Endpoint(Simulation.guestAddress, port: 22),
      remote: Endpoint(Simulation.gateway, port: 50000), iss: 99)
    guest.state = .listening
    simulation.guests = [guest]
    simulation.send(Frames.arp(from: Simulation.guestAddress))
    simulation.wait(1_000_000)
    let (fd, socket) = simulation.kernel.makeConnected()
    try #require(
      simulation.stack.tcp.openTowardGuest(
        socket: fd, link: 1, guest: guest.local, source: guest.remote, owner: 1))
    simulation.stack.endOfIteration()
    #expect(simulation.run(until: { $0.guests[0].state == .open }))
    // A guest that is there stays connected.
    simulation.wait(600_000_000_000)
    #expect(!socket.isClosed)
    simulation.guests[0].state = .closed
    #expect(simulation.run(for: 60_000_000_000, until: { _ in socket.isClosed }))
    #expect(socket.wasReset)
  }

  @Test func `a guest of a forward that is silent, say paused, is not given up sooner`() throws {
    let simulation = Simulation(seed: 8)
    var guest = GuestTCP(
      local: Endpoint(Simulation.guestAddress, port: 22),
      remote: Endpoint(Simulation.gateway, port: 50000), iss: 99)
    guest.state = .listening
    simulation.guests = [guest]
    simulation.send(Frames.arp(from: Simulation.guestAddress))
    simulation.wait(1_000_000)
    let (fd, socket) = simulation.kernel.makeConnected()
    try #require(
      simulation.stack.tcp.openTowardGuest(
        socket: fd, link: 1, guest: guest.local, source: guest.remote, owner: 1))
    simulation.stack.endOfIteration()
    #expect(simulation.run(until: { $0.guests[0].state == .open }))
    simulation.stepEvery = 1_000_000_000
    simulation.weather.loss = 1000
    simulation.wait(7_000_000_000_000)
    #expect(!socket.isClosed)
    simulation.wait(2_000_000_000_000)
    #expect(socket.isClosed)
  }

  // MARK: Congestion

  /// After a timeout, with 20 segments of 1000 bytes sent.
  private func timedOut(_ seed: UInt64) throws -> (ScriptedGuest, TCPEngine) {
    let guest = ScriptedGuest(Simulation(seed: seed))
    try #require(guest.open(mss: 1000, sack: false))
    try #require(guest.socket).incoming = pattern(200_000, seed: seed)
    for _ in 0..<8 { guest.poll() }
    _ = guest.answers()
    guest.simulation.wait(1_500_000_000)
    _ = guest.answers()
    return (guest, guest.simulation.stack.tcp)
  }

  private func flow(_ engine: TCPEngine) -> TCPFlow? {
    var found: TCPFlow?
    engine.forEachFlow { found = $0.pointee }
    return found
  }

  @Test func `after a timeout one ACK opens the window by a segment, however much it is about`()
    throws
  {
    let (guest, engine) = try timedOut(20)
    try #require(engine.counters.timeouts == 1)
    #expect(flow(engine)?.sender.congestion.window == 1000)
    // The guest had received most of it.
    guest.acknowledged &+= 30_000
    guest.exchange(guest.segment(.ack))
    #expect(flow(engine)?.sender.congestion.window == 2000)
  }

  @Test func `slow start ends at its threshold`() throws {
    let (guest, engine) = try timedOut(21)
    try #require(engine.counters.timeouts == 1)
    let threshold = try #require(flow(engine)).sender.congestion.threshold
    var last: UInt32 = 0
    for _ in 0..<200 {
      let window = try #require(flow(engine)).sender.congestion.window
      if last < threshold { #expect(window <= threshold) }
      if window != FlowCongestion.unlimited, last > 0 { #expect(window <= last + 2000) }
      last = window
      let sent = guest.answers()
      _ = sent
      guest.acknowledged &+= 900
      guest.exchange(guest.segment(.ack))
      guard engine.flowCount == 1, window < threshold else { break }
    }
    #expect(last >= threshold)
  }

  @Test func `the SYN is no byte that the guest received`() throws {
    let guest = ScriptedGuest(Simulation(seed: 22))
    try #require(guest.open())
    #expect(guest.simulation.stack.tcp.counters.bytesToGuest == 0)
    try #require(guest.socket).incoming = [1, 2, 3]
    guest.poll()
    guest.acknowledged &+= 3
    guest.exchange(guest.segment(.ack))
    #expect(guest.simulation.stack.tcp.counters.bytesToGuest == 3)
    try #require(guest.socket).isIncomingOver = true
    guest.poll()
    guest.acknowledged &+= 1
    guest.exchange(guest.segment(.ack))
    #expect(guest.simulation.stack.tcp.counters.bytesToGuest == 3)
  }
}
