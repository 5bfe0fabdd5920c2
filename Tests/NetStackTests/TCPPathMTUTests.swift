// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import NetStack

/// A guest that is a router to links with smaller MTUs (RFC 1191).
@Suite(.timeLimit(.minutes(5)))
struct TCPPathMTUTests {
  /// An ICMP message from the guest about a packet sent to it.
  private func fragmentationNeeded(about frame: [UInt8], mtu: UInt32) -> [UInt8] {
    let quoted = Array(frame[14..<42])
    let message = quoted.withByteView { view in
      [UInt8](capacity: 8) {
        ICMPHeader(
          type: ICMPv4Type.destinationUnreachable, code: ICMPv4Unreachable.fragmentationNeeded,
          rest: mtu
        ).emit(into: $0, payload: view)
      }
    }
    return Frames.ipv4(
      proto: IPProtocol.icmp, transport: message + quoted, source: Simulation.guestAddress,
      destination: Simulation.server.address)
  }

  @Test func `segments become as small as a router behind the guest wants them`() throws {
    let simulation = Simulation(seed: 3)
    #expect(TCPTransferTests.open(simulation))
    let socket = try #require(simulation.socket)
    let sent = pattern(1_000_000, seed: 9)
    socket.incoming = sent
    var told = 0
    simulation.onStep = { simulation in
      guard told == 0, let long = simulation.seen.first(where: { $0.count > 1014 }) else { return }
      told = simulation.seen.count
      simulation.deliver([fragmentationNeeded(about: long, mtu: 1000)])
    }
    #expect(simulation.run(until: { $0.guests[0].received.count == sent.count }))
    #expect(simulation.guests[0].received == sent)
    #expect(told > 0 && simulation.seen.count > told + 100)
    // What was on its way already has the old size.
    let later = simulation.seen.dropFirst(told + 64)
    #expect(later.allSatisfy { $0.count <= 14 + 1000 }, "\(later.map(\.count).max() ?? 0)")
  }

  @Test func `a message about bytes that are not on their way is not believed`() throws {
    let simulation = Simulation(seed: 4)
    #expect(TCPTransferTests.open(simulation))
    let socket = try #require(simulation.socket)
    socket.incoming = pattern(20_000, seed: 9)
    #expect(simulation.run(until: { $0.guests[0].received.count == 20_000 }))
    simulation.wait(1_000_000_000)
    let long = try #require(simulation.seen.first { $0.count > 1014 })
    simulation.deliver([fragmentationNeeded(about: long, mtu: 1000)])
    let before = simulation.seen.count
    socket.incoming += pattern(20_000, seed: 10)
    #expect(simulation.run(until: { $0.guests[0].received.count == 40_000 }))
    #expect(simulation.seen.dropFirst(before).contains { $0.count > 1014 })
  }

  @Test func `no router has links as narrow as an attacker's`() throws {
    let simulation = Simulation(seed: 5)
    #expect(TCPTransferTests.open(simulation))
    let socket = try #require(simulation.socket)
    socket.incoming = pattern(100_000, seed: 9)
    var told = false
    simulation.onStep = { simulation in
      guard !told, let long = simulation.seen.first(where: { $0.count > 1014 }) else { return }
      told = true
      simulation.deliver([fragmentationNeeded(about: long, mtu: 1)])
    }
    #expect(simulation.run(until: { $0.guests[0].received.count == 100_000 }))
    #expect(told && simulation.seen.contains { $0.count == 14 + 552 })
  }
}
