// SPDX-License-Identifier: Apache-2.0
//
// Delayed ACKs (RFC 9293 §3.8.6.3), and when an ACK must not be delayed.

import Testing
import Wire

@testable import NetStack

@Suite(.timeLimit(.minutes(5)))
struct TCPDelayedAckTests {
  private func opened(_ seed: UInt64) throws -> (ScriptedGuest, FakeKernel.Socket) {
    let guest = ScriptedGuest(Simulation(seed: seed))
    #expect(guest.open())
    return (guest, try #require(guest.socket))
  }

  /// The guest sends data; returns the immediate answers.
  private func ask(_ guest: ScriptedGuest, _ bytes: [UInt8], flags: TCPFlags = [.ack, .psh])
    -> [Frames.Segment]
  {
    let answers = guest.exchange(guest.segment(flags, bytes))
    guest.next &+= UInt32(bytes.count)
    return answers
  }

  /// The host's application responds, and the guest acknowledges with its next segment.
  private func answer(
    _ guest: ScriptedGuest, _ socket: FakeKernel.Socket, _ bytes: [UInt8]
  ) -> [Frames.Segment] {
    socket.incoming += bytes
    guest.poll()
    let answers = guest.answers()
    guest.acknowledged &+= UInt32(bytes.count)
    return answers
  }

  /// As many exchanges as make it a request-response connection.
  private func converse(_ guest: ScriptedGuest, _ socket: FakeKernel.Socket) {
    for _ in 0..<TCPReceiver.exchangesBeforeDelay {
      let first = ask(guest, [1])
      #expect(first.count == 1 && first[0].payload.isEmpty)
      #expect(answer(guest, socket, [2]).map(\.payload) == [[2]])
    }
  }

  @Test func `in a dialogue the ACK rides on the answer`() throws {
    let (guest, socket) = try opened(1)
    converse(guest, socket)
    for _ in 0..<100 {
      #expect(ask(guest, [3]).isEmpty)
      let answers = answer(guest, socket, [4, 5])
      #expect(answers.map(\.payload) == [[4, 5]])
      #expect(answers.map(\.header.acknowledgement) == [guest.next])
    }
  }

  @Test func `an answer that takes longer is not waited for, nor the next one`() throws {
    let (guest, socket) = try opened(2)
    converse(guest, socket)
    #expect(ask(guest, [3]).isEmpty)
    let simulation = guest.simulation
    let asked = simulation.host.now
    simulation.run { _ in !simulation.seen.isEmpty }
    // To the next tick of the wheel.
    #expect(simulation.host.now >= asked + TCPEngine.ackDelay)
    #expect(simulation.host.now < asked + TCPEngine.ackDelay + 2_000_000)
    let acks = simulation.seen.compactMap {
      Frames.tcp(in: $0, to: guest.local, from: guest.remote)
    }
    #expect(acks.map(\.header.acknowledgement) == [guest.next])
    #expect(acks.allSatisfy { $0.payload.isEmpty })
    #expect(answer(guest, socket, [4]).count == 1)
    #expect(ask(guest, [5]).map(\.header.acknowledgement) == [guest.next])
  }

  @Test func `who asks in two pieces has each acknowledged at once`() throws {
    let (guest, socket) = try opened(3)
    for _ in 0..<50 {
      #expect(ask(guest, [1]).map(\.header.acknowledgement) == [guest.next])
      #expect(ask(guest, [2]).map(\.header.acknowledgement) == [guest.next])
      #expect(answer(guest, socket, [3]).count == 1)
    }
  }

  @Test func `a second piece ends the wait for the first`() throws {
    let (guest, socket) = try opened(4)
    converse(guest, socket)
    #expect(ask(guest, [1]).isEmpty)
    #expect(ask(guest, [2]).map(\.header.acknowledgement) == [guest.next])
    #expect(answer(guest, socket, [3]).count == 1)
    // From here on it is no request-response connection any more.
    #expect(ask(guest, [1]).map(\.header.acknowledgement) == [guest.next])
  }

  @Test func `more than a segment, a FIN, and what the kernel did not take do not wait`() throws {
    for variant in 0..<3 {
      let (guest, socket) = try opened(5)
      converse(guest, socket)
      switch variant {
      case 0: #expect(ask(guest, [UInt8](repeating: 1, count: 1461)).count == 1)
      case 1:
        #expect(
          ask(guest, [1], flags: [.ack, .fin]).map(\.header.acknowledgement) == [guest.next &+ 1])
      default:
        socket.sendRoom = 0
        #expect(ask(guest, [1]).map(\.header.acknowledgement) == [guest.next])
      }
    }
  }

  @Test func `dialogues through bad weather lose nothing and end`() {
    for seed in 1...200 as ClosedRange<UInt64> {
      let weather: LinkWeather = [.fair, .bad, .storm][Int(seed % 3)]
      let simulation = Simulation(seed: seed, weather: weather)
      guard TCPTransferTests.open(simulation), let socket = simulation.socket else {
        Issue.record("seed \(seed): no connection")
        continue
      }
      var random = RandomSource(seed: seed)
      let questions = 30
      var asked: [UInt8] = []
      var answered: [UInt8] = []
      var round = 0
      simulation.onStep = { simulation in
        let hasAnswers = simulation.guests[0].received.count == answered.count
        if hasAnswers, socket.received.count == asked.count, round < questions {
          round += 1
          let bytes = pattern(1 + Int(random.next() % 3000), seed: seed &+ UInt64(round))
          asked += bytes
          simulation.guests[0].out += bytes
          simulation.guests[0].pump(now: simulation.host.now)
        }
        if socket.received.count == asked.count, answered.count < round {
          answered.append(UInt8(truncatingIfNeeded: round))
          socket.incoming.append(UInt8(truncatingIfNeeded: round))
        }
      }
      let isDone = simulation.run { $0.guests[0].received.count == questions }
      #expect(isDone, "seed \(seed): \(simulation.guests[0].received.count) answers")
      #expect(socket.received == asked && simulation.guests[0].received == answered)
    }
  }

  @Test func `the host's last byte and its FIN are one frame`() throws {
    let (guest, socket) = try opened(6)
    #expect(ask(guest, [1]).count == 1)
    socket.incoming = [2, 3]
    socket.isIncomingOver = true
    guest.poll()
    let answers = guest.answers()
    #expect(answers.map(\.payload) == [[2, 3]])
    #expect(answers.map(\.header.flags) == [[.ack, .psh, .fin]])
    #expect(guest.simulation.host.watches.isEmpty)
  }

  @Test func `when both directions are over the socket is closed without shutting it down first`()
    throws
  {
    let (guest, socket) = try opened(7)
    socket.isIncomingOver = true
    guest.poll()
    _ = guest.answers()
    guest.acknowledged &+= 1
    #expect(ask(guest, [1, 2], flags: [.ack, .fin]).count == 1)
    #expect(socket.received == [1, 2])
    #expect(socket.isClosed && socket.shutdownCalls == 0 && !socket.wasReset)
  }
}
