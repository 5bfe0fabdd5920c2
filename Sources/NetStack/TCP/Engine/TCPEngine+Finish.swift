// SPDX-License-Identifier: Apache-2.0
//
// The guest's FIN, and when it is taken.
//
// A program's last bytes are as good as those before: when its kernel says that all is
// acknowledged, its machine may go at once. So a FIN is acknowledged when the host's kernel has all
// the bytes before it (§3.10.7.4 does not say when), unless the host takes nothing for
// `finPatience`: then the store vouches for them, as it does for bytes of an open connection.
// Loop thread only.

extension TCPEngine {
  /// How long a FIN waits for the host to take the bytes before it, nanoseconds: less than the 100 s
  /// in which Linux gives up on a socket that nobody holds.
  static let finPatience: UInt64 = 30_000_000_000

  /// Takes the guest's FIN once the kernel has all before it.
  func takeFinIfDue(_ flow: FlowPointer) {
    guard flow.pointee.state != .detached, flow.pointee.receiver.hasFinToTake else { return }
    guard flow.pointee.receiver.pendingCount == 0 else {
      // With nothing under way to the guest there is no other deadline. An earlier one does no harm.
      if flow.pointee.sender.deadline == 0 {
        flow.pointee.sender.deadline = stack.now &+ Self.finPatience
        armTimer(flow)
      }
      return
    }
    takeFin(flow)
  }

  /// The guest's FIN is acknowledged with the next segment.
  func takeFin(_ flow: FlowPointer) {
    flow.pointee.receiver.takeFin()
    touch(flow, .ackDue)
    guestFinished(flow)
  }
}
