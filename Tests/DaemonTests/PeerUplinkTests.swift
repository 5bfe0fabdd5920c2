// SPDX-License-Identifier: Apache-2.0
//
// The connection of a network to another daemon's, on a clock of the test's.

import HostProtocol
import Platform
import Testing

@testable import Daemon

@Suite(.timeLimit(.minutes(1))) struct PeerUplinkTests {
  /// A peer, a network's process, and what both saw.
  private final class Scene {
    let clock = FakeClock()
    /// What the next connects come to, the last one for ever; nil: a connection.
    var outcomes: [Int32?] = [nil]
    /// What the process says to the next ports.
    var refusals: [String?] = []
    var attempts = 0
    var open: Set<Int32> = []
    var ports: [UInt64] = []
    var lines: [String] = []
    private var ids: UInt64 = 0

    lazy var peer = PeerUplink(
      socket: "/run/peer",
      layers: PeerLayers(
        connect: { [unowned self] path throws(SystemError) in
          attempts += 1
          let outcome = outcomes.count > 1 ? outcomes.removeFirst() : outcomes[0]
          if let outcome { throw SystemError("connect", Errno(outcome), subject: path) }
          open.insert(Int32(attempts))
          return Int32(attempts)
        },
        close: { [unowned self] in open.remove($0) },
        now: { [unowned self] in clock.now },
        schedule: { [unowned self] in clock.schedule($0, $1) }),
      newID: { [unowned self] in
        ids += 1
        return ids
      },
      log: { [unowned self] _, line in lines.append(line) })

    func begin() {
      peer.begin { [unowned self] spec, fd, answer in
        #expect(spec.isUplink && spec.transport == .stream && open.contains(fd))
        ports.append(spec.id)
        answer(refusals.isEmpty ? nil : refusals.removeFirst())
      }
    }
  }

  private static let refused: Int32 = 111
  private static let missing: Int32 = 2

  @Test
  func `a peer that answers is a port of the process, and the descriptor is the process's alone`() {
    let scene = Scene()
    scene.begin()
    scene.begin()
    #expect(scene.ports == [1] && scene.open.isEmpty && scene.clock.pending.isEmpty)
    let report = scene.peer.report
    #expect(report.state == .connected && report.connections == 1 && report.lost == 0)
    #expect(report.since != nil && report.error == nil)
    #expect(scene.peer.owns(1) && !scene.peer.owns(2) && !scene.peer.owns(0))
  }

  @Test func `a peer that is not there is tried at intervals that double up to ten seconds`() {
    let scene = Scene()
    scene.outcomes = [Self.missing]
    scene.begin()
    var delays: [UInt64] = []
    for _ in 0..<12 {
      delays += scene.clock.pending
      scene.clock.step()
    }
    #expect(
      delays.map { $0 / 1_000_000 } == [
        0, 100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000, 10000, 10000,
      ])
    #expect(scene.attempts == 13 && scene.ports.isEmpty)
    #expect(scene.peer.report.state == .connecting)
    #expect(scene.peer.report.error == "there is no such socket: does its daemon run?")
    // The log says it once.
    #expect(scene.lines.count == 1, "\(scene.lines)")
  }

  @Test(
    arguments: [
      (2, "there is no such socket: does its daemon run?"),
      (111, "nobody listens there: does its daemon run?"),
      (11, "its daemon does not accept connections just now"),
      (13, "this user may not connect to it: it is the socket's group that may, or its owner"),
    ] as [(Int32, String)])
  func `why there is no connection is told in words`(errno: Int32, words: String) {
    let scene = Scene()
    scene.outcomes = [errno]
    scene.begin()
    #expect(scene.peer.report.error == words)
  }

  @Test
  func
    `a connection that ends is made again, at once after a long life and later after short ones`()
  {
    let scene = Scene()
    scene.begin()
    scene.clock.pass(60 * FakeClock.second)
    scene.peer.lost(1, "the peer sent a frame length of 4294967295")
    #expect(scene.peer.report.state == .connecting && scene.clock.pending == [0])
    #expect(scene.peer.report.error?.contains("4294967295") == true)
    scene.clock.step()
    #expect(scene.ports == [1, 2] && scene.peer.report.state == .connected)
    var delays: [UInt64] = []
    for port in UInt64(2)...6 {
      scene.peer.lost(port, "the peer closed its connection")
      delays += scene.clock.pending
      scene.clock.step()
    }
    #expect(delays.map { $0 / 1_000_000 } == [100, 200, 400, 800, 1600])
    #expect(scene.peer.report.connections == 7 && scene.peer.report.lost == 6)
    #expect(scene.open.isEmpty)
  }

  @Test func `what is said of another port or said twice changes nothing`() {
    let scene = Scene()
    scene.begin()
    scene.peer.lost(9, "not ours")
    scene.peer.lost(0, "nobody's")
    #expect(scene.peer.report.state == .connected)
    scene.peer.lost(1, "gone")
    scene.peer.lost(1, "gone")
    #expect(scene.peer.report.lost == 1 && scene.clock.pending.count == 1)
  }

  @Test func `a port that the process refuses is no connection, and is offered again`() {
    let scene = Scene()
    scene.refusals = ["the switch has no port left"]
    scene.begin()
    #expect(scene.peer.report.state == .connecting && scene.peer.report.connections == 0)
    #expect(scene.peer.report.error == "the switch has no port left" && scene.open.isEmpty)
    scene.clock.step()
    #expect(scene.peer.report.state == .connected && scene.ports == [1, 2])
  }

  @Test func `nothing is tried while the network rests, and all begins anew with its next process`()
  {
    let scene = Scene()
    scene.outcomes = [Self.refused, Self.refused, Self.refused, nil]
    scene.begin()
    scene.clock.step()
    scene.peer.rest()
    #expect(scene.clock.pending.isEmpty)
    scene.clock.pass(100 * FakeClock.second)
    #expect(scene.attempts == 2)
    scene.begin()
    #expect(scene.attempts == 3 && scene.clock.pending == [0])
    scene.clock.step()
    #expect(scene.peer.report.state == .connected)
    scene.peer.rest()
    scene.peer.lost(1, "its process is gone")
    #expect(scene.peer.report.state == .connecting && scene.clock.pending.isEmpty)
  }
}
