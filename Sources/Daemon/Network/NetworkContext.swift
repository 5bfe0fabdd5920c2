// SPDX-License-Identifier: Apache-2.0
//
// NetworkContext: what all networks of a daemon share. Loop thread.

import Logging
import Platform

struct NetworkContext {
  let loop: EventLoop
  let home: LimaHome
  let hostExecutable: String
  /// Nanoseconds a network without guests goes on.
  let gracePeriod: UInt64
  let log: Logger
  let plugins: PluginCatalog
  let guestIDs: GuestIDs
  /// The HTTP server of a network's `_ep.sock`.
  let endpointServer: (_ network: String) -> HTTPServer
  let rest: Rest
  let uplinks: UplinkMakers
  let peers: PeerMap
  let limaBridges: LimaBridges
}

/// Numbers of guests, unique within the daemon.
final class GuestIDs {
  private var last: UInt64 = 0
  /// The network-hosts count their own guests from 2^32.
  func next() -> UInt64 {
    last = (last + 1) & 0xffff_ffff
    return last
  }
}
