// SPDX-License-Identifier: Apache-2.0
//
// NetworkContext: what all networks of a daemon share. Loop thread.

import Logging
import Platform

struct NetworkContext {
  let loop: EventLoop
  let actor: LoopActor
  let home: LimaHome
  let hostExecutable: String
  /// Nanoseconds a network without guests goes on.
  let gracePeriod: UInt64
  let log: Logger
  let plugins: PluginCatalog
  let guestIDs: GuestIDs
  /// The HTTP server of a network's `_ep.sock`.
  let endpointServer: (_ network: String) -> HTTPServer?
  let rest: Rest
  let uplinks: UplinkMakers
  let peers: PeerMap
  let limaBridges: LimaBridges
  let keptForwards: KeptForwards
}

/// Numbers of guests, unique within the daemon, and how many it has.
final class GuestIDs {
  var last: UInt64 = 0
  /// Guests of all networks whose descriptor the daemon keeps.
  var connected = 0

  /// Why the daemon takes no guest more, for want of descriptors; nil: it does.
  var whyFull: String? {
    guard let limit = CurrentProcess.descriptorLimit else { return nil }
    let most = DescriptorReserve.supervisedLinks(of: limit)
    guard connected >= most else { return nil }
    return
      "\(Plural.text(connected, "guest")) are connected to the daemon's networks, as many as it takes with \(limit) open files: "
      + DescriptorReserve.remedy
  }

  /// The network-hosts count their own guests from 2^32.
  func next() -> UInt64 {
    last = (last + 1) & 0xffff_ffff
    return last
  }
}
