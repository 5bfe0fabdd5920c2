// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import NetStack

/// The sending half, without engine, store and clock.
@Suite(.timeLimit(.minutes(1)))
struct TCPSenderTests {
  private static let millisecond: UInt64 = 1_000_000
  private static let start: UInt32 = 0xffff_f000

  private func path(at milliseconds: UInt64 = 0) -> CongestionPath {
    CongestionPath(
      segmentSize: 1000, buffer: 2 << 20, now: (1000 + milliseconds) * Self.millisecond)
  }

  /// A sender with `count` bytes to send and a window of 20 segments, across the wrap of sequence numbers.
  private func sender(_ count: UInt32, window: UInt32 = 20_000) -> TCPSender {
    var sender = TCPSender()
    sender.begin(at: Self.start)
    sender.segmentSize = 1000
    sender.flags = .sackPermitted
    sender.setWindow(window, sequence: 1, acknowledgement: Self.start &+ 1)
    sender.synAcknowledged(Self.start &+ 1)
    sender.end = sender.next &+ count
    return sender
  }

  /// Sends what the windows allow, in segments; returns the number of bytes.
  @discardableResult
  private func send(_ sender: inout TCPSender, at milliseconds: UInt64 = 0) -> UInt32 {
    var total: UInt32 = 0
    while true {
      let room =
        sender.congestion.isLimiting
        ? Int(sender.congestion.room(pipe: sender.pipe(landed: sender.landedByDuplicates))) : .max
      guard case .send(let length) = sender.decide(room: room, limit: 1000, moreExpected: false)
      else { return total }
      let from = sender.next
      _ = sender.sent(from: from, to: from &+ UInt32(length), path(at: milliseconds).now)
      total += UInt32(length)
    }
  }

  private func acknowledge(
    _ sender: inout TCPSender, _ bytes: UInt32, at milliseconds: UInt64 = 0
  ) -> TCPSender.Outcome {
    let ack = sender.unacknowledged &+ bytes
    return sender.advance(to: ack, dataEnd: ack, path(at: milliseconds))
  }

  // MARK: Windows

  @Test func `the guest's window says what may go out (9293 §3.8.6)`() {
    var sender = sender(100_000)
    #expect(send(&sender) == 20_000)
    #expect(sender.flight == 20_000 && sender.bufferedCount == 100_000)
    #expect(acknowledge(&sender, 5000) == [])
    #expect(send(&sender) == 5000)
  }

  @Test func `a window is taken from a segment that is not older (9293 §3.10.7.4)`() {
    var sender = sender(100_000)
    let ack = sender.unacknowledged
    #expect(sender.updateWindow(9000, sequence: 0, acknowledgement: ack) == [])
    #expect(sender.window == 20_000)
    #expect(sender.updateWindow(9000, sequence: 1, acknowledgement: ack) == .outputDue)
    #expect(sender.window == 9000 && sender.largestWindow == 20_000)
    #expect(sender.updateWindow(9000, sequence: 2, acknowledgement: ack) == [])
  }

  @Test func `no silly segment is sent while something is under way (1122 §4.2.3.4)`() {
    var sender = sender(100_000, window: 2500)
    #expect(send(&sender) == 2000)
    // 500 bytes of room are less than half of the largest window.
    guard case .windowClosed = sender.decide(room: .max, limit: 1000, moreExpected: false) else {
      Issue.record("a segment of 500 bytes")
      return
    }
    // With nothing under way all there is of a small window is used.
    var small = self.sender(100_000, window: 300)
    #expect(send(&small) == 300)
  }

  @Test func `the rest of a segment waits for what the next read brings`() {
    var sender = sender(2500)
    guard case .send(2000) = sender.decide(room: .max, limit: 5000, moreExpected: true) else {
      Issue.record("not whole segments")
      return
    }
    _ = sender.sent(from: sender.next, to: sender.next &+ 2000, 0)
    guard case .wait = sender.decide(room: .max, limit: 5000, moreExpected: true),
      case .send(500) = sender.decide(room: .max, limit: 5000, moreExpected: false)
    else {
      Issue.record("the rest did not wait")
      return
    }
  }

  @Test func `a closed window is probed, and the first segment of what it closed over goes again`()
  {
    var sender = sender(100_000, window: 0)
    guard case .windowClosed = sender.decide(room: .max, limit: 1000, moreExpected: false) else {
      Issue.record("the window is closed")
      return
    }
    #expect(sender.first == nil)
    sender.probeLater(0)
    #expect(sender.flags.contains(.isProbing) && sender.deadline > 0)
    #expect(
      sender.updateWindow(5000, sequence: 2, acknowledgement: sender.unacknowledged) == .outputDue)
    #expect(!sender.flags.contains(.isProbing) && sender.deadline == 0)
    send(&sender)
    #expect(sender.first?.sequence == sender.unacknowledged && sender.first?.length == 1000)
  }

  // MARK: Acknowledgements

  @Test func `what was never sent is not acknowledged, nor what was long ago (5961 §5.2)`() {
    var sender = sender(200_000, window: 100_000)
    send(&sender)
    _ = acknowledge(&sender, 100_000)
    #expect(sender.place(of: sender.maximum) == .current)
    #expect(sender.place(of: sender.maximum &+ 1) == .unsent)
    #expect(sender.place(of: sender.unacknowledged &- 1) == .old)
    #expect(sender.place(of: sender.unacknowledged &- 100_001) == .tooOld)
  }

  @Test func `a segment sent twice is not timed (6298 §3, Karn)`() {
    var sender = sender(100_000)
    send(&sender)
    _ = acknowledge(&sender, 1000, at: 30)
    #expect(sender.rtt.smoothed == 30_000)
    send(&sender, at: 30)
    #expect(sender.flags.contains(.isTiming))
    sender.timedOut(path(at: 300))
    send(&sender, at: 300)
    #expect(!sender.flags.contains(.isTiming))
    _ = acknowledge(&sender, 1000, at: 900)
    #expect(sender.rtt.smoothed == 30_000)
  }

  @Test func `the timer is off when all is acknowledged, and set anew when some is (6298 §5)`() {
    var sender = sender(3000)
    send(&sender)
    #expect(sender.deadline == 2000 * Self.millisecond)
    _ = acknowledge(&sender, 1000, at: 10)
    #expect(sender.deadline > path(at: 10).now)
    _ = acknowledge(&sender, 2000, at: 20)
    #expect(sender.deadline == 0 && sender.isIdle)
  }

  // MARK: Loss

  @Test func `three duplicates: half the window, the first segment again (5681 §3.2, 6582 §3.2)`() {
    var sender = sender(100_000)
    send(&sender)
    let all = path()
    for _ in 0..<2 { #expect(sender.duplicate(all) == []) }
    #expect(sender.duplicate(all) == [.outputDue, .recovering])
    #expect(sender.flags.isSuperset(of: [.inRecovery, .retransmitDue]))
    #expect(sender.congestion.window == 10_000 && sender.recoveryPoint == sender.maximum)
    let from = sender.unacknowledged
    let piece = sender.missing
    #expect(piece?.sequence == from && piece?.length == 1000)
    // Only the first is known to be missing.
    sender.retransmitNext = from &+ 1000
    #expect(sender.missing == nil)
  }

  @Test func `a partial ACK sends the next hole, one of everything ends recovery (6582 §3.2)`() {
    var sender = sender(100_000)
    send(&sender)
    for _ in 0..<3 { _ = sender.duplicate(path()) }
    sender.flags.remove(.retransmitDue)
    sender.retransmitNext = sender.unacknowledged &+ 1000
    _ = acknowledge(&sender, 4000)
    #expect(sender.flags.isSuperset(of: [.inRecovery, .retransmitDue]))
    #expect(sender.retransmitNext == sender.unacknowledged)
    // The window does not grow meanwhile.
    #expect(sender.congestion.window == 10_000)
    _ = acknowledge(&sender, 16_000)
    #expect(sender.flags.isDisjoint(with: [.inRecovery, .retransmitDue]))
  }

  @Test func `more duplicates let new data out, as if what they are for had arrived (5681 §3.2)`() {
    var sender = sender(100_000)
    send(&sender)
    for _ in 0..<3 { _ = sender.duplicate(path()) }
    _ = sender.updateWindow(40_000, sequence: 2, acknowledgement: sender.unacknowledged)
    // Ten segments are the window; twenty were sent.
    for _ in 0..<8 { #expect(sender.duplicate(path()) == .outputDue) }
    #expect(send(&sender) == 1000)
  }

  @Test func `pieces end where the guest's report begins, and are one segment long (6675 §5)`() {
    var sender = sender(2500)
    send(&sender)
    let from = sender.unacknowledged
    #expect(sender.piece(from: from, to: from &+ 1500)?.length == 1000)
    #expect(sender.piece(from: from &+ 1000, to: from &+ 1500)?.length == 500)
    #expect(sender.piece(from: from &+ 2500, to: from &+ 2500) == nil)
    // The FIN goes with the last byte, or alone.
    _ = sender.sent(from: sender.end, to: sender.end &+ 1, 0)
    sender.flags.insert(.finSent)
    let last = sender.piece(from: from &+ 2000, to: sender.maximum)
    #expect(last?.length == 500 && last?.hasFin == true && last?.end == sender.maximum)
    let fin = sender.piece(from: sender.end, to: sender.maximum)
    #expect(fin?.length == 0 && fin?.hasFin == true)
  }

  @Test func `the tail is the last segment, with the FIN if it was sent (8985 §7.3)`() {
    var sender = sender(2500)
    #expect(sender.tail == nil)
    send(&sender)
    #expect(sender.tail?.sequence == sender.end &- 1000 && sender.tail?.hasFin == false)
    _ = sender.sent(from: sender.end, to: sender.end &+ 1, 0)
    sender.flags.insert(.finSent)
    #expect(sender.tail?.sequence == sender.end &- 1000 && sender.tail?.hasFin == true)
    _ = acknowledge(&sender, 2500)
    #expect(sender.tail == nil && !sender.isIdle)
  }

  @Test func `a probe comes before the timeout where it would tell something (8985 §7.2)`() {
    var sender = sender(100_000)
    send(&sender)
    // No round trip is known.
    #expect(!sender.flags.contains(.isTailArmed))
    _ = acknowledge(&sender, 1000, at: 40)
    #expect(sender.flags.contains(.isTailArmed))
    #expect(sender.deadline == path(at: 40 + 80).now)
    // One segment alone, whose ACK may be delayed by 50 ms.
    _ = acknowledge(&sender, 18_000, at: 40)
    #expect(sender.flight == 1000 && sender.flags.contains(.isTailArmed))
    #expect(sender.deadline == path(at: 40 + 80 + 50).now)
    // Round trips so long that the RTO comes first.
    var slow = self.sender(100_000)
    send(&slow)
    _ = acknowledge(&slow, 19_000, at: 160)
    slow.rtt = RTTEstimator()
    for _ in 0..<40 { slow.rtt.sample(microseconds: 160_000) }
    slow.arm(path(at: 160).now)
    #expect(slow.flight == 1000 && !slow.flags.contains(.isTailArmed))
  }

  @Test func `after a timeout one segment goes out, from the first byte (5681 §3.1, 6298 §5)`() {
    var sender = sender(100_000)
    send(&sender)
    sender.timedOut(path(at: 1000))
    #expect(sender.congestion.window == 1000 && sender.congestion.threshold == 10_000)
    #expect(sender.next == sender.unacknowledged && sender.flags.contains(.inLoss))
    #expect(send(&sender, at: 1000) == 1000)
    // Backed off; the threshold is that of the first.
    let first = sender.timeout
    sender.timedOut(path(at: 3000))
    #expect(sender.timeout == 2 * first && sender.congestion.threshold == 10_000)
    // Duplicates say nothing then (5681 §3.2: not twice for one window of data).
    for _ in 0..<5 { _ = sender.duplicate(path(at: 3000)) }
    #expect(!sender.flags.contains(.inRecovery))
  }

  @Test func `what a timeout took for lost ends with its last byte, and a late answer undoes it`() {
    var sender = sender(100_000)
    send(&sender)
    sender.timedOut(path(at: 1000))
    send(&sender, at: 1000)
    _ = sender.updateWindow(30_000, sequence: 2, acknowledgement: sender.unacknowledged)
    #expect(acknowledge(&sender, 1000, at: 1001) == [])
    // New data, not the second segment again (5682 §2.1, 2b).
    #expect(sender.next == sender.maximum)
    #expect(send(&sender, at: 1001) == 2000)
    #expect(acknowledge(&sender, 1000, at: 1002) == [.outputDue, .undone])
    #expect(!sender.congestion.isLimiting && !sender.flags.contains(.inLoss))
  }

  @Test func `segments become shorter, and what is under way goes again (1191 §6.4)`() {
    var sender = sender(100_000)
    send(&sender)
    sender.reduceSegments(to: 500, path())
    #expect(sender.segmentSize == 500 && sender.congestion.window == 2000)
    #expect(sender.next == sender.unacknowledged && sender.flags.contains(.inLoss))
  }
}
