// SPDX-License-Identifier: Apache-2.0
//
// Which connections are idle, and how the one that was idle longest makes room for others.

import PluginAPI

extension TCPEngine {
  /// Connections without a socket that eviction passes over.
  private static let mostPassedOver = 256

  /// Notes that the flow lives.
  @inline(__always)
  func noteUse(_ flow: FlowPointer) {
    if UseList.isStale(flow.pointee.lastActivity, now: stack.now) {
      store.shares.flowUsed(flow.pointee.share, index(of: flow), in: flows)
    }
    flow.pointee.lastActivity = stack.now
  }

  /// Makes room when descriptors or slots run out: of the guest with the most connections the one
  /// that was idle longest goes, but only if it was idle for a second. False when there is none.
  func evictOldest() -> Bool {
    var index = store.shares.idlest(store.shares.busiest)
    var passed = 0
    while index != 0, passed < Self.mostPassedOver {
      let flow = flows.pointer(index)
      guard stack.now &- flow.pointee.lastActivity > 1_000_000_000 else { return false }
      if flow.pointee.fd >= 0 || flow.pointee.state == .timeWait {
        evict(flow)
        return true
      }
      index = flow.pointee.newer
      passed &+= 1
    }
    return false
  }

  private func evict(_ flow: FlowPointer) {
    counters.evicted &+= 1
    if exhaustionLogLimit.take(now: stack.now) {
      stack.host.log(
        UInt32(LND_LOG_WARN),
        "tcp: out of file descriptors or flows; connections idle longest are closed (\(counters.evicted) so far)"
      )
    }
    resetGuest(flow)
  }
}
