// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import NetStack

/// A paused guest is not treated as congestion (RFC 5682, RFC 3708), and a loss is not treated as a pause.
@Suite(.timeLimit(.minutes(1)))
struct TCPSpuriousTimeoutTests {
  private let guest: ScriptedGuest
  private var engine: TCPEngine { guest.simulation.stack.tcp }

  /// A connection to a guest with a window of 20 segments, all of which are in flight when the guest is paused, and more
  /// data to send; the first was retransmitted after a timeout.
  init() throws {
    guest = ScriptedGuest(Simulation(seed: 1))
    #expect(guest.open(mss: 1000, scale: nil, window: 20_000))
    let socket = try #require(guest.socket)
    socket.incoming = [1]
    guest.poll()
    #expect(guest.answers().count == 1)
    guest.acknowledged &+= 1
    guest.simulation.host.now += 100_000
    guest.exchange(guest.segment(.ack))
    socket.incoming += pattern(60_000, seed: 1)
    for _ in 0..<8 { guest.poll() }
    try #require(guest.answers().count == 20)
    guest.simulation.wait(300_000_000)
    _ = guest.answers()
    try #require(engine.counters.timeouts == 1)
    #expect(flow?.sender.congestion.window == 1000)
  }

  private var flow: TCPFlow? {
    var found: TCPFlow?
    engine.forEachFlow { found = $0.pointee }
    return found
  }

  private func acknowledge(_ count: UInt32, _ options: TCPOptions = TCPOptions()) -> [UInt32] {
    let base = guest.acknowledged
    guest.acknowledged &+= count
    return guest.exchange(guest.segment(.ack, options: options))
      .filter { !$0.payload.isEmpty }.map { $0.header.sequence &- base }
  }

  @Test func `the first ACK lets new data out, the second shows that nothing was lost`() {
    // Not the second segment again, but the 21st.
    #expect(acknowledge(1000) == [20_000])
    #expect(engine.counters.spuriousTimeouts == 0)
    #expect(acknowledge(1000) == [20_000])
    #expect(engine.counters.spuriousTimeouts == 1)
    #expect(flow?.sender.congestion.window == FlowCongestion.unlimited)
    #expect(flow?.sender.flags.contains(.inLoss) == false)
  }

  @Test func `a duplicate ACK instead shows a loss, which is repaired from the hole on`() {
    #expect(acknowledge(1000) == [20_000])
    // The 21st arrived, the second did not.
    #expect(acknowledge(0).first == 0)
    #expect(engine.counters.spuriousTimeouts == 0)
    #expect(flow?.sender.flags.contains(.inLoss) == true)
    #expect((flow?.sender.congestion.window ?? 0) <= 3000)
  }

  @Test func `another timeout instead is a loss, too`() {
    #expect(acknowledge(1000) == [20_000])
    guest.simulation.wait(300_000_000)
    #expect(engine.counters.timeouts == 2)
    _ = acknowledge(1000)
    _ = acknowledge(1000)
    #expect(engine.counters.spuriousTimeouts == 0)
  }

  @Test func `a guest that acknowledges all at once tells by what it got twice`() {
    let first = guest.acknowledged
    _ = acknowledge(20_000)
    #expect(engine.counters.spuriousTimeouts == 0)
    #expect(flow?.sender.congestion.window != FlowCongestion.unlimited)
    var options = TCPOptions()
    options.sackBlocks.append(SACKBlock(start: first, end: first &+ 1000))
    _ = acknowledge(0, options)
    #expect(engine.counters.spuriousTimeouts == 1)
    #expect(flow?.sender.congestion.window == FlowCongestion.unlimited)
  }

  @Test func `what a guest got twice counts once, and nothing without a timeout`() {
    let first = guest.acknowledged
    var options = TCPOptions()
    options.sackBlocks.append(SACKBlock(start: first, end: first &+ 1000))
    _ = acknowledge(20_000)
    for _ in 0..<3 { _ = acknowledge(0, options) }
    #expect(engine.counters.spuriousTimeouts == 1)
  }
}
