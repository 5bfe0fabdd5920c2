// SPDX-License-Identifier: Apache-2.0

import LibC
import Testing
import Wire

@testable import NetStack

/// How connections begin and end: all states and transitions.
@Suite(.timeLimit(.minutes(5)))
struct TCPStateTests {
  private func guest(_ port: UInt16 = 40000, to remote: Endpoint = Simulation.server) -> GuestTCP {
    GuestTCP(local: Endpoint(Simulation.guestAddress, port: port), remote: remote, iss: 5000)
  }

  private func opened(_ simulation: Simulation) throws -> FakeKernel.Socket {
    #expect(TCPTransferTests.open(simulation))
    simulation.wait(1_000_000)
    return try #require(simulation.socket)
  }

  /// A segment of the open connection, specified by the test.
  private func segment(
    _ simulation: Simulation, sequence: UInt32, flags: TCPFlags, payload: [UInt8] = [],
    ack: UInt32? = nil
  ) -> [UInt8] {
    let guest = simulation.guests[0]
    return Frames.tcp(
      TCPHeader(
        sourcePort: guest.local.port, destinationPort: guest.remote.port, sequence: sequence,
        acknowledgement: ack ?? guest.rcvNext, flags: flags, window: 2000),
      payload: payload, source: guest.local.address, destination: guest.remote.address)
  }

  @Test func `a SYN is answered only when the host's side is connected`() throws {
    let simulation = Simulation(seed: 1)
    simulation.kernel.configure = { $0.connectLater = true }
    var guest = guest()
    guest.connect(now: simulation.host.now)
    simulation.guests = [guest]
    simulation.wait(250_000_000)
    #expect(simulation.guests[0].state == .synSent)
    let socket = try #require(simulation.socket)
    // The guest asked again meanwhile: still one socket.
    simulation.wait(700_000_000)
    #expect(simulation.kernel.sockets.count == 1)
    socket.connectDone = true
    socket.isConnected = true
    #expect(simulation.run(until: { $0.guests[0].state == .open }))
  }

  @Test(arguments: [false, true])
  func `a refused connection is refused`(later: Bool) throws {
    let simulation = Simulation(seed: 2)
    simulation.kernel.configure = {
      $0.connectResult = ECONNREFUSED
      $0.connectLater = later
    }
    var guest = guest()
    guest.connect(now: simulation.host.now)
    simulation.guests = [guest]
    simulation.wait(10_000_000)
    if later {
      #expect(simulation.guests[0].state == .synSent)
      simulation.socket?.connectDone = true
    }
    #expect(simulation.run(until: { $0.guests[0].state == .reset }))
    #expect(simulation.kernel.openCount == 0)
    #expect(simulation.stack.tcp.flowCount == 0)
  }

  @Test(arguments: [
    (ENETUNREACH, UInt8(0)), (EHOSTUNREACH, UInt8(1)), (ETIMEDOUT, UInt8(1)), (EACCES, UInt8(13)),
  ])
  func `an unreachable host is an ICMP error that quotes the SYN`(code: Int32, icmp: UInt8) {
    let simulation = Simulation(seed: 3)
    simulation.kernel.configure = { $0.connectResult = code }
    var guest = guest()
    guest.connect(now: simulation.host.now)
    simulation.guests = [guest]
    simulation.wait(10_000_000)
    let errors = simulation.seen.compactMap { Frames.icmp(in: $0) }
    #expect(errors.count == 1)
    #expect(errors.first?.type == 3 && errors.first?.code == icmp)
    #expect(simulation.kernel.openCount == 0)
  }

  @Test func `a port of the gateway leads to the host's loopback`() throws {
    let simulation = Simulation(seed: 4)
    var guest = guest(to: Endpoint(Simulation.gateway, port: 8080))
    guest.connect(now: simulation.host.now)
    simulation.guests = [guest]
    #expect(simulation.run(until: { $0.guests[0].state == .open }))
    #expect(simulation.socket?.target == Endpoint(.loopbackV4, port: 8080))
  }

  @Test func `without host loopback a port of the gateway is refused`() {
    let simulation = Simulation(seed: 4) { $0.hostLoopback = false }
    var guest = guest(to: Endpoint(Simulation.gateway, port: 8080))
    guest.connect(now: simulation.host.now)
    simulation.guests = [guest]
    #expect(simulation.run(until: { $0.guests[0].state == .reset }))
    #expect(simulation.kernel.sockets.isEmpty)
  }

  @Test func `a segment for no connection is reset, a reset is not answered`() {
    let simulation = Simulation(seed: 5)
    simulation.guests = [guest()]
    simulation.deliver([segment(simulation, sequence: 9, flags: .ack, ack: 77)])
    #expect(simulation.host.frames.count == 1)
    let guest = simulation.guests[0]
    let answer = Frames.tcp(in: simulation.host.frames[0], to: guest.local, from: guest.remote)
    #expect(answer?.header.flags == .rst)
    #expect(answer?.header.sequence == 77)
    simulation.host.frames.removeAll()
    simulation.deliver([segment(simulation, sequence: 9, flags: .rst, ack: 77)])
    #expect(simulation.host.frames.isEmpty)
  }

  @Test func `a guest may close first and still receive`() throws {
    let simulation = Simulation(seed: 6)
    let socket = try opened(simulation)
    simulation.guests[0].finishes = true
    simulation.guests[0].pump(now: simulation.host.now)
    #expect(simulation.run(until: { _ in socket.isShut }))
    let answer = pattern(100_000, seed: 6)
    socket.incoming = answer
    #expect(simulation.run(until: { $0.guests[0].received.count == answer.count }))
    socket.isIncomingOver = true
    #expect(simulation.run(until: { $0.guests[0].peerFinished }))
    #expect(simulation.guests[0].received == answer)
    #expect(simulation.run(until: { $0.stack.tcp.flowCount == 0 }))
    #expect(!socket.wasReset)
  }

  @Test func `the host may close first and still receive`() throws {
    let simulation = Simulation(seed: 7)
    let socket = try opened(simulation)
    socket.isIncomingOver = true
    #expect(simulation.run(until: { $0.guests[0].peerFinished }))
    #expect(!socket.isShut)
    let data = pattern(100_000, seed: 7)
    simulation.guests[0].out = data
    simulation.guests[0].finishes = true
    simulation.guests[0].pump(now: simulation.host.now)
    #expect(simulation.run(until: { _ in socket.isShut }))
    #expect(socket.received == data)
    #expect(simulation.run(until: { $0.stack.tcp.flowCount == 0 }))
  }

  @Test func `both sides may close at once`() throws {
    let simulation = Simulation(seed: 8)
    let socket = try opened(simulation)
    socket.isIncomingOver = true
    simulation.guests[0].finishes = true
    simulation.guests[0].pump(now: simulation.host.now)
    #expect(
      simulation.run(until: { $0.guests[0].peerFinished && $0.guests[0].finAcked && socket.isShut })
    )
    #expect(simulation.run(until: { $0.stack.tcp.flowCount == 0 }))
    #expect(socket.isClosed && !socket.wasReset)
  }

  @Test func `a reset from the guest resets the host's side`() throws {
    let simulation = Simulation(seed: 9)
    let socket = try opened(simulation)
    simulation.deliver([segment(simulation, sequence: simulation.guests[0].next, flags: .rst)])
    #expect(socket.wasReset && socket.isClosed)
    #expect(simulation.stack.tcp.flowCount == 0)
  }

  @Test func `a blind reset inside the window is challenged, outside it is dropped`() throws {
    let simulation = Simulation(seed: 10)
    let socket = try opened(simulation)
    simulation.host.frames.removeAll()
    simulation.deliver([
      segment(simulation, sequence: simulation.guests[0].next &+ 1000, flags: .rst)
    ])
    #expect(!socket.isClosed)
    #expect(simulation.host.frames.count == 1)
    simulation.host.frames.removeAll()
    simulation.deliver([
      segment(simulation, sequence: simulation.guests[0].next &- 1000, flags: .rst)
    ])
    simulation.deliver([
      segment(simulation, sequence: simulation.guests[0].next &+ 0x4000_0000, flags: .rst)
    ])
    #expect(!socket.isClosed)
    #expect(simulation.host.frames.isEmpty)
  }

  @Test func `a SYN on an open connection is challenged`() throws {
    let simulation = Simulation(seed: 11)
    let socket = try opened(simulation)
    simulation.host.frames.removeAll()
    simulation.deliver([segment(simulation, sequence: 99, flags: .syn)])
    #expect(!socket.isClosed)
    #expect(simulation.host.frames.count == 1)
  }

  @Test func `an acknowledgement of what was never sent is challenged`() throws {
    let simulation = Simulation(seed: 12)
    let socket = try opened(simulation)
    simulation.host.frames.removeAll()
    let guest = simulation.guests[0]
    simulation.deliver([
      segment(
        simulation, sequence: guest.next, flags: .ack, payload: [1, 2, 3], ack: guest.rcvNext &+ 5)
    ])
    #expect(socket.received.isEmpty)
    #expect(simulation.host.frames.count == 1)
  }

  @Test(arguments: [ECONNRESET, EPIPE, ETIMEDOUT])
  func `an error of the socket is a reset for the guest`(code: Int32) throws {
    let simulation = Simulation(seed: 13)
    let socket = try opened(simulation)
    socket.error = code
    #expect(simulation.run(until: { $0.guests[0].state == .reset }))
    #expect(socket.isClosed)
    #expect(simulation.stack.tcp.flowCount == 0)
  }

  @Test func `data that came before an error still reaches the guest`() throws {
    let simulation = Simulation(seed: 14)
    let socket = try opened(simulation)
    socket.incoming = Array("last words".utf8)
    socket.error = ECONNRESET
    #expect(simulation.run(until: { $0.guests[0].state == .reset }))
    #expect(simulation.guests[0].received == Array("last words".utf8))
  }

  @Test func `a guest that vanishes during the handshake is given up`() {
    let simulation = Simulation(seed: 15)
    var guest = guest()
    guest.connect(now: simulation.host.now)
    simulation.guests = [guest]
    simulation.wait(150_000)
    simulation.guests = []
    #expect(simulation.stack.tcp.flowCount == 1)
    #expect(simulation.run(for: 300_000_000_000, until: { $0.stack.tcp.flowCount == 0 }))
    #expect(simulation.kernel.openCount == 0)
  }

  @Test func `a guest that vanishes with data under way is given up`() throws {
    let simulation = Simulation(seed: 16)
    let socket = try opened(simulation)
    socket.incoming = pattern(50_000, seed: 1)
    simulation.guests[0].state = .closed
    #expect(simulation.run(for: 3_600_000_000_000, until: { $0.stack.tcp.flowCount == 0 }))
    #expect(socket.wasReset)
    #expect(simulation.stack.chunks.used == 0)
  }

  @Test func `an idle connection is probed, and given up when the guest is gone`() throws {
    let simulation = Simulation(seed: 17) {
      $0.keepAliveTime = 10_000_000_000
      $0.keepAliveInterval = 1_000_000_000
      $0.keepAliveProbes = 3
    }
    let socket = try opened(simulation)
    simulation.wait(30_000_000_000)
    #expect(!socket.isClosed)
    simulation.guests[0].state = .closed
    #expect(simulation.run(for: 60_000_000_000, until: { $0.stack.tcp.flowCount == 0 }))
    #expect(socket.isClosed)
  }

  @Test func `a port is free again soon after its connection was closed`() throws {
    let simulation = Simulation(seed: 18)
    for round in 0..<3 {
      var guest = guest()
      guest.iss = 5000 &+ UInt32(round) &* 100_000
      guest.una = guest.iss
      guest.next = guest.iss
      guest.connect(now: simulation.host.now)
      simulation.guests = [guest]
      #expect(simulation.run(until: { $0.guests[0].state == .open }))
      let socket = try #require(simulation.socket)
      socket.isIncomingOver = true
      simulation.guests[0].finishes = true
      simulation.guests[0].pump(now: simulation.host.now)
      let done = simulation.run(until: {
        $0.guests[0].peerFinished && $0.guests[0].finAcked && socket.isClosed
      })
      #expect(done)
    }
    #expect(simulation.kernel.sockets.count == 3)
  }

  @Test func `when descriptors run out the connection idle longest goes`() {
    let simulation = Simulation(seed: 19)
    simulation.kernel.maximumOpen = 3
    for port in 0..<5 as Range<UInt16> {
      var guest = guest(40000 + port)
      guest.connect(now: simulation.host.now)
      simulation.guests.append(guest)
      simulation.wait(5_000_000_000)
    }
    #expect(simulation.guests.map(\.state) == [.reset, .reset, .open, .open, .open])
    #expect(simulation.host.log.contains { $0.contains("file descriptors") })
    // Limited in rate: two evictions five seconds apart are one line.
    #expect(simulation.host.log.count == 1)
  }

  @Test func `a connection that is used does not make room for others`() {
    let simulation = Simulation(seed: 21)
    simulation.kernel.maximumOpen = 3
    for port in 0..<3 as Range<UInt16> {
      var guest = guest(40000 + port)
      guest.connect(now: simulation.host.now)
      simulation.guests.append(guest)
      simulation.wait(5_000_000_000)
    }
    // The first is used, the second by the host's side, the third not at all.
    simulation.guests[0].out = [1]
    simulation.guests[0].pump(now: simulation.host.now)
    simulation.kernel.sockets.sorted { $0.key < $1.key }[1].value.incoming = [1]
    simulation.wait(5_000_000_000)
    var last = guest(40003)
    last.connect(now: simulation.host.now)
    simulation.guests.append(last)
    simulation.wait(5_000_000_000)
    #expect(simulation.guests.map(\.state) == [.open, .open, .reset, .open])
  }

  @Test func `a connection that is used at this moment is not idle`() {
    let simulation = Simulation(seed: 22)
    simulation.kernel.maximumOpen = 2
    for port in 0..<3 as Range<UInt16> {
      var guest = guest(40000 + port)
      guest.connect(now: simulation.host.now)
      simulation.guests.append(guest)
      simulation.wait(100_000_000)
    }
    #expect(simulation.guests.map(\.state) == [.open, .open, .synSent])
    #expect(simulation.stack.tcp.counters.evicted == 0)
  }

  @Test func `a link that goes away closes the sockets of its guests`() throws {
    let simulation = Simulation(seed: 20)
    let socket = try opened(simulation)
    socket.incoming = pattern(50_000, seed: 1)
    simulation.wait(100_000)
    simulation.stack.portDown(Simulation.port)
    #expect(socket.isClosed && socket.wasReset)
    #expect(simulation.stack.tcp.flowCount == 0)
    #expect(simulation.stack.chunks.used == 0)
    #expect(simulation.host.watches.isEmpty)
  }
}
