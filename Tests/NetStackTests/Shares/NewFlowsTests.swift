// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import NetStack

/// Many first packets of flows at once.
@Suite(.timeLimit(.minutes(1)))
struct NewFlowsTests {
  private func scene(_ guests: Int = 2, datagrams: Bool = false) -> CrowdScene {
    CrowdScene(guests: guests, datagrams: datagrams) { $0.newFlowsPerIteration = 16 }
  }

  @Test func `of a burst of SYNs a few begin at once, a few in each turn, and all in the end`() {
    let scene = scene()
    scene.send(1, (0..<100).map { scene.syn(1, port: 1000 + $0) })
    #expect(scene.stack.tcp.flowCount == 16)
    #expect(scene.share(1).waiting == 84)
    // Another guest's begins at once.
    scene.send(2, scene.syn(2, port: 1))
    #expect(scene.share(2).flows == 1)
    var turns = 0
    while scene.share(1).waiting > 0, turns < 10 {
      let before = scene.share(1).flows
      // What comes in the meantime is behind those that wait.
      scene.send(1, scene.syn(1, port: UInt16(2000 + turns)))
      #expect(scene.share(1).flows == before)
      scene.turn(after: 10)
      #expect(scene.share(1).flows <= before + 16)
      turns += 1
    }
    #expect(turns == 6)
    #expect(scene.share(1).flows == 106 && scene.share(1).counters.dropped == 0)
    scene.turn(after: 2_000_000)
    scene.send(1, scene.syn(1, port: 3000))
    #expect(scene.share(1).flows == 107)
  }

  @Test func `a flood keeps half of the places for those that wait free, and drops the rest`() {
    let scene = scene()
    for batch in UInt16(0)..<40 {
      scene.send(1, (0..<100).map { scene.syn(1, port: 1000 + batch * 100 + $0) })
    }
    #expect(scene.share(1).waiting == 512)
    #expect(scene.share(1).counters.dropped == 4000 - 16 - 512)
    scene.send(2, (0..<100).map { scene.syn(2, port: 1000 + $0) })
    #expect(scene.share(2).waiting == 84)
    // Both begin some in each turn.
    scene.turn(after: 10)
    #expect(scene.share(1).flows == 32 && scene.share(2).flows == 32)
  }

  @Test func `datagrams of a flow that waits stay in order`() {
    let scene = scene(datagrams: true)
    for port in UInt16(0)..<16 { scene.send(1, scene.udp(1, port: 1000 + port)) }
    for number in UInt8(1)...5 { scene.send(1, scene.udp(1, port: 9, [number])) }
    #expect(scene.datagrams.sent.count == 16)
    scene.turn(after: 10)
    #expect(scene.datagrams.sent[16...].map(\.payload) == [[1], [2], [3], [4], [5]])
    #expect(scene.share(1).waiting == 0)
  }

  @Test func `a guest that leaves takes its waiting packets along`() {
    let scene = scene()
    scene.send(1, (0..<100).map { scene.syn(1, port: 1000 + $0) })
    scene.stack.portDown(1)
    scene.turn(after: 10)
    #expect(scene.stack.tcp.flowCount == 0 && scene.stack.core.newFlows.count == 0)
    #expect(scene.kernel.openCount == 0)
  }

  @Test func `pings that begin many sockets at once wait, too`() {
    let scene = scene(datagrams: true)
    scene.send(1, (0..<40).map { scene.echo(1, $0) })
    #expect(scene.share(1).pings == 16)
    for _ in 0..<2 { scene.turn(after: 10) }
    #expect(scene.share(1).pings == 40)
  }
}
