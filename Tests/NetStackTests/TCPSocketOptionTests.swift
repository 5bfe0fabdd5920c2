// SPDX-License-Identifier: Apache-2.0
//
// Options of host sockets: an unintended end is a reset, urgent bytes stay in the stream, keep-alive.

import LibC
import Testing
import Wire

@testable import NetStack

@Suite(.timeLimit(.minutes(1))) struct TCPSocketOptionTests {
  private func opened(_ seed: UInt64) throws -> (ScriptedGuest, FakeKernel.Socket) {
    let guest = ScriptedGuest(Simulation(seed: seed))
    try #require(guest.open())
    return (guest, try #require(guest.socket))
  }

  private func option(_ socket: FakeKernel.Socket, _ level: Int32, _ name: Int32) -> Int32? {
    socket.options["\(level)/\(name)"]
  }

  @Test func `while a connection is open, the end of the process would reset the host's side`()
    throws
  {
    let (guest, socket) = try opened(1)
    #expect(socket.lingers)
    // Even if the host has ended its direction, the guest's data is not complete.
    socket.isIncomingOver = true
    guest.poll()
    _ = guest.answers()
    #expect(socket.lingers)
    guest.acknowledged &+= 1
    guest.exchange(guest.segment([.fin, .ack]))
    #expect(socket.isClosed && !socket.lingers && !socket.wasReset)
  }

  @Test func `once the guest has said all, the kernel delivers it whatever becomes of the process`()
    throws
  {
    let (guest, socket) = try opened(2)
    socket.sendRoom = 100
    guest.exchange(guest.segment([.psh, .fin, .ack], pattern(1000, seed: 2)))
    #expect(socket.lingers, "900 bytes are still here")
    socket.sendRoom = .max
    guest.poll()
    #expect(socket.shutdownCalls == 1 && !socket.lingers && !socket.isClosed)
  }

  @Test func `a socket of a forward's listener needs no options of its own`() throws {
    let simulation = Simulation(seed: 3)
    simulation.deliver([Frames.arp(from: Simulation.guestAddress)])
    simulation.host.frames = []
    let (fd, socket) = simulation.kernel.makeConnected()
    socket.lingers = true
    let guest = ScriptedGuest(simulation)
    #expect(
      simulation.stack.tcp.openTowardGuest(
        socket: fd, link: 1, guest: guest.local, source: guest.remote, owner: 7, isPrepared: true))
    simulation.stack.endOfIteration()
    let syn = try #require(guest.answers().first)
    guest.acknowledged = syn.header.sequence &+ 1
    guest.exchange(guest.segment([.syn, .ack]))
    guest.next &+= 1
    #expect(socket.options.isEmpty && socket.lingers)
    guest.exchange(guest.segment([.fin, .ack]))
    guest.next &+= 1
    #expect(!socket.lingers)
    socket.isIncomingOver = true
    guest.poll()
    #expect(socket.isClosed && !socket.wasReset)
  }

  @Test func `the listener of a forward has the options that its sockets are to have`() throws {
    let simulation = Simulation(seed: 4)
    try simulation.stack.forwards.expose(
      ForwardRule(
        kind: .tcp(Endpoint(.loopbackV4, port: 2222)),
        guest: Endpoint(Simulation.guestAddress, port: 22)))
    let listener = try #require(simulation.socket)
    #expect(listener.lingers && listener.noDelay)
    #expect(option(listener, SOL_SOCKET, SO_OOBINLINE) == 1)
    #expect(option(listener, SOL_SOCKET, SO_KEEPALIVE) == 1)
  }

  @Test func `urgent bytes of the host stay in their place, from the first read on`() throws {
    let (guest, socket) = try opened(5)
    #expect(socket.sendCalls == 0)
    #expect(option(socket, SOL_SOCKET, SO_OOBINLINE) == 1)
    // And those of a guest do (RFC 6093).
    let frame = Frames.tcp(
      TCPHeader(
        sourcePort: guest.local.port, destinationPort: guest.remote.port, sequence: guest.next,
        acknowledgement: guest.acknowledged, flags: [.psh, .ack, .urg], window: 1000,
        urgentPointer: 2),
      payload: [1, 2, 3], source: guest.local.address, destination: guest.remote.address)
    guest.exchange(frame)
    #expect(socket.received == [1, 2, 3])
  }

  @Test func `a connection that lasts gets keep-alives of the kernel, a short one costs no call`()
    throws
  {
    let (guest, socket) = try opened(6)
    #expect(option(socket, SOL_SOCKET, SO_KEEPALIVE) == nil)
    guest.simulation.wait(20_000_000_000)
    #expect(option(socket, SOL_SOCKET, SO_KEEPALIVE) == 1)
    #expect(option(socket, Int32(IPPROTO_TCP.self), TCP_KEEPIDLE) == nil)
  }

  @Test(arguments: [0, 1])
  func `a guest's probes make the kernel probe the host's side as often`(length: Int) throws {
    let (guest, socket) = try opened(7)
    let tcp = Int32(IPPROTO_TCP.self)
    func probe(after seconds: UInt64) -> [Frames.Segment] {
      guest.simulation.host.now += seconds * 1_000_000_000
      return guest.exchange(
        guest.segment(.ack, [UInt8](repeating: 0, count: length), sequence: guest.next &- 1))
    }
    #expect(probe(after: 60).map(\.header.flags) == [.ack])
    #expect(option(socket, tcp, TCP_KEEPIDLE) == 60)
    #expect(option(socket, tcp, TCP_KEEPINTVL) == 20)
    #expect(option(socket, SOL_SOCKET, SO_KEEPALIVE) == 1)
    // A little earlier is as often; much earlier is more often; later is no reason to be slow.
    _ = probe(after: 55)
    #expect(option(socket, tcp, TCP_KEEPIDLE) == 60)
    _ = probe(after: 10)
    #expect(option(socket, tcp, TCP_KEEPIDLE) == 10)
    _ = probe(after: 300)
    #expect(option(socket, tcp, TCP_KEEPIDLE) == 10)
    #expect(socket.received.isEmpty)
  }

  @Test func `a duplicate of what was just sent is no probe`() throws {
    let (guest, socket) = try opened(8)
    guest.exchange(guest.segment([.psh, .ack], [1]))
    guest.next &+= 1
    guest.exchange(guest.segment([.psh, .ack], [1], sequence: guest.next &- 1))
    #expect(option(socket, Int32(IPPROTO_TCP.self), TCP_KEEPIDLE) == nil)
  }
}
