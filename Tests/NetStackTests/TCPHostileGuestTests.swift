// SPDX-License-Identifier: Apache-2.0
//
// Segments that a correct guest never sends, or seldom in this order.

import TestSupport
import Testing
import Wire

@testable import NetStack

@Suite("TCP and hostile guests", .timeLimit(.minutes(5)))
struct TCPHostileGuestTests {
  @Test("bytes that close a hole reach the host at once, not with the FIN")
  func closedHole() throws {
    let guest = ScriptedGuest(Simulation(seed: 1))
    #expect(guest.open())
    let socket = try #require(guest.socket)
    guest.exchange(guest.segment(.ack, [4, 5, 6], sequence: guest.next &+ 3))
    #expect(socket.received.isEmpty)
    guest.exchange(guest.segment(.ack, [1, 2, 3]))
    #expect(socket.received == [1, 2, 3, 4, 5, 6])
  }

  @Test("a FIN beyond a hole is noted, and the turn ends")
  func finBeyondHole() throws {
    let guest = ScriptedGuest(Simulation(seed: 2))
    #expect(guest.open())
    let answers = guest.exchange(
      guest.segment([.ack, .fin], [4, 5, 6], sequence: guest.next &+ 3))
    #expect(answers.last?.header.acknowledgement == guest.next)
    guest.exchange(guest.segment(.ack, [1, 2, 3]))
    let socket = try #require(guest.socket)
    #expect(socket.received == [1, 2, 3, 4, 5, 6] && socket.isShut)
  }

  @Test("a window below the segment size is used, not waited for")
  func smallWindow() throws {
    let guest = ScriptedGuest(Simulation(seed: 3, mtu: 65520))
    #expect(guest.open(mss: 65480, scale: 0, window: 30_000))
    let socket = try #require(guest.socket)
    socket.incoming = pattern(50_000, seed: 1)
    guest.poll()
    let first = guest.answers().reduce(0) { $0 + $1.payload.count }
    #expect(first == 30_000)
    guest.acknowledged &+= UInt32(first)
    // Less than half of the largest window, and all that the guest will ever offer.
    let second = guest.exchange(guest.segment(.ack, window: 14_000))
    #expect(second.reduce(0) { $0 + $1.payload.count } == 14_000)
  }

  @Test("a guest that takes back what it reported gets it again (RFC 2018 §8)")
  func reneging() throws {
    let simulation = Simulation(seed: 4)
    let guest = ScriptedGuest(simulation)
    #expect(guest.open(mss: 1000))
    let socket = try #require(guest.socket)
    socket.incoming = pattern(3000, seed: 1)
    guest.poll()
    #expect(guest.answers().reduce(0) { $0 + $1.payload.count } == 3000)
    var options = TCPOptions()
    options.sackBlocks.append(
      SACKBlock(start: guest.acknowledged &+ 1000, end: guest.acknowledged &+ 3000))
    guest.exchange(guest.segment(.ack, options: options))
    // The first segment came, and the rest was thrown away.
    guest.acknowledged &+= 1000
    guest.exchange(guest.segment(.ack))
    var again: [Frames.Segment] = []
    for _ in 0..<40 where again.isEmpty {
      simulation.wait(100_000_000)
      again = simulation.seen.compactMap {
        Frames.tcp(in: $0, to: guest.local, from: guest.remote)
      }.filter { $0.header.sequence == guest.acknowledged && !$0.payload.isEmpty }
    }
    #expect(!again.isEmpty)
  }

  @Test("a guest without an address has no connections")
  func unspecifiedSource() {
    let simulation = Simulation(seed: 5)
    let guest = ScriptedGuest(simulation)
    simulation.deliver([guest.segment(.syn, source: .anyV4)])
    #expect(simulation.kernel.sockets.isEmpty)
    #expect(simulation.stack.tcp.flowCount == 0)
  }

  @Test("segments of any kind at the edges of the window: no trap, and the stream stays right")
  func edges() throws {
    for seed in UInt64(0)..<12 {
      let simulation = Simulation(seed: seed)
      let guest = ScriptedGuest(simulation, iss: UInt32(truncatingIfNeeded: seed &* 0x3331_7771))
      #expect(guest.open(sack: seed % 2 == 0))
      let socket = try #require(guest.socket)
      var random = SeededGenerator(seed: seed)
      let stream = pattern(1 << 18, seed: 77)
      let start = guest.next
      socket.incoming = pattern(100_000, seed: 78)
      for round in 0..<300 {
        var frames: [[UInt8]] = []
        for _ in 0..<Int.random(in: 1...8, using: &random) {
          frames.append(randomSegment(guest, stream, start, &random))
        }
        socket.sendRoom = Int.random(in: 0...3000, using: &random)
        simulation.deliver(frames)
        guest.poll()
        simulation.host.now += UInt64.random(in: 0...50, using: &random) * 1_000_000
        simulation.wait(1)
        if simulation.stack.tcp.flowCount == 0 { break }
        if round % 50 == 0 { #expect(stream.starts(with: socket.received)) }
        #expect(simulation.stack.chunks.used <= 64)
      }
      #expect(stream.starts(with: socket.received))
      simulation.stack.portDown(Simulation.port)
      #expect(simulation.stack.tcp.flowCount == 0 && simulation.stack.chunks.used == 0)
      #expect(simulation.kernel.openCount == 0 && simulation.host.watches.isEmpty)
      #expect(simulation.stack.core.timers.count <= 1)
    }
  }

  /// The data is that of the stream at this position, so that any accepted data is right.
  private func randomSegment(
    _ guest: ScriptedGuest, _ stream: [UInt8], _ start: UInt32, _ random: inout SeededGenerator
  ) -> [UInt8] {
    let offset =
      Int.random(in: 0...(1 << 16), using: &random) >> Int.random(in: 0...16, using: &random)
    let count = Bool.random(using: &random) ? 0 : Int.random(in: 0...1460, using: &random)
    var flags: TCPFlags = .ack
    if Int.random(in: 0..<40, using: &random) == 0 { flags.insert(.syn) }
    if Int.random(in: 0..<200, using: &random) == 0 { flags.insert(.rst) }
    if Int.random(in: 0..<40, using: &random) == 0 { flags.remove(.ack) }
    var sequence = start &+ UInt32(offset)
    var payload = Array(stream[offset..<offset + count])
    if Int.random(in: 0..<30, using: &random) == 0 {
      // Nowhere near the window, or just before it.
      sequence = Bool.random(using: &random) ? random.value() : start &- 1
      payload = []
    }
    var options = TCPOptions()
    for _ in 0..<Int.random(in: 0...3, using: &random) {
      let left = guest.acknowledged &+ UInt32.random(in: 0...100_000, using: &random)
      let length = UInt32.random(in: 0...10_000, using: &random)
      options.sackBlocks.append(SACKBlock(start: left, end: left &+ length))
    }
    let ack = guest.acknowledged &+ UInt32.random(in: 0...110_000, using: &random) &- 5000
    return guest.segment(
      flags, payload, sequence: sequence, acknowledgement: ack, window: random.value(),
      options: options)
  }
}
