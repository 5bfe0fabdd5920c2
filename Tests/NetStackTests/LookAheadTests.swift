// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import NetStack

/// Flows of a batch's later frames are looked up early: changes by the frames before them must be respected.
@Suite("Looking ahead in a batch", .timeLimit(.minutes(5)))
struct LookAheadTests {
  /// One connection more than the number from which on the stack looks ahead.
  private func crowd(_ seed: UInt64) throws -> (Simulation, [ScriptedGuest]) {
    let simulation = Simulation(seed: seed)
    let guests = (0..<80 as Range<UInt16>).map {
      ScriptedGuest(simulation, port: 40000 + $0, iss: 1000 &* UInt32($0))
    }
    for guest in guests { #expect(guest.open()) }
    #expect(LookAhead.pays(simulation.stack.tcp, simulation.stack.udp))
    return (simulation, guests)
  }

  @Test("each segment of a crowd reaches its own socket")
  func crowdedBatch() throws {
    let (simulation, guests) = try crowd(1)
    for round in 0..<3 as Range<UInt8> {
      simulation.deliver(
        guests.reversed().map { $0.segment(.ack, [UInt8($0.local.port & 0xff), round]) })
      for guest in guests { guest.next &+= 2 }
    }
    for guest in guests {
      let port = UInt8(guest.local.port & 0xff)
      #expect(guest.socket?.received == [port, 0, port, 1, port, 2])
    }
  }

  @Test("a connection that is reset and opened again in one batch is a new one")
  func resetAndSynInOneBatch() throws {
    let (simulation, guests) = try crowd(2)
    let old = guests[7]
    let again = ScriptedGuest(simulation, port: old.local.port, iss: 77_000)
    simulation.deliver([
      old.segment(.ack, [1]), old.segment([.rst, .ack], sequence: old.next &+ 1),
      again.segment(.syn, acknowledgement: 0),
    ])
    #expect(old.socket?.wasReset == true)
    again.poll()
    let answer = try #require(again.answers().first)
    #expect(answer.header.flags == [.syn, .ack] && answer.header.acknowledgement == 77_001)
    #expect(simulation.stack.tcp.flowCount == 80)
  }

  @Test("a segment behind the reset of its connection is refused")
  func segmentBehindReset() throws {
    let (simulation, guests) = try crowd(3)
    let guest = guests[9]
    let answers = guest.exchange(
      guest.segment([.rst, .ack]), guest.segment(.ack, [1], sequence: guest.next))
    #expect(answers.map(\.header.flags) == [.rst])
    #expect(guest.socket?.received == [])
    #expect(simulation.stack.tcp.flowCount == 79)
  }

  @Test("a datagram whose remote made room in the same batch opens it again")
  func peerThatLeft() throws {
    let world = try DatagramWorld { $0.udp.maximumPeersPerFlow = 80 }
    func remote(_ index: Int) -> Endpoint { Endpoint(IPAddress(10, 2, 0, UInt8(index)), port: 9) }
    for index in 1...80 { world.send(world.udp(from: 4000, to: remote(index), [1])) }
    // The first is the one silent longest: it makes room for the 81st, and comes back.
    world.send(
      world.udp(from: 4000, to: remote(81), [2]), world.udp(from: 4000, to: remote(1), [3]))
    #expect(world.kernel.sent.suffix(2).map(\.payload) == [[2], [3]])
    #expect(world.kernel.sent.suffix(2).map(\.destination) == [remote(81), remote(1)])
  }
}
