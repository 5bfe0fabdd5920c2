// SPDX-License-Identifier: Apache-2.0
//
// How long exec and attach stay for what was written last.

#if os(Linux)

  import Platform
  import Testing

  @testable import lima_netd

  @Suite(.timeLimit(.minutes(1))) struct UnsentBytesTests {
    private static let second: UInt64 = 1_000_000_000

    private func connection(
      _ cookie: UInt64 = 1, unsent: UInt32, acknowledged: UInt64? = 0, orphan: Bool = true,
      local: Bool = false
    ) -> TCPConnectionInfo {
      TCPConnectionInfo(
        cookie: cookie, unacknowledged: unsent, acknowledged: acknowledged, isOrphan: orphan,
        isLocal: local, remote: "192.168.5.2:80")
    }

    @Test func nothingUnsentIsNoWait() {
      var unsent = UnsentBytes([], now: 0)
      #expect(unsent.look([], hasPackets: false, now: 0) == .done)
    }

    @Test func anOrphanIsWaitedForUntilItsPeerHasAllAndTheUserIsToldOnce() {
      var unsent = UnsentBytes([connection(unsent: 5_234_000)], now: 0)
      #expect(
        unsent.look([connection(unsent: 5_234_000)], hasPackets: false, now: Self.second - 1)
          == .wait)
      #expect(
        unsent.look([connection(unsent: 5_234_000)], hasPackets: false, now: Self.second)
          == .tell("5.2 MB to 192.168.5.2:80"))
      #expect(
        unsent.look([connection(unsent: 1)], hasPackets: false, now: 2 * Self.second) == .wait)
      #expect(unsent.look([], hasPackets: false, now: 3 * Self.second) == .done)
    }

    @Test func withoutProgressTheWaitIsBounded() {
      var unsent = UnsentBytes([connection(unsent: 900)], now: 0)
      var verdicts: [UnsentBytes.Verdict] = []
      for step in 0...40 {
        // A little is taken after ten seconds, and then nothing any more.
        let left: UInt32 = step < 10 ? 900 : 800
        verdicts.append(
          unsent.look(
            [connection(unsent: left)], hasPackets: false, now: UInt64(step) * Self.second))
      }
      #expect(verdicts.firstIndex(of: .giveUp("800 bytes to 192.168.5.2:80")) == 40)
    }

    @Test func withProgressForEverTheWaitIsBoundedToo() {
      var unsent = UnsentBytes([connection(unsent: 1_000_000)], now: 0)
      var gaveUp = false
      for step in 0..<700 where !gaveUp {
        let left = UInt32(1_000_000 - step)
        if case .giveUp = unsent.look(
          [connection(unsent: left)], hasPackets: false, now: UInt64(step) * Self.second)
        {
          gaveUp = true
          #expect(step == 600)
        }
      }
      #expect(gaveUp)
    }

    @Test func aProgramInTheBackgroundIsWaitedForOnlyAsFarAsItHadWritten() {
      let before = connection(unsent: 1000, acknowledged: 5000, orphan: false)
      var unsent = UnsentBytes([before], now: 0)
      #expect(
        unsent.look(
          [connection(unsent: 70_000, acknowledged: 5999, orphan: false)], hasPackets: false,
          now: 1) == .wait)
      #expect(
        unsent.look(
          [connection(unsent: 70_000, acknowledged: 6000, orphan: false)], hasPackets: false,
          now: 2) == .done)
    }

    @Test func whatCameLaterIsNotWaitedFor() {
      var unsent = UnsentBytes([], now: 0)
      #expect(unsent.look([connection(unsent: 9)], hasPackets: false, now: 1) == .done)
    }

    @Test func connectionsWithinTheNamespaceAreNotWaitedFor() {
      let inside = connection(unsent: 9, local: true)
      var unsent = UnsentBytes([inside], now: 0)
      #expect(unsent.look([inside], hasPackets: false, now: 1) == .done)
    }

    @Test func whoIsInterruptedWaitsForOrphansAndNotForLong() {
      let held = connection(1, unsent: 9, orphan: false)
      let orphan = connection(2, unsent: 9)
      var unsent = UnsentBytes([held, orphan], orphansOnly: true, limits: .interrupted, now: 0)
      #expect(unsent.look([held, orphan], hasPackets: false, now: 1) == .wait)
      #expect(unsent.look([held], hasPackets: false, now: 2) == .done)
      unsent = UnsentBytes([held, orphan], orphansOnly: true, limits: .interrupted, now: 0)
      #expect(
        unsent.look([held, orphan], hasPackets: false, now: 3 * Self.second)
          == .giveUp("9 bytes to 192.168.5.2:80"))
    }

    @Test func packetsAreWaitedForASecondAtMost() {
      var unsent = UnsentBytes([], now: 0)
      #expect(unsent.look([], hasPackets: true, now: 0) == .wait)
      #expect(unsent.look([], hasPackets: true, now: Self.second - 1) == .wait)
      #expect(unsent.look([], hasPackets: true, now: Self.second) == .done)
    }

    @Test func aKernelThatDoesNotCountIsBelievedAsFarAsItGoes() {
      let held = connection(unsent: 9, acknowledged: nil, orphan: false)
      var unsent = UnsentBytes([held], now: 0)
      #expect(unsent.look([held], hasPackets: false, now: 1) == .wait)
      #expect(unsent.look([], hasPackets: false, now: 2) == .done)
    }

    @Test(arguments: [
      (1, "1 byte"), (2, "2 bytes"), (999, "999 bytes"), (1000, "1 kB"), (999_999, "999 kB"),
      (1_000_000, "1.0 MB"), (5_234_000, "5.2 MB"),
    ])
    func amountsAreTold(bytes: UInt64, text: String) {
      #expect(UnsentBytes.text(bytes) == text)
    }
  }

#endif
