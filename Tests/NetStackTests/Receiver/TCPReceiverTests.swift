// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import NetStack

/// The receiving half, without engine, store and clock.
@Suite(.timeLimit(.minutes(1)))
struct TCPReceiverTests {
  private static let syn: UInt32 = 0xffff_ff00

  /// A receiver that has advertised `window` bytes, across the wrap of sequence numbers.
  private func receiver(window: UInt32 = 1000) -> TCPReceiver {
    var receiver = TCPReceiver()
    receiver.begin(after: Self.syn)
    receiver.edge = receiver.next &+ window
    return receiver
  }

  @Test func `a segment is acceptable when some of it is in the window (9293 §3.10.7.4, first)`() {
    let receiver = receiver()
    let next = receiver.next
    #expect(receiver.place(of: next, length: 0) == .acceptable)
    #expect(receiver.place(of: next, length: 5000) == .acceptable)
    #expect(receiver.place(of: next &- 10, length: 11) == .acceptable)
    #expect(receiver.place(of: next &- 10, length: 10) == .old)
    #expect(receiver.place(of: next &- 1, length: 0) == .old)
    #expect(receiver.place(of: receiver.edge, length: 0) == .acceptable)
    #expect(receiver.place(of: receiver.edge &+ 1, length: 1) == .beyond)
  }

  @Test func `text before and behind the window is cut off (9293 §3.10.7.4, seventh)`() {
    var receiver = receiver()
    let next = receiver.next
    let text = receiver.take(next &- 100, count: 2000, hasFin: true, highest: nil)
    #expect(text?.skipped == 100 && text?.count == 1000)
    #expect(text?.sequence == next && text?.isNext == true)
    // Its FIN lies behind the window.
    #expect(!receiver.flags.contains(.finSeen))
    let later = receiver.take(next &+ 400, count: 100, hasFin: false, highest: nil)
    #expect(later?.isNext == false && later?.count == 100 && later?.skipped == 0)
  }

  @Test func `the FIN is where it is seen first, and text behind it is nonsense (9293 §3.10.7.4)`()
  {
    var receiver = receiver()
    let next = receiver.next
    _ = receiver.take(next &+ 100, count: 50, hasFin: true, highest: nil)
    #expect(receiver.flags.contains(.finSeen) && receiver.finSequence == next &+ 150)
    let beyond = receiver.take(next &+ 100, count: 51, hasFin: false, highest: nil)
    let before = receiver.take(next, count: 150, hasFin: false, highest: nil)
    #expect(beyond == nil && before != nil)
    // One before text that is here already does not count.
    var other = self.receiver()
    _ = other.take(next &+ 100, count: 50, hasFin: true, highest: next &+ 200)
    #expect(!other.flags.contains(.finSeen))
  }

  @Test func `the FIN is taken when all before it is here, and is no byte that waits`() {
    var receiver = receiver()
    _ = receiver.take(receiver.next, count: 50, hasFin: true, highest: nil)
    #expect(!receiver.hasFinToTake)
    receiver.next &+= 50
    #expect(receiver.hasFinToTake && receiver.pendingCount == 50)
    receiver.takeFin()
    #expect(!receiver.hasFinToTake && receiver.pendingCount == 50)
    #expect(receiver.place(of: receiver.next &- 1, length: 1) == .old)
  }

  @Test func `the window moves by a segment or by half of it, and never back (9293 §3.8.6.2.2)`() {
    var receiver = receiver(window: 10_000)
    receiver.next &+= 900
    receiver.hostNext &+= 900
    #expect(
      receiver.windowEdge(limit: 10_000, outOfOrder: 0, segmentSize: 1000) == receiver.edge)
    receiver.next &+= 100
    receiver.hostNext &+= 100
    let edge = receiver.windowEdge(limit: 10_000, outOfOrder: 0, segmentSize: 1000)
    #expect(edge == receiver.edge &+ 1000)
    // A limit that has become smaller takes nothing back.
    #expect(receiver.windowEdge(limit: 100, outOfOrder: 0, segmentSize: 1000) == receiver.edge)
  }

  @Test func `what waits, in order or not, is not offered again`() {
    var receiver = receiver(window: 0)
    receiver.next &+= 3000
    let edge = receiver.windowEdge(limit: 10_000, outOfOrder: 2000, segmentSize: 1000)
    #expect(Sequence32.distance(from: receiver.next, to: edge) == 5000)
  }

  @Test func `what is promised is what the window field can say (7323 §2.2)`() {
    var receiver = receiver(window: 0)
    receiver.windowScale = 7
    let field = receiver.windowField(for: receiver.next &+ 1000)
    #expect(field == 7)
    receiver.advertised(field)
    #expect(receiver.edge == receiver.next &+ 896)
    #expect(receiver.windowField(for: receiver.next &+ (64 << 20)) == 65535)
    // A smaller one takes nothing back.
    receiver.advertised(1)
    #expect(receiver.edge == receiver.next &+ 896)
  }

  @Test func `an ACK waits for the answer in a flow of question and answer alone (9293 §3.8.6.3)`()
  {
    var receiver = receiver()
    for _ in 0..<TCPReceiver.exchangesBeforeDelay {
      #expect(receiver.delaysAck(of: 100, segmentSize: 1000, isEstablished: true) == false)
      receiver.answered()
    }
    #expect(receiver.delaysAck(of: 100, segmentSize: 1000, isEstablished: true) == true)
    // A second segment before the answer: not question and answer any more.
    #expect(receiver.delaysAck(of: 100, segmentSize: 1000, isEstablished: true) == false)
    receiver.answered()
    #expect(receiver.delaysAck(of: 100, segmentSize: 1000, isEstablished: true) == false)
  }
}
