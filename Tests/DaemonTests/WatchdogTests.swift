// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Daemon

/// What a watchdog makes of looks that come each second.
@Suite(.timeLimit(.minutes(5))) struct WatchdogTests {
  private struct Scene {
    var dog = Watchdog()
    var now: UInt64 = 1_000_000_000
    var runTime: UInt64 = 0
    var faults: UInt64 = 0

    /// - Parameters:
    ///   - beat: of the loop; even: it waits.
    ///   - seconds: since the look before.
    ///   - cpu: milliseconds that the thread got meanwhile.
    mutating func look(
      _ beat: UInt64, state: Character? = nil, unread: Bool = false, after seconds: Double = 1,
      cpu: UInt64 = 0
    ) {
      now += UInt64(seconds * 1e9)
      runTime += cpu * 1_000_000
      var look = ProcessLook(now: now, beat: beat, unread: unread)
      look.thread = state.map { .init(state: $0, runTime: runTime, majorFaults: faults) }
      dog.look(look)
    }
  }

  private static let second: UInt64 = 1_000_000_000

  @Test func `a callback that does not return hangs as long as it is seen not to`() {
    var scene = Scene()
    for _ in 0...3 { scene.look(7, state: "S") }
    #expect(scene.dog.hungTime == 3 * Self.second)
    #expect(scene.dog.silence == 3 * Self.second)
    scene.look(8)
    #expect(scene.dog.hungTime == 0 && scene.dog.silence == nil)
  }

  @Test func `a loop that waits with nothing to do is at rest however long`() {
    var scene = Scene()
    for _ in 0...60 { scene.look(8) }
    #expect(scene.dog.hungTime == 0)
    // A request that has just been sent is not late.
    scene.look(8, state: "S", unread: true)
    #expect(scene.dog.hungTime == 0)
    scene.look(8, state: "S", unread: true)
    #expect(scene.dog.hungTime == Self.second)
  }

  @Test func `a process that was stopped while it was at rest hangs`() {
    var scene = Scene()
    for _ in 0...5 { scene.look(8, state: "T") }
    #expect(scene.dog.hungTime == 5 * Self.second)
    #expect(scene.dog.cause == .stopped)
  }

  @Test func `time in which the daemon itself stood still counts as one look`() {
    var scene = Scene()
    scene.look(7, state: "S")
    scene.look(7, state: "S", after: 3600)
    #expect(scene.dog.hungTime == Self.second)
  }

  @Test func `a busy loop is judged by the processor time that it gets`() {
    var starved = Scene()
    for _ in 0...60 { starved.look(7, state: "R", cpu: 10) }
    #expect(starved.dog.hungTime == 60 * 40_000_000)
    #expect(starved.dog.cause == .starved)
    var spinning = Scene()
    for _ in 0...10 { spinning.look(7, state: "R", cpu: 990) }
    #expect(spinning.dog.hungTime == 10 * Self.second)
    #expect(spinning.dog.cause == .busy)
  }

  @Test func `waiting for memory and a debugger do not count`() {
    var swapped = Scene()
    for _ in 0...20 {
      swapped.faults += 3
      swapped.look(7, state: "D")
    }
    #expect(swapped.dog.hungTime == 0)
    var traced = Scene()
    for _ in 0...20 { traced.look(7, state: "t") }
    #expect(traced.dog.hungTime == 0 && traced.dog.silence == 20 * Self.second)
    #expect(traced.dog.cause == .traced)
  }

  @Test func `a process without a heartbeat is left alone`() {
    var scene = Scene()
    for _ in 0...20 { scene.look(0, state: "S", unread: true) }
    #expect(scene.dog.hungTime == 0)
  }

  @Test(arguments: [("30", 30), ("off", nil), ("false", nil), ("~", 10)] as [(String, Int?)])
  func `watchdog is a number of seconds or off`(text: String, seconds: Int?) throws {
    let yaml = "networks:\n  lab:\n    mode: slirp\n    watchdog: \(text)\n"
    let configuration = try ConfigDecoder.decode(
      Array(yaml.utf8), file: "networks.yaml", homeDirectory: "/h")
    #expect(configuration.networks.first { $0.name == "lab" }?.watchdog == seconds)
  }

  @Test(arguments: ["1", "3601", "soon", "[]"])
  func `another watchdog is refused at its place`(text: String) {
    let yaml = "networks:\n  lab:\n    mode: slirp\n    watchdog: \(text)\n"
    #expect {
      try ConfigDecoder.decode(
        Array(yaml.utf8), file: "networks.yaml", homeDirectory: "/h")
    } throws: {
      "\($0)".contains("networks.yaml:4:15") && "\($0)".contains("from 2 to 3600, or off")
    }
  }
}
