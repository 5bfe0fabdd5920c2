// SPDX-License-Identifier: Apache-2.0
//
// When the guest's FIN is acknowledged.
//
// A guest's kernel that has all its bytes acknowledged may be stopped at once. The FIN is therefore acknowledged when the
// host's kernel has taken all bytes before it (RFC 9293 §3.10.7.4 does not say when). If the host takes nothing for
// `finPatience`, the FIN is acknowledged and the bytes stay in the store, as those of an open connection do. Loop thread
// only.

extension TCPEngine {
  /// Maximum time without progress of the host until a FIN is acknowledged, nanoseconds: less than the 100 s after which
  /// Linux gives up an orphaned socket.
  static let finPatience: UInt64 = 30_000_000_000

  /// Processes the guest's FIN if the host's kernel has taken all bytes before it.
  func takeFinIfDue(_ flow: FlowPointer) {
    guard flow.pointee.state != .detached, flow.pointee.receiver.hasFinToTake else { return }
    guard flow.pointee.receiver.pendingCount == 0 else {
      // With nothing in flight to the guest no other deadline is set. If the timer fires earlier nothing happens.
      if flow.pointee.sender.deadline == 0 {
        flow.pointee.sender.deadline = stack.now &+ Self.finPatience
        armTimer(flow)
      }
      return
    }
    takeFin(flow)
  }

  /// Processes the guest's FIN; the next segment acknowledges it.
  func takeFin(_ flow: FlowPointer) {
    flow.pointee.receiver.takeFin()
    touch(flow, .ackDue)
    guestFinished(flow)
  }
}
