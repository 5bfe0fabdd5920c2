// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import NetStack

/// A connection's congestion control behaves exactly as the configured algorithm.
@Suite(.timeLimit(.minutes(1)))
struct FlowCongestionTests {
  private func path(at milliseconds: UInt64) -> CongestionPath {
    CongestionPath(
      segmentSize: 1000, buffer: 2 << 20, roundTrip: 1000, now: (1000 + milliseconds) * 1_000_000)
  }

  /// Applies the same events; returns windows and thresholds after each.
  private func run(_ control: inout some CongestionControl) -> [UInt32] {
    var states: [UInt32] = []
    func note() { states += [control.window, control.threshold] }
    note()
    control.congested(flight: 400_000, path(at: 0))
    note()
    for step in 1...200 as ClosedRange<UInt64> {
      control.acknowledged(10_000, isAfterTimeout: false, path(at: step * 20))
      note()
    }
    control.congested(flight: 300_000, path(at: 5000))
    control.timedOut(path(at: 5000))
    note()
    control.acknowledged(10_000, isAfterTimeout: true, path(at: 5200))
    note()
    control.allow(7000)
    note()
    control.restore(200_000)
    note()
    control.acknowledged(10_000, isAfterTimeout: false, path(at: 5300))
    note()
    control.restart(path(at: 6000))
    note()
    return states
  }

  @Test func `each algorithm is the one by its name`() {
    var reno = NewReno()
    var cubic = CUBIC()
    var first = FlowCongestion(.newReno)
    var second = FlowCongestion(.cubic)
    let (asReno, asCubic) = (run(&first), run(&second))
    #expect(asReno == run(&reno))
    #expect(asCubic == run(&cubic))
    #expect(asReno != asCubic)
  }

  @Test func `what each segment asks lies in front, and the whole is half a cache line`() {
    #expect(MemoryLayout<FlowCongestion>.offset(of: \.window) == 0)
    #expect(MemoryLayout<FlowCongestion>.size <= 32)
  }

  @Test(arguments: CongestionAlgorithm.allCases)
  func `connections have the algorithm of the stack's configuration`(
    algorithm: CongestionAlgorithm
  ) throws {
    let guest = ScriptedGuest(Simulation(seed: 1) { $0.congestion = algorithm })
    #expect(guest.open(mss: 1000))
    try #require(guest.socket).incoming = pattern(20_000, seed: 1)
    for _ in 0..<8 { guest.poll() }
    #expect(guest.answers().count == 20)
    var options = TCPOptions()
    options.sackBlocks.append(
      SACKBlock(start: guest.acknowledged &+ 1000, end: guest.acknowledged &+ 5000))
    guest.exchange(guest.segment(.ack, options: options))
    var window: UInt32 = 0
    guest.simulation.stack.tcp.forEachFlow { window = $0.pointee.sender.congestion.window }
    // Half of what was under way, or seven tenths.
    #expect(window == (algorithm == .cubic ? 14_000 : 10_000))
  }
}
