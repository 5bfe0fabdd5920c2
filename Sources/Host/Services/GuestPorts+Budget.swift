// SPDX-License-Identifier: Apache-2.0
//
// How many guests' links a network's process may have: beyond the bound a link would take the descriptor that the DNS, a
// file or a request needs (DescriptorReserve).

import HostProtocol
import Platform

extension GuestPorts {
  /// Links of guests that have a descriptor of their own, which those at a listener share; uplinks and the network's TAP are the supervisor's to bound.
  var linkCount: Int { entries.values.count { !$0.isUplink && $0.listener == nil } }

  /// Nil where the limit of descriptors is not known.
  static var maximumLinks: Int? {
    CurrentProcess.descriptorLimit.map { DescriptorReserve.links(of: $0) }
  }

  /// - Throws: when the one that has just joined is one too many.
  func checkLinks() throws(HostError) {
    guard let limit = CurrentProcess.descriptorLimit else { return }
    let most = DescriptorReserve.links(of: limit)
    guard linkCount > most else { return }
    refusedLinks &+= 1
    throw HostError(
      .limit,
      "\(Plural.text(most, "guest")) are connected, as many as the network's process takes with \(limit) open files: "
        + DescriptorReserve.remedy)
  }
}
