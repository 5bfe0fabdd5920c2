// SPDX-License-Identifier: Apache-2.0
//
// The guest's FIN, and when it is taken.
//
// A program's last bytes are as good as those before: when its kernel says that all is
// acknowledged, its machine may go at once. So a FIN is acknowledged when the host's kernel has all
// the bytes before it (§3.10.7.4 does not say when), unless the host takes nothing for
// `finPatience`: then the store vouches for them, as it does for bytes of an open connection.
// Loop thread only.

import PluginAPI

extension TCPEngine {
  /// How long a FIN waits for the host to take the bytes before it, nanoseconds: less than the 100 s
  /// in which Linux gives up on a socket that nobody holds.
  static let finPatience: UInt64 = 30_000_000_000

  /// All before the guest's FIN is here, and the FIN is not acknowledged yet.
  @inline(__always)
  func hasFinToTake(_ flow: FlowPointer) -> Bool {
    flow.pointee.flags.contains(.finSeen) && !flow.pointee.flags.contains(.guestFinished)
      && flow.pointee.receiveNext == flow.pointee.finSequence
  }

  /// Takes the guest's FIN once the kernel has all before it.
  func takeFinIfDue(_ flow: FlowPointer) {
    guard flow.pointee.state != .detached, hasFinToTake(flow) else { return }
    guard flow.pointee.pendingCount == 0 else {
      // With nothing under way to the guest there is no other deadline. An earlier one does no harm.
      if flow.pointee.retransmitDeadline == 0 {
        flow.pointee.retransmitDeadline = stack.now &+ Self.finPatience
        armTimer(flow)
      }
      return
    }
    takeFin(flow)
  }

  /// The guest's FIN is acknowledged with the next segment.
  func takeFin(_ flow: FlowPointer) {
    flow.pointee.receiveNext &+= 1
    flow.pointee.flags.insert(.guestFinished)
    touch(flow, .ackDue)
    guestFinished(flow)
  }
}
