// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Platform

@Suite("Other processes", .serialized, .timeLimit(.minutes(1)))
struct OtherProcessTests {
  @Test func `what has ended is not alive, though nobody has asked for its status yet`() throws {
    let pid = try ChildProcess.spawn("/bin/sleep", ["60"])
    #expect(OtherProcess.isAlive(pid))
    ChildProcess.kill(pid, 9)
    let deadline = MonotonicClock.now() &+ 20_000_000_000
    while OtherProcess.isAlive(pid), MonotonicClock.now() < deadline {}
    #expect(!OtherProcess.isAlive(pid) && OtherProcess.isEnding(pid))
    #expect(!OtherProcess.isEnding(CurrentProcess.id) && !OtherProcess.isEnding(0))
    #expect(try ChildProcess.wait(pid) == .killed(signal: 9, coreDumped: false))
    #expect(!OtherProcess.isAlive(pid))
    #expect(OtherProcess.isAlive(CurrentProcess.id) && !OtherProcess.isAlive(0))
  }
}
