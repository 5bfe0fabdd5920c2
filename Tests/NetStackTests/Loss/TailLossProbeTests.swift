// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import NetStack

/// RFC 8985 §7.
@Suite(.timeLimit(.minutes(1)))
struct TailLossProbeTests {
  private func block(_ start: UInt32, _ end: UInt32) -> SACKBlock {
    SACKBlock(start: start, end: end)
  }

  @Test func `§7.2: two round trips, and an ACK's delay when one segment is under way`() {
    #expect(
      TailLossProbe.timeout(roundTrip: 60_000, wasLossy: true, isSingle: false) == 120_000_000)
    #expect(TailLossProbe.timeout(roundTrip: 60_000, wasLossy: true, isSingle: true) == 170_000_000)
  }

  @Test func `§7.2: never so soon that an ACK may still be held back`() {
    #expect(TailLossProbe.timeout(roundTrip: 100, wasLossy: false, isSingle: false) == 50_000_000)
    #expect(TailLossProbe.timeout(roundTrip: 100, wasLossy: true, isSingle: false) == 10_000_000)
  }

  @Test func `§7.2: a single segment's ACK is waited for as long as Linux holds it back`() {
    for wasLossy in [false, true] {
      #expect(
        TailLossProbe.timeout(roundTrip: 100, wasLossy: wasLossy, isSingle: true) == 50_200_000)
    }
  }

  @Test func `§7.4.2: nothing is said before the probe is acknowledged`() {
    var probe = TailLossProbe()
    probe.sent(end: 5000, isRetransmission: true)
    #expect(probe.answer(4999, isBareDuplicate: false, twice: nil) == .none)
    #expect(probe.answer(4000, isBareDuplicate: true, twice: block(1000, 2000)) == .none)
  }

  @Test func `§7.4.2: a probe of new data is delivered, and that is all`() {
    var probe = TailLossProbe()
    probe.sent(end: 5000, isRetransmission: false)
    #expect(probe.answer(5000, isBareDuplicate: false, twice: nil) == .delivered)
  }

  @Test func `§7.4.2, case 1: the guest got it twice, so nothing was lost`() {
    var probe = TailLossProbe()
    probe.sent(end: 5000, isRetransmission: true)
    #expect(probe.answer(5000, isBareDuplicate: false, twice: block(4000, 5000)) == .delivered)
    // Something else that it got twice says nothing of the probe.
    #expect(probe.answer(5000, isBareDuplicate: false, twice: block(3000, 4000)) == .none)
    #expect(!probe.isAnswered(by: nil))
  }

  @Test func `§7.4.2, case 2: more is acknowledged, so the probe has repaired a loss`() {
    var probe = TailLossProbe()
    probe.sent(end: 5000, isRetransmission: true)
    #expect(probe.answer(5000, isBareDuplicate: false, twice: nil) == .none)
    #expect(probe.answer(6000, isBareDuplicate: false, twice: nil) == .repaired)
  }

  @Test func `§7.4.2, case 3: a duplicate ACK without SACK is of the segment or of the probe`() {
    var probe = TailLossProbe()
    probe.sent(end: 5000, isRetransmission: true)
    #expect(probe.answer(5000, isBareDuplicate: true, twice: nil) == .delivered)
  }
}
