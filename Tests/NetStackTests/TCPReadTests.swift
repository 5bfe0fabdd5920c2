// SPDX-License-Identifier: Apache-2.0
//
// The amount read from host sockets in one loop iteration.

import Testing

@testable import NetStack

@Suite(.timeLimit(.minutes(5)))
struct TCPReadTests {
  private static let chunk = ChunkPool.chunkSize

  /// Guests' connections with large windows, each with more to read than an iteration reads.
  private func opened(_ count: Int, seed: UInt64) throws -> [(ScriptedGuest, FakeKernel.Socket)] {
    let simulation = Simulation(seed: seed, mtu: 65520) { $0.sendBuffer = 3 << 20 }
    return try (0..<count).map { number in
      let guest = ScriptedGuest(simulation, port: UInt16(40000 + number))
      #expect(guest.open(mss: 65480, scale: 10))
      let socket = try #require(guest.socket)
      return (guest, socket)
    }
  }

  /// Lets the stack read once and the guests acknowledge; returns the bytes read from each.
  private func turn(_ flows: [(ScriptedGuest, FakeKernel.Socket)]) -> [Int] {
    let before = flows.map(\.1.incomingAt)
    let simulation = flows[0].0.simulation
    flows[0].0.poll()
    let frames = simulation.host.frames
    simulation.host.frames.removeAll()
    for (guest, _) in flows {
      for frame in frames {
        guard let segment = Frames.tcp(in: frame, to: guest.local, from: guest.remote) else {
          continue
        }
        guest.acknowledged = segment.header.sequence &+ UInt32(segment.payload.count)
      }
      simulation.deliver([guest.segment(.ack)])
    }
    simulation.host.frames.removeAll()
    return zip(flows, before).map { $0.1.incomingAt - $1 }
  }

  @Test func `one socket is read in ever larger pieces, up to the maximum`() throws {
    let flows = try opened(1, seed: 1)
    flows[0].1.incoming = pattern(8 << 20, seed: 1)
    let reads = (0..<7).map { _ in turn(flows)[0] / Self.chunk }
    #expect(reads == [1, 2, 4, 8, 16, 16, 16])
  }

  @Test func `many sockets share what is read in a turn`() throws {
    let flows = try opened(64, seed: 2)
    let bytes = pattern(1 << 20, seed: 2)
    for (_, socket) in flows { socket.incoming = bytes }
    for _ in 0..<4 { #expect(turn(flows).allSatisfy { $0 == Self.chunk }) }
    // Those of four get a quarter each.
    let four = Array(flows.prefix(4))
    for (_, socket) in flows.dropFirst(4) { socket.incomingAt = socket.incoming.count }
    for (_, socket) in four { socket.incoming += bytes + bytes }
    _ = turn(four)
    _ = turn(four)
    _ = turn(four)
    #expect(turn(four).allSatisfy { $0 == 8 * Self.chunk })
  }

  @Test func `after a short read as much is asked for again, not less`() throws {
    let flows = try opened(1, seed: 3)
    let socket = flows[0].1
    socket.incoming = pattern(7 * Self.chunk, seed: 3)
    #expect((0..<3).map { _ in turn(flows)[0] / Self.chunk } == [1, 2, 4])
    socket.incoming += pattern(3 * Self.chunk, seed: 4)
    #expect(turn(flows)[0] == 3 * Self.chunk)
    socket.incoming += pattern(9 * Self.chunk, seed: 5)
    #expect(turn(flows)[0] == 3 * Self.chunk)
    socket.incoming.removeLast(6 * Self.chunk - 1)
    #expect(turn(flows)[0] == 1)
    socket.incoming += pattern(9 * Self.chunk, seed: 6)
    #expect(turn(flows)[0] == Self.chunk)
  }
}
