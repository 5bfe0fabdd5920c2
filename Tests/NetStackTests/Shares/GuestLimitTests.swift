// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import NetStack

/// Limits of a guest's new flows per second and of its connections.
@Suite(.timeLimit(.minutes(1)))
struct GuestLimitTests {
  private func scene(_ limits: GuestLimits, datagrams: Bool = false) -> CrowdScene {
    CrowdScene(guests: 2, datagrams: datagrams) { $0.limits = limits }
  }

  @Test func `flows beyond the limit of a second do not begin, and others' do`() {
    let scene = scene(GuestLimits(newFlowsPerSecond: 10))
    for port in UInt16(0)..<15 {
      scene.send(1, scene.syn(1, port: 1000 + port))
      scene.turn(after: 2_000_000)
    }
    #expect(scene.share(1).flows == 10 && scene.share(1).counters.flowsLimited == 5)
    scene.send(2, scene.syn(2, port: 1))
    #expect(scene.share(2).flows == 1)
    // A tenth of a second is worth one.
    scene.turn(after: 100_000_000)
    scene.send(1, scene.syn(1, port: 3000))
    #expect(scene.share(1).flows == 11)
  }

  @Test
  func `another connection than a guest may have is reset, and one that has ended makes room`() {
    let scene = scene(GuestLimits(connections: 3))
    for port in UInt16(0)..<5 { scene.send(1, scene.syn(1, port: 1000 + port)) }
    #expect(scene.share(1).flows == 3 && scene.share(1).counters.connectionsLimited == 2)
    #expect(scene.share(1).begunConnections == 3)
    scene.send(2, scene.syn(2, port: 1))
    #expect(scene.share(2).flows == 1)
    scene.stack.tcp.forEachFlow { scene.stack.tcp.resetGuest($0) }
    scene.stack.endOfIteration()
    #expect(scene.share(1).begunConnections == 0)
    scene.send(1, scene.syn(1, port: 4000))
    #expect(scene.share(1).begunConnections == 1)
  }

  @Test func `of UDP ports beyond the limit the guest's own oldest makes room`() {
    let scene = scene(GuestLimits(connections: 3), datagrams: true)
    scene.send(2, scene.udp(2, port: 1))
    for port in UInt16(0)..<6 {
      scene.turn(after: 2_000_000)
      scene.send(1, scene.udp(1, port: 1000 + port))
    }
    #expect(scene.share(1).datagramFlows == 3 && scene.share(1).counters.connectionsLimited == 3)
    #expect(scene.share(2).datagramFlows == 1)
  }

  @Test func `limits that change hold from then on`() {
    let scene = scene(GuestLimits())
    for port in UInt16(0)..<10 { scene.send(1, scene.syn(1, port: 1000 + port)) }
    #expect(scene.share(1).flows == 10)
    scene.stack.setLimits(GuestLimits(newFlowsPerSecond: 2, connections: 12))
    scene.turn(after: 2_000_000)
    for port in UInt16(0)..<4 { scene.send(1, scene.syn(1, port: 2000 + port)) }
    #expect(scene.share(1).flows == 12 && scene.share(1).counters.flowsLimited == 2)
    scene.stack.setLimits(GuestLimits(connections: 12))
    scene.send(1, scene.syn(1, port: 3000))
    #expect(scene.share(1).flows == 12 && scene.share(1).counters.connectionsLimited == 1)
    scene.stack.setLimits(GuestLimits())
    scene.send(1, scene.syn(1, port: 3001))
    #expect(scene.share(1).flows == 13)
  }
}
