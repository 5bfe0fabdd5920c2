// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import NetStack

/// Deferred work: done after the frames of an iteration were sent.
@Suite(.timeLimit(.minutes(5)))
struct TCPSettleTests {
  @Test func `the SYN-ACK goes out before the socket has its options and its watch`() {
    let simulation = Simulation(seed: 1)
    let guest = ScriptedGuest(simulation)
    var atSend: [(noDelay: Bool, watches: Int)] = []
    simulation.host.onSend = {
      let socket = simulation.kernel.sockets.values.first
      atSend.append((socket?.noDelay ?? true, simulation.host.watches.count))
    }
    simulation.deliver([guest.segment(.syn, acknowledgement: 0)])
    #expect(atSend.map(\.noDelay) == [false])
    #expect(atSend.map(\.watches) == [0])
    #expect(simulation.host.watches.count == 1)
    #expect(simulation.socket?.noDelay == true)
  }

  @Test func `the last ACK goes out before the socket is closed`() throws {
    let simulation = Simulation(seed: 2)
    let guest = ScriptedGuest(simulation)
    #expect(guest.open())
    let socket = try #require(guest.socket)
    socket.isIncomingOver = true
    guest.poll()
    #expect(guest.answers().map(\.header.flags) == [[.fin, .ack]])
    guest.acknowledged &+= 1
    var closedAtSend: [Bool] = []
    simulation.host.onSend = { closedAtSend.append(socket.isClosed) }
    guest.exchange(guest.segment([.fin, .ack]))
    #expect(closedAtSend == [false])
    #expect(socket.isClosed)
    #expect(simulation.host.watches.isEmpty)
  }

  @Test func `a socket that cannot be watched resets the guest`() {
    let simulation = Simulation(seed: 4)
    simulation.host.refusesWatches = true
    let guest = ScriptedGuest(simulation)
    let answers = guest.exchange(guest.segment(.syn, acknowledgement: 0))
    #expect(answers.map(\.header.flags) == [[.syn, .ack], [.rst, .ack]])
    #expect(simulation.socket?.isClosed == true)
    #expect(simulation.host.log == ["tcp: a socket cannot be watched"])
    // Nothing of it is left once there is another turn.
    simulation.host.refusesWatches = false
    let next = ScriptedGuest(simulation, port: 40001)
    #expect(next.open())
    #expect(simulation.stack.tcp.flowCount == 1)
    #expect(simulation.host.watches.count == 1)
  }

  @Test func `more new connections than fit in the list are all watched`() {
    let simulation = Simulation(seed: 5)
    let count = Unsettled.capacity + 50
    let guests = (0..<count).map { ScriptedGuest(simulation, port: UInt16(40000 + $0)) }
    simulation.deliver(guests.map { $0.segment(.syn, acknowledgement: 0) })
    #expect(simulation.host.watches.count == count)
    #expect(simulation.kernel.sockets.values.count(where: \.noDelay) == count)
  }

  @Test func `a socket that is watched again after a pause keeps the options it has`() throws {
    let simulation = Simulation(seed: 7) { $0.sendBuffer = 128 << 10 }
    let guest = ScriptedGuest(simulation)
    #expect(guest.open(scale: 10))
    let socket = try #require(guest.socket)
    socket.incoming = pattern(1 << 20, seed: 7)
    for _ in 0..<4 { guest.poll() }
    #expect(simulation.host.watches.isEmpty, "reading pauses while the buffer is full")
    for segment in guest.answers() {
      guest.acknowledged = segment.header.sequence &+ UInt32(segment.payload.count)
    }
    guest.exchange(guest.segment(.ack))
    #expect(simulation.host.watches.count == 1)
    #expect(socket.noDelayCalls == 1)
  }

  @Test func `two changes of what is watched in one turn are one call`() throws {
    let simulation = Simulation(seed: 6)
    let guest = ScriptedGuest(simulation)
    #expect(guest.open())
    let socket = try #require(guest.socket)
    socket.sendRoom = 0
    guest.exchange(guest.segment(.ack, [1, 2, 3]))
    let waiting = simulation.host.watches.values.map(\.events)
    #expect(waiting == [[.read, .write]])
    // The end of the connection: the wish to write goes, then the watch as a whole.
    socket.sendRoom = .max
    socket.isIncomingOver = true
    guest.next &+= 3
    simulation.host.watchCalls = 0
    guest.poll()
    #expect(socket.received == [1, 2, 3])
    #expect(simulation.host.watchCalls == 1)
    #expect(simulation.host.watches.isEmpty)
  }
}
