// SPDX-License-Identifier: Apache-2.0
//
// Timeouts that were none: a guest that was paused answers late, and has lost nothing.
//
// F-RTO (RFC 5682 §2.1): the first segment goes out again when the timer fires. An ACK that advances but
// not to the end lets two new segments out; if the next ACK advances, too, what was sent before the
// timeout has arrived. A guest that acknowledges all at once tells nothing by that; its duplicate SACK
// (RFC 2883 §4), which names what went out again, does (RFC 3708 §3). Either way the congestion window
// is what it was before the timeout.
//
// `windowBeforeTimeout` is not 0 from a timeout on until one of these has decided.

import PluginAPI

extension TCPEngine {
  /// The retransmission timer has fired, and the first segment is about to be sent again.
  func timeoutBegins(_ flow: FlowPointer) {
    if flow.pointee.flags.contains(.sentAfterTimeout) {
      // It fired again before anybody acknowledged the new segments: no answer is the answer.
      flow.pointee.flags.remove(.sentAfterTimeout)
      flow.pointee.windowBeforeTimeout = 0
    } else if !flow.pointee.flags.contains(.inLoss) {
      // What was sent again before would be reported twice, too.
      flow.pointee.windowBeforeTimeout =
        flow.pointee.flags.contains(.inRecovery) ? 0 : flow.pointee.congestion.window
    }
  }

  /// An ACK advances while what a timeout took for lost is not all acknowledged.
  func advancedAfterTimeout(_ flow: FlowPointer) {
    if flow.pointee.flags.contains(.sentAfterTimeout) { return undoTimeout(flow) }
    let una = flow.pointee.sendUnacknowledged
    let maximum = flow.pointee.sendMaximum
    guard Sequence32.less(una, flow.pointee.recoveryPoint) else { return }
    guard Sequence32.less(maximum, flow.pointee.sendEnd),
      Sequence32.less(maximum, una &+ flow.pointee.sendWindow)
    else {
      // Nothing new can be sent: what follows goes out again, and would be reported twice.
      flow.pointee.windowBeforeTimeout = 0
      return
    }
    flow.pointee.sendNext = maximum
    flow.pointee.congestion.allow(
      Sequence32.distance(from: una, to: maximum) &+ 2 &* UInt32(flow.pointee.segmentSize))
    flow.pointee.flags.insert(.sentAfterTimeout)
  }

  /// A duplicate ACK after a timeout: something is missing indeed.
  func duplicateAfterTimeout(_ flow: FlowPointer) {
    flow.pointee.windowBeforeTimeout = 0
    guard flow.pointee.flags.contains(.sentAfterTimeout) else { return }
    flow.pointee.flags.remove(.sentAfterTimeout)
    flow.pointee.congestion.allow(
      min(flow.pointee.congestion.window, 3 &* UInt32(flow.pointee.segmentSize)))
    flow.pointee.sendNext = flow.pointee.sendUnacknowledged
    touch(flow, .outputDue)
  }

  /// The guest has received twice what lies before its acknowledgement.
  func reportedTwice(_ flow: FlowPointer) {
    if flow.pointee.windowBeforeTimeout != 0 { undoTimeout(flow) }
  }

  private func undoTimeout(_ flow: FlowPointer) {
    counters.spuriousTimeouts &+= 1
    flow.pointee.congestion.restore(flow.pointee.windowBeforeTimeout)
    flow.pointee.windowBeforeTimeout = 0
    flow.pointee.flags.subtract([.inLoss, .sentAfterTimeout])
    flow.pointee.sendNext = flow.pointee.sendMaximum
    touch(flow, .outputDue)
  }
}
