// SPDX-License-Identifier: Apache-2.0
//
// What a network's uplink has to know of it, and what becomes of the network by it.

import HostProtocol
import Logging
import Platform

extension Network: UplinkSurroundings {
  var wantedInterface: HostTapRequest? {
    (active?.network ?? wanted).settings.mode.isEmpty ? nil : HostTapRequest.wanted(by: wanted)
  }

  /// Why a network must not have this socket: every broadcast would come back for ever.
  func ring(with path: String) -> ErrorReport? {
    guard let ring = context.peers.ring(of: name, with: path) else { return nil }
    let way = (ring + [name]).joined(separator: " → ")
    return core.report(
      .invalidConfig,
      ring.count == 1
        ? "`socket: \(path)` is a socket of this very network: name that of another daemon "
          + "or network"
        : "`socket: \(path)` makes a ring, in which a broadcast would go round for ever: \(way). "
          + "Take `socket` out of one of them")
  }

  /// Where others may be connected to it, and what it is connected to.
  var peerNode: PeerRing.Node {
    let paths = listeners.paths
    return PeerRing.Node(
      sockets: [paths.qemu, paths.fd, paths.unixgram, paths.endpoint],
      peers: [uplink.socket, active?.peerSocket, wanted.peerSocket].compactMap { $0 })
  }

  func interfaceLost(_ text: String) {
    step(.interfaceLost(core.report(.system, text), reason: text))
  }

  func interfaceMayBeBack() {
    switch state {
    case .restarting: start()
    case .failed where demand.isHeld: start()
    // Nobody waits for it; its reason no longer holds.
    case .failed where uplink.hasSetUp: step(.interfaceAppeared)
    default: break
    }
  }
}
