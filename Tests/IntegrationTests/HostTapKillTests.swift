// SPDX-License-Identifier: Apache-2.0
//
// Daemon, network process and helper killed at random moments: the host is afterwards what it was, byte for byte. What is
// compared, and what is left out because it counts by itself, is in Fixtures/hoststate.py.
// LIMA_NETD_KILL_ROUNDS and LIMA_NETD_KILL_SEED set how often (8) and which moments; both are printed.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(30))) struct HostTapKillTests {
    private static func number(_ name: String) -> UInt64? {
      ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }

    @Test func `whatever is killed at whatever moment, the host is what it was`() throws {
      try require(.tap, .program("python3"), .program("nft"))
      let seed = Self.number("LIMA_NETD_KILL_SEED") ?? .random(in: 0...UInt64(UInt32.max))
      let rounds = Self.number("LIMA_NETD_KILL_ROUNDS") ?? 8
      print("LIMA_NETD_KILL_SEED=\(seed) LIMA_NETD_KILL_ROUNDS=\(rounds)")
      var dice = SeededGenerator(seed: seed)
      let scene = try HostTapScene(start: false)
      defer { scene.stop() }
      var before = ""
      // New interfaces take a second or two to be what they stay.
      #expect(
        try eventually {
          let earlier = before
          before = try state(scene)
          return earlier == before && !before.contains("tentative")
        })
      for round in 0..<rounds {
        let comment = Comment("seed \(seed), round \(round)")
        try playRound(scene, &dice, comment)
        // What a killed process held goes with it, in its own time.
        var after = ""
        let same = try eventually {
          after = try state(scene)
          return after == before
        }
        #expect(same, comment)
        guard same else {
          Issue.record("\(difference(before, after))")
          return
        }
      }
    }

    private func playRound(_ scene: HostTapScene, _ dice: inout SeededGenerator, _ comment: Comment)
      throws
    {
      try scene.daemon.start()
      let daemon = scene.daemon.processIdentifier
      let fixture = Installation.fixtures + "/helperkill.py"
      let way = Int.random(in: 0..<5, using: &dice)
      let moment = UInt32.random(in: 0..<400_000, using: &dice)
      var killer: RunningCommand?
      if way == 4 {
        // The daemon's own helper, while it runs.
        let words = ["own", "\(daemon)", "\(dice.next() >> 32)"]
        killer = try RunningCommand("python3", [fixture] + words)
        #expect(eventually { killer?.output.contains("looking") == true }, comment)
      }
      let guest = try scene.daemon.begin("exec", "shared", "--", "sleep", "60")
      // The moment is what is tried.
      usleep(moment)
      let process = way == 0 ? nil : try? scene.daemon.hostProcess(of: "shared")
      if way == 1 || way == 3, let process { kill(Int32(process), SIGKILL) }
      // As above, between the two.
      if way == 3 { usleep(UInt32.random(in: 0..<50_000, using: &dice)) }
      if way == 2 { kill(guest.process.processIdentifier, SIGKILL) }
      if way == 4 {
        let words =
          scene.host.wrapper + ["python3", fixture, "many", Installation.tapHelper]
          + ["\(dice.next() >> 32)", "25"]
        let many = try run(words[0], Array(words.dropFirst()))
        #expect(many.succeeded, "\(comment): \(many)")
        _ = killer?.wait(seconds: 10)
      }
      // The supervisor last: nobody is left who could clean up.
      kill(daemon, SIGKILL)
      kill(guest.process.processIdentifier, SIGKILL)
      #expect(eventually { scene.daemon.command?.process.isRunning == false }, comment)
    }

    private func state(_ scene: HostTapScene) throws -> String {
      let words = scene.host.wrapper + ["python3", Installation.fixtures + "/hoststate.py"]
      let result = try run(words[0], Array(words.dropFirst()))
      #expect(result.succeeded, "\(result)")
      return result.output
    }

    private func difference(_ before: String, _ after: String) -> String {
      let old = Set(before.split(separator: "\n")), new = Set(after.split(separator: "\n"))
      return "gone: \(old.subtracting(new).prefix(5)) new: \(new.subtracting(old).prefix(5))"
    }
  }
}
