// SPDX-License-Identifier: Apache-2.0
//
// Datagram sockets when the process has no free descriptors: UDP and ping sockets count together.

import LibC

extension UDPEngine {
  /// A new datagram socket, or -errno. Without a free descriptor a flow of the guest with the most is closed, a few
  /// times.
  /// - Parameter protocolNumber: 0 for UDP.
  func openDatagramSocket(isV4: Bool, protocolNumber: Int32 = 0, for share: UInt32) -> Int32 {
    var attempts = 0
    while true {
      let fd = stack.calls.socket(
        stack.calls.context, isV4 ? AF_INET : AF_INET6, Int32(SOCK_DGRAM.rawValue), protocolNumber)
      guard fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS, attempts < 4,
        dropDatagramFlow(for: share)
      else { return fd }
      attempts &+= 1
    }
  }

  /// Closes the longest idle UDP or ping socket of the guest with the most of both; false when there is none.
  func dropDatagramFlow(for share: UInt32) -> Bool {
    let victim = stack.shares.busiest(preferring: share) {
      $0.pointee.datagramFlows &+ $0.pointee.pings
    }
    let state = stack.shares.pointer(victim)
    let datagrams = state.pointee.datagramOrder.oldest
    let ping = state.pointee.pingOrder.oldest
    let isPing =
      datagrams == 0
      || ping != 0
        && pings.flows.pointer(ping).pointee.lastUsed < flows.pointer(datagrams).pointee.lastUsed
    return isPing ? pings.evictOldest(of: victim) : evictOldest(of: victim)
  }
}
