// SPDX-License-Identifier: Apache-2.0

import LibC
import Testing
import Wire

@testable import NetStack

/// Complete connections through the engine, over links of all kinds.
@Suite(.timeLimit(.minutes(5)))
struct TCPTransferTests {
  /// The seeds: LIMA_NETD_SEEDS of them, or four; at most a hundred (TCPSimulationTests has more).
  static let seeds: [UInt64] = {
    let asked = getenv("LIMA_NETD_SEEDS").flatMap { UInt64(String(cString: $0)) } ?? 4
    return Array(1...max(1, min(asked, 100)))
  }()

  static func open(_ simulation: Simulation, seed: UInt64 = 1, isV4: Bool = true) -> Bool {
    var guest = GuestTCP(
      local: Endpoint(isV4 ? Simulation.guestAddress : Simulation.guestAddress6, port: 40000),
      remote: isV4 ? Simulation.server : Simulation.server6,
      iss: UInt32(truncatingIfNeeded: seed &* 0x9E37_79B9))
    guest.connect(now: simulation.host.now)
    simulation.guests = [guest]
    return simulation.run(until: { $0.guests[0].state == .open })
  }

  @Test func `a connection opens, carries bytes both ways, and closes`() throws {
    let simulation = Simulation(seed: 1)
    #expect(Self.open(simulation))
    let socket = try #require(simulation.socket)
    #expect(socket.target == Simulation.server)
    #expect(socket.noDelay)
    simulation.guests[0].out = Array("GET /".utf8)
    simulation.guests[0].finishes = true
    simulation.guests[0].pump(now: simulation.host.now)
    socket.incoming = Array("hello".utf8)
    #expect(simulation.run(until: { _ in socket.isShut }))
    #expect(socket.received == Array("GET /".utf8))
    socket.isIncomingOver = true
    #expect(simulation.run(until: { $0.guests[0].peerFinished && $0.guests[0].finAcked }))
    #expect(simulation.guests[0].received == Array("hello".utf8))
    #expect(simulation.run(until: { $0.stack.tcp.flowCount == 0 }))
    #expect(socket.isClosed && !socket.wasReset)
    #expect(simulation.stack.chunks.used == 0)
  }

  @Test(arguments: [LinkWeather.fair, .bad, .storm], seeds)
  func `every byte arrives once and in order`(weather: LinkWeather, seed: UInt64) throws {
    let simulation = Simulation(seed: seed, weather: weather)
    guard Self.open(simulation, seed: seed) else {
      Issue.record("no connection")
      return
    }
    let socket = try #require(simulation.socket)
    let up = pattern(150_000 + Int(seed) * 1000, seed: seed)
    let down = pattern(200_000 + Int(seed) * 777, seed: seed &+ 99)
    // The host's kernel takes little at a time, the application writes in pieces.
    socket.sendRoom = 3000
    var written = 0
    simulation.onStep = { simulation in
      socket.sendRoom = min(20000, socket.sendRoom + Int(simulation.random.next() % 9000))
      let piece = Int(simulation.random.next() % 20000)
      let end = min(down.count, written + piece)
      socket.incoming += down[written..<end]
      written = end
      if written == down.count { socket.isIncomingOver = true }
    }
    simulation.guests[0].sack = seed % 3 != 0
    simulation.guests[0].out = up
    simulation.guests[0].finishes = true
    simulation.guests[0].pump(now: simulation.host.now)
    let done = simulation.run(for: 600_000_000_000) {
      $0.guests[0].peerFinished && $0.guests[0].finAcked && socket.isShut
    }
    #expect(done)
    #expect(socket.received == up)
    #expect(simulation.guests[0].received == down)
    #expect(simulation.guests[0].badChecksums == 0)
    #expect(!socket.wasReset)
    simulation.run { $0.stack.tcp.flowCount == 0 }
    #expect(simulation.stack.tcp.flowCount == 0)
    #expect(simulation.kernel.openCount == 0)
    #expect(simulation.stack.chunks.used == 0)
    #expect(simulation.host.watches.isEmpty)
  }
}
