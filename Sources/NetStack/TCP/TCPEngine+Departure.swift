// SPDX-License-Identifier: Apache-2.0
//
// A guest that leaves, and what of its bytes is still on the way to the host.
//
// A program's last bytes are as good as those before: when its kernel says that all is
// acknowledged, its machine may go at once. So
//   - a FIN is acknowledged when the host's kernel has all the bytes before it (§3.10.7.4 does not
//     say when), unless the host takes nothing for `finPatience`: then the store vouches for them,
//     as it does for bytes of an open connection;
//   - the flow of a guest that has gone after its FIN ends in good order: the socket is closed, the
//     kernel delivers what it has; bytes in the store go first, for `orphanTime` at most;
//   - every other flow of it is reset, so that half a file does not look whole.
//
// An orphan has no link and is not in the table: nothing is sent to a guest, and no segment finds it.
// Loop thread only.

import PluginAPI

extension TCPEngine {
  /// How long a FIN waits for the host to take the bytes before it, nanoseconds: less than the 100 s
  /// in which Linux gives up on a socket that nobody holds.
  static let finPatience: UInt64 = 30_000_000_000
  /// How long the host has to take what a guest left, nanoseconds.
  static let orphanTime: UInt64 = 120_000_000_000

  /// All before the guest's FIN is here, and the FIN is not acknowledged yet.
  @inline(__always)
  func hasFinToTake(_ flow: FlowPointer) -> Bool {
    flow.pointee.flags.contains(.finSeen) && !flow.pointee.flags.contains(.guestFinished)
      && flow.pointee.receiveNext == flow.pointee.finSequence
  }

  /// Takes the guest's FIN once the kernel has all before it.
  func takeFinIfDue(_ flow: FlowPointer) {
    guard hasFinToTake(flow) else { return }
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

  /// The flow's link has gone.
  func guestLeft(_ flow: FlowPointer) {
    let isWhole = flow.pointee.flags.contains(.guestFinished) || hasFinToTake(flow)
    guard isWhole, flow.pointee.fd >= 0, flow.pointee.state != .connecting else {
      return abandon(flow)
    }
    if !flow.pointee.flags.contains(.guestFinished) {
      flow.pointee.receiveNext &+= 1
      flow.pointee.flags.insert(.guestFinished)
    }
    guard flow.pointee.pendingCount > 0 else { return close(flow) }
    orphan(flow)
  }

  private func orphan(_ flow: FlowPointer) {
    table.remove(index(of: flow))
    flow.pointee.key.link = 0
    store.releaseAll(&flow.pointee.sendTable)
    if flow.pointee.scoreboard != 0 { dropScoreboard(flow) }
    if flow.pointee.state != .timeWait { timeWaitCount &+= 1 }
    flow.pointee.state = .timeWait
    // Its socket is closed with the last byte.
    flow.pointee.flags.insert(.hostFinished)
    flow.pointee.flags.subtract([.ackDue, .ackDelayed, .outputDue, .retransmitDue, .isProbing])
    flow.pointee.acknowledgeDeadline = 0
    setInterest(flow, UInt8(LND_FD_WRITE))
    flow.pointee.retransmitDeadline = stack.now &+ Self.orphanTime
    armTimer(flow)
  }

  /// Its guest has gone.
  @inline(__always)
  func isOrphan(_ flow: FlowPointer) -> Bool { flow.pointee.key.link == 0 }
}
