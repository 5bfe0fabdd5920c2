// SPDX-License-Identifier: Apache-2.0
//
// A link that takes no frames for some time loses no control segment: each is sent when the link takes frames again.

import LibC
import Testing
import Wire

@testable import NetStack

@Suite(.timeLimit(.minutes(1))) struct TCPFullLinkTests {
  /// An open connection whose link is full.
  private func blocked(_ seed: UInt64) throws -> (ScriptedGuest, FakeKernel.Socket) {
    let guest = ScriptedGuest(Simulation(seed: seed))
    try #require(guest.open())
    block(guest.simulation)
    return (guest, try #require(guest.socket))
  }

  /// Fills the link with an irrelevant frame.
  private func block(_ simulation: Simulation) {
    simulation.host.sendRoom = 0
    let probe = Frames.tcp(
      TCPHeader(
        sourcePort: 9, destinationPort: 9, sequence: 1, acknowledgement: 1, flags: .ack, window: 1),
      payload: [], source: Simulation.guestAddress, destination: IPAddress(10, 9, 9, 9))
    simulation.deliver([probe])
    #expect(simulation.stack.links.pointer(1).pointee.isBlocked)
    simulation.host.frames = []
  }

  private func unblock(_ guest: ScriptedGuest) -> [Frames.Segment] {
    guest.simulation.host.sendRoom = nil
    guest.simulation.stack.txReady(Simulation.port)
    return guest.answers()
  }

  @Test(arguments: [false, true])
  func `a reset by the host's side waits for the link`(known: Bool) throws {
    let (guest, socket) = try blocked(1)
    // Either the link is known to be full, or the reset itself finds it so.
    if !known { guest.simulation.stack.transmitter.unblock(link: 1) }
    socket.error = ECONNRESET
    for _ in 0..<3 { guest.poll() }
    #expect(guest.answers().isEmpty)
    #expect(socket.isClosed)
    let sent = unblock(guest)
    #expect(sent.map(\.header.flags) == [[.rst, .ack]])
    #expect(sent.first?.header.sequence == guest.acknowledged)
    #expect(guest.simulation.stack.tcp.flows.count == 0)
  }

  @Test func `data and the reset behind it wait together`() throws {
    let (guest, socket) = try blocked(2)
    socket.incoming = pattern(5000, seed: 2)
    socket.error = ECONNRESET
    for _ in 0..<5 { guest.poll() }
    #expect(guest.answers().isEmpty)
    let sent = unblock(guest)
    #expect(sent.flatMap(\.payload) == socket.incoming)
    #expect(sent.last?.header.flags == [.rst, .ack])
    #expect(sent.last?.header.sequence == guest.acknowledged &+ 5000)
  }

  @Test func `a link that becomes full between data and reset loses neither`() throws {
    for room in 0...5 {
      let guest = ScriptedGuest(Simulation(seed: UInt64(room)))
      try #require(guest.open(mss: 1000))
      let socket = try #require(guest.socket)
      socket.incoming = pattern(5000, seed: 2)
      socket.error = ECONNRESET
      guest.simulation.host.sendRoom = room
      for _ in 0..<5 { guest.poll() }
      var sent = guest.answers()
      sent += unblock(guest)
      #expect(sent.flatMap(\.payload) == socket.incoming)
      #expect(sent.last?.header.flags == [.rst, .ack])
      #expect(guest.simulation.stack.tcp.flows.count == 0)
    }
  }

  @Test func `many resets wait, and bulk that waits as well does not keep them`() throws {
    let simulation = Simulation(seed: 3)
    let idle = (0..<50).map { ScriptedGuest(simulation, port: UInt16(41000 + $0)) }
    var sockets: [FakeKernel.Socket] = []
    for guest in idle {
      try #require(guest.open())
      sockets.append(try #require(guest.socket))
    }
    let bulk = (0..<4).map { ScriptedGuest(simulation, port: UInt16(42000 + $0)) }
    for guest in bulk {
      try #require(guest.open(scale: 10))
      try #require(guest.socket).incoming = pattern(1 << 20, seed: 3)
    }
    simulation.host.sendRoom = 0
    bulk[0].poll()
    for socket in sockets { socket.error = ECONNRESET }
    for _ in 0..<4 { bulk[0].poll() }
    simulation.host.frames = []
    // A few frames at a time: the bulk alone would fill each of them.
    var resets = 0
    for _ in 0..<80 {
      simulation.host.sendRoom = 4
      simulation.stack.txReady(Simulation.port)
      let frames = simulation.host.frames
      simulation.host.frames = []
      for guest in idle {
        resets +=
          frames.compactMap { Frames.tcp(in: $0, to: guest.local, from: guest.remote) }
          .count { $0.header.flags.contains(.rst) }
      }
    }
    #expect(resets == idle.count)
  }

  @Test func `the end of the host's data waits for the link`() throws {
    let (guest, socket) = try blocked(4)
    socket.isIncomingOver = true
    for _ in 0..<3 { guest.poll() }
    #expect(unblock(guest).map(\.header.flags) == [[.fin, .ack]])
  }

  @Test func `the answer to a SYN waits for the link, and is sent once`() throws {
    let simulation = Simulation(seed: 5)
    block(simulation)
    let guest = ScriptedGuest(simulation)
    guest.exchange(guest.segment(.syn, acknowledgement: 0))
    #expect(unblock(guest).map(\.header.flags) == [[.syn, .ack]])
    #expect(guest.simulation.stack.tcp.counters.retransmits == 0)
  }

  @Test func `a SYN-ACK that finds the link full in its own turn is sent again at once`() throws {
    let simulation = Simulation(seed: 6)
    let guest = ScriptedGuest(simulation)
    simulation.host.sendRoom = 0
    guest.exchange(guest.segment(.syn, acknowledgement: 0))
    let answer = unblock(guest)
    #expect(answer.map(\.header.flags) == [[.syn, .ack]])
    // And the connection works.
    guest.next &+= 1
    guest.acknowledged = try #require(answer.first).header.sequence &+ 1
    guest.exchange(guest.segment(.ack))
    try #require(simulation.socket).incoming = [1, 2, 3]
    guest.poll()
    #expect(guest.answers().map(\.payload) == [[1, 2, 3]])
  }

  @Test func `a refusal waits for the link`() throws {
    let simulation = Simulation(seed: 7)
    block(simulation)
    simulation.kernel.configure = { $0.connectResult = ECONNREFUSED }
    let guest = ScriptedGuest(simulation)
    guest.exchange(guest.segment(.syn, acknowledgement: 0))
    let sent = unblock(guest)
    #expect(sent.map(\.header.flags) == [[.rst, .ack]])
    #expect(sent.first?.header.acknowledgement == guest.next &+ 1)
  }

  @Test func `a SYN towards the guest waits for the link, and does not time out meanwhile`() throws
  {
    let simulation = Simulation(seed: 8)
    let guest = ScriptedGuest(simulation)
    try #require(guest.open())
    block(simulation)
    let (fd, socket) = simulation.kernel.makeConnected()
    let source = Endpoint(Simulation.gateway, port: 50000)
    #expect(
      simulation.stack.tcp.openTowardGuest(
        socket: fd, link: 1, guest: Endpoint(Simulation.guestAddress, port: 22), source: source,
        owner: 0))
    simulation.stack.endOfIteration()
    simulation.wait(300_000_000_000)
    #expect(!socket.isClosed)
    simulation.host.frames = []
    simulation.host.sendRoom = nil
    simulation.stack.txReady(Simulation.port)
    let syn = simulation.host.frames.compactMap {
      Frames.tcp(in: $0, to: Endpoint(Simulation.guestAddress, port: 22), from: source)
    }
    #expect(syn.map(\.header.flags) == [.syn])
  }

  @Test func `an ACK, and the last one, wait for the link`() throws {
    let (guest, socket) = try blocked(9)
    guest.exchange(guest.segment([.psh, .ack], [1, 2, 3]))
    guest.next &+= 3
    #expect(unblock(guest).map(\.header.acknowledgement) == [guest.next])
    let other = ScriptedGuest(Simulation(seed: 10))
    try #require(other.open())
    try #require(other.socket).isIncomingOver = true
    other.poll()
    _ = other.answers()
    other.acknowledged &+= 1
    block(other.simulation)
    other.exchange(other.segment([.fin, .ack]))
    other.next &+= 1
    let last = unblock(other)
    #expect(last.map(\.header.flags) == [.ack])
    #expect(last.first?.header.acknowledgement == other.next)
    _ = socket
  }

  @Test func `an answer to ARP and to an unknown segment waits, and what is kept is bounded`()
    throws
  {
    let simulation = Simulation(seed: 11)
    let guest = ScriptedGuest(simulation)
    block(simulation)
    let request = Frames.arp(from: Simulation.guestAddress)
    simulation.deliver([request])
    guest.acknowledged = 99
    guest.exchange(guest.segment(.ack))
    simulation.host.sendRoom = nil
    simulation.stack.txReady(Simulation.port)
    let kinds = simulation.host.frames.map { $0.withByteView { $0.uint16(at: 12) } }
    #expect(kinds.contains(EtherType.arp))
    #expect(guest.answers().map(\.header.flags) == [.rst])
    // A guest that asks and asks while it takes nothing fills no more than its queue.
    block(simulation)
    for _ in 0..<4000 { simulation.deliver([request]) }
    simulation.host.sendRoom = nil
    simulation.stack.txReady(Simulation.port)
    #expect(simulation.host.frames.count <= HeldFrames.capacity / 80)
    #expect(simulation.stack.links.pointer(1).pointee.counters.sendDrops > 3000)
  }

  @Test func `behind a switch one full guest's frames leave room for the others'`() throws {
    let simulation = Simulation(seed: 12, kind: .switch)
    let slow = MACAddress(0x52, 0x55, 0x55, 0, 0, 1)
    let other = MACAddress(0x52, 0x55, 0x55, 0, 0, 2)
    func request(_ mac: MACAddress, _ last: UInt8) -> [UInt8] {
      Frames.arp(from: IPAddress(192, 168, 5, last), at: mac)
    }
    simulation.host.fullStations = [slow, other]
    for _ in 0..<2000 { simulation.deliver([request(slow, 20)]) }
    simulation.deliver([request(other, 21)])
    simulation.host.fullStations = [slow]
    simulation.stack.txReady(Simulation.port)
    #expect(simulation.host.frames.map { Frames.destination(of: $0) } == [other])
    simulation.host.frames = []
    simulation.host.fullStations = []
    simulation.stack.txReady(Simulation.port)
    #expect(simulation.host.frames.count > 10)
    #expect(!simulation.stack.links.pointer(1).pointee.isBlocked)
  }
}
