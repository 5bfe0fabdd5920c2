// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import NetStack

/// The sending half to a guest with SACK, with a scoreboard and without an engine (RFC 8985).
@Suite(.timeLimit(.minutes(1)))
struct TCPSenderLossTests {
  /// Twenty segments of 1000 bytes sent at 0 ms to a guest with a round trip of 10 ms, and more data to send.
  private struct Scene {
    var sender = TCPSender()
    var board = SACKScoreboard()
    let start: UInt32 = 0xffff_f001

    init() {
      sender.begin(at: start &- 1)
      sender.segmentSize = 1000
      sender.flags = .sackPermitted
      sender.setWindow(40_000, sequence: 1, acknowledgement: start)
      sender.synAcknowledged(start)
      // A round trip for the timers.
      sender.end = start
      sender.rtt.sample(microseconds: 10_000)
      sender.rack.sample(microseconds: 10_000)
      sender.end = start &+ 100_000
      _ = sender.sent(from: start, to: start &+ 20_000, path(at: 0).now)
      sender.scoreboard = 1
      board.begin(
        unacknowledged: start, end: start &+ 20_000,
        sentAt: TCPSender.microseconds(path(at: 0).now))
    }

    func path(at milliseconds: UInt64) -> CongestionPath {
      CongestionPath(
        segmentSize: 1000, buffer: 2 << 20, roundTrip: 10_000,
        now: (1000 + milliseconds) * 1_000_000)
    }

    /// Processes an ACK of `ack` segments that reports the segments of `blocks`.
    @discardableResult
    mutating func acknowledge(
      _ ack: UInt32 = 0, _ blocks: Range<UInt32>..., at milliseconds: UInt64
    ) -> TCPSender.Outcome {
      var list = SACKBlocks()
      for block in blocks {
        list.append(
          SACKBlock(
            start: start &+ block.lowerBound * 1000, end: start &+ block.upperBound * 1000))
      }
      let path = path(at: milliseconds)
      let sequence = start &+ ack * 1000
      var outcome: TCPSender.Outcome = []
      let twice = list.duplicate(acknowledgement: sequence)
      if let twice { outcome.formUnion(sender.reportedTwice(twice)) }
      if sender.flags.contains(.tailProbed) {
        sender.answerProbe(
          sequence, isBareDuplicate: sequence == sender.unacknowledged && list.isEmpty,
          twice: twice, path)
      }
      sender.report(sequence, list, &board, path.now)
      if Sequence32.less(sender.unacknowledged, sequence) {
        outcome.formUnion(
          sender.advance(to: sequence, dataEnd: sequence, landed: board.landed, path))
      }
      if outcome.contains(.undone) { board.forgetLosses() }
      outcome.formUnion(sender.detectLoss(&board, path))
      return outcome
    }

    /// Sends the next lost piece and returns its segment's number.
    mutating func retransmit(at milliseconds: UInt64) -> UInt32? {
      guard let lost = board.nextLost(), let piece = sender.piece(from: lost.start, to: lost.end)
      else { return nil }
      board.sentAgain(
        from: piece.sequence, to: piece.end, at: TCPSender.microseconds(path(at: milliseconds).now))
      return (piece.sequence &- start) / 1000
    }

    /// Sends `count` new segments.
    mutating func send(_ count: UInt32, at milliseconds: UInt64) {
      let now = path(at: milliseconds).now
      let from = sender.next
      board.sent(
        from: from, to: from &+ count * 1000, at: TCPSender.microseconds(now),
        unacknowledged: sender.unacknowledged)
      _ = sender.sent(from: from, to: from &+ count * 1000, now)
    }

    mutating func timeOut(at milliseconds: UInt64) {
      sender.timedOut(&board, path(at: milliseconds))
    }
  }

  // MARK: Recovery

  @Test func `what is lost begins a recovery, which reduces the window once (8985 §6.2, step 5)`() {
    var scene = Scene()
    #expect(scene.acknowledge(1, 4..<7, at: 10) == [.outputDue, .recovering])
    #expect(scene.sender.flags.isSuperset(of: [.inRecovery, .retransmitDue]))
    #expect(scene.sender.congestion.window == 9500)
    for segment in 1...3 as ClosedRange<UInt32> { #expect(scene.retransmit(at: 10) == segment) }
    #expect(scene.retransmit(at: 10) == nil)
    // Another hole of the same window of data.
    scene.acknowledge(1, 9..<12, at: 12)
    #expect(scene.retransmit(at: 12) == 7)
    #expect(scene.sender.congestion.window == 9500)
    scene.acknowledge(20, at: 20)
    #expect(scene.sender.flags.isDisjoint(with: [.inRecovery, .retransmitDue]))
  }

  @Test func `below DupThresh a hole is given the reordering window, then lost (8985 §6.3)`() {
    var scene = Scene()
    scene.acknowledge(0, 1..<3, at: 10)
    #expect(scene.sender.flags.contains(.isReorderArmed) && scene.board.lostBytes == 0)
    // A quarter of the shortest round trip; before the loss probe and the RTO (§8).
    #expect(scene.sender.deadline == scene.path(at: 10).now + 2_500_000)
    #expect(!scene.sender.flags.contains(.isTailArmed))
    scene.sender.flags.remove(.isReorderArmed)
    _ = scene.sender.detectLoss(&scene.board, scene.path(at: 13))
    #expect(scene.sender.flags.contains(.inRecovery) && scene.retransmit(at: 13) == 0)
  }

  @Test func `what was only late is not sent again, and the timers go on as before (8985 §6.3)`() {
    var scene = Scene()
    scene.acknowledge(0, 1..<3, at: 10)
    scene.acknowledge(3, at: 11)
    #expect(scene.sender.flags.isDisjoint(with: [.isReorderArmed, .inRecovery]))
    #expect(scene.sender.flags.contains(.isTailArmed) && scene.board.lostBytes == 0)
    #expect(scene.sender.rack.reorderingSeen)
  }

  @Test func `a retransmission that is lost is found by what was sent after it (8985 §4)`() {
    var scene = Scene()
    scene.acknowledge(0, 1..<5, at: 10)
    #expect(scene.retransmit(at: 10) == 0)
    scene.send(2, at: 11)
    scene.acknowledge(0, 1..<22, at: 22)
    #expect(scene.retransmit(at: 22) == 0)
    #expect(scene.sender.congestion.window == 10_000)
  }

  @Test func `what is lost of the data sent in a recovery begins another one`() {
    var scene = Scene()
    scene.acknowledge(0, 1..<5, at: 10)
    #expect(scene.retransmit(at: 10) == 0)
    scene.send(5, at: 11)
    scene.acknowledge(20, at: 20)
    #expect(!scene.sender.flags.contains(.inRecovery))
    scene.acknowledge(20, 21..<25, at: 22)
    #expect(scene.sender.flags.contains(.inRecovery) && scene.retransmit(at: 22) == 20)
    #expect(scene.sender.recoveryPoint == scene.sender.maximum)
  }

  @Test func `a window that something arrived twice in widens the reordering window (2883)`() {
    var scene = Scene()
    scene.acknowledge(5, 0..<1, at: 10)
    #expect(scene.sender.rack.multiplier == 2)
    // Not what a loss probe was answered with.
    var probed = Scene()
    probed.sender.probe.sent(end: probed.start &+ 20_000, isRetransmission: true)
    probed.sender.flags.insert(.tailProbed)
    probed.acknowledge(20, 19..<20, at: 10)
    #expect(probed.sender.rack.multiplier == 1)
    #expect(!probed.sender.flags.contains(.tailProbed) && !probed.sender.congestion.isLimiting)
  }

  // MARK: Timeouts

  @Test func `after a timeout the first and all that is old is lost, and goes by one (8985 §6.3)`()
  {
    var scene = Scene()
    scene.timeOut(at: 300)
    #expect(scene.board.lostBytes == 20_000 && scene.sender.congestion.window == 1000)
    #expect(scene.sender.flags.isSuperset(of: [.inLoss, .retransmitDue]))
    // New data is next, but the window has no room for it until what is lost has gone.
    #expect(scene.sender.next == scene.sender.maximum)
    #expect(scene.retransmit(at: 300) == 0)
    #expect(
      scene.sender.congestion.room(pipe: scene.sender.pipe(landed: scene.board.landed)) == 0)
  }

  @Test func `what the guest reported is kept over a timeout, unless it threw it away (6675 §5.1)`()
  {
    var scene = Scene()
    scene.acknowledge(0, 2..<4, at: 10)
    scene.timeOut(at: 300)
    #expect(scene.board.sackedBytes == 2000 && scene.board.lostBytes == 18_000)
    var reneged = Scene()
    reneged.acknowledge(0, 2..<4, at: 10)
    reneged.acknowledge(2, at: 12)
    reneged.timeOut(at: 300)
    #expect(reneged.board.sackedBytes == 0 && reneged.board.lostBytes == 18_000)
  }

  @Test func `a loss within a timeout's recovery is found without another timeout (8985 §6.3)`() {
    var scene = Scene()
    scene.timeOut(at: 300)
    #expect(scene.retransmit(at: 300) == 0)
    scene.acknowledge(1, at: 310)
    // Undecided so far (RFC 5682 §2.1): the guest's window is open, so two new segments are sent.
    #expect(scene.sender.spuriousTimeout.isWaiting)
    scene.send(2, at: 310)
    // They arrive, what came before them did not.
    _ = scene.sender.duplicate(scene.path(at: 320))
    scene.acknowledge(1, 20..<22, at: 320)
    #expect(!scene.sender.spuriousTimeout.isWaiting)
    #expect(scene.retransmit(at: 320) == 1)
    #expect(scene.retransmit(at: 320) == 2)
    // The second of them arrives, the first is lost once more.
    scene.acknowledge(1, 20..<22, 2..<3, at: 331)
    #expect(scene.retransmit(at: 331) == 1)
  }

  @Test func `a timeout that was none takes nothing for lost afterwards (5682 §2.1, 3b)`() {
    var scene = Scene()
    scene.timeOut(at: 300)
    #expect(scene.retransmit(at: 300) == 0)
    scene.acknowledge(1, at: 301)
    scene.send(2, at: 301)
    #expect(scene.acknowledge(2, at: 302).contains(.undone))
    #expect(scene.board.lostBytes == 0 && !scene.sender.flags.contains(.inLoss))
    #expect(!scene.sender.congestion.isLimiting)
  }

  @Test func `a window closed over what is lost is probed, however often (1122 §4.2.2.17)`() {
    var scene = Scene()
    let ack = scene.start
    _ = scene.sender.updateWindow(0, sequence: 2, acknowledgement: ack)
    scene.timeOut(at: 300)
    scene.sender.probeClosedWindow(scene.path(at: 300).now)
    #expect(scene.sender.flags.contains(.isProbing))
    let due = scene.sender.deadline
    scene.sender.probeClosedWindow(scene.path(at: 350).now)
    #expect(scene.sender.deadline == due)
    scene.sender.flags.remove(.retransmitDue)
    _ = scene.sender.updateWindow(5000, sequence: 3, acknowledgement: ack)
    #expect(scene.sender.flags.contains(.retransmitDue) && scene.sender.attempts == 0)
  }

  // MARK: Loss probes

  @Test func `a probe is a new segment, or the last one once more (8985 §7.3)`() {
    var scene = Scene()
    let new = scene.sender.probePiece
    #expect(new?.isNew == true && new?.piece.sequence == scene.start &+ 20_000)
    #expect(new?.piece.length == 1000)
    // The guest has no room for it.
    _ = scene.sender.updateWindow(20_000, sequence: 2, acknowledgement: scene.start)
    let old = scene.sender.probePiece
    #expect(old?.isNew == false && old?.piece.sequence == scene.start &+ 19_000)
    scene.sender.end = scene.sender.next
    #expect(scene.sender.probePiece?.piece.sequence == scene.start &+ 19_000)
  }

  @Test func `what was sent before a probe that arrives is lost (8985 §7.4.1)`() {
    var scene = Scene()
    scene.sender.end = scene.sender.next
    scene.acknowledge(17, at: 10)
    scene.board.sentAgain(
      from: scene.start &+ 19_000, to: scene.start &+ 20_000,
      at: TCPSender.microseconds(scene.path(at: 60).now))
    scene.sender.beginMarks()
    scene.sender.probe.sent(end: scene.sender.maximum, isRetransmission: true)
    scene.sender.flags.insert(.tailProbed)
    scene.acknowledge(17, 19..<20, at: 70)
    #expect(scene.sender.flags.contains(.inRecovery) && scene.retransmit(at: 70) == 17)
    #expect(!scene.sender.flags.contains(.tailProbed))
  }

  @Test func `a loss that the probe repaired reduces the window (8985 §7.4.2, case 2)`() {
    var scene = Scene()
    scene.sender.end = scene.sender.next
    scene.acknowledge(19, at: 10)
    scene.sender.probe.sent(end: scene.sender.maximum, isRetransmission: true)
    scene.sender.flags.insert(.tailProbed)
    scene.acknowledge(20, at: 70)
    // Nothing more can be told yet.
    #expect(!scene.sender.congestion.isLimiting && scene.sender.flags.contains(.tailProbed))
    scene.sender.end = scene.sender.next &+ 8000
    scene.send(8, at: 80)
    scene.acknowledge(21, at: 90)
    #expect(scene.sender.congestion.threshold == 4000)
    #expect(!scene.sender.flags.contains(.tailProbed))
  }

  @Test func `a second probe waits for the first one's answer (8985 §7.3)`() {
    var scene = Scene()
    scene.sender.arm(scene.path(at: 0).now)
    #expect(scene.sender.flags.contains(.isTailArmed))
    scene.sender.probe.sent(end: scene.sender.maximum, isRetransmission: true)
    scene.sender.flags.insert(.tailProbed)
    scene.sender.arm(scene.path(at: 0).now)
    #expect(!scene.sender.flags.contains(.isTailArmed))
    #expect(scene.sender.deadline == scene.path(at: 0).now + scene.sender.timeout)
    // It is acknowledged, whatever that will turn out to mean.
    scene.acknowledge(20, at: 10)
    scene.send(3, at: 11)
    #expect(scene.sender.flags.isSuperset(of: [.tailProbed, .isTailArmed]))
  }
}
