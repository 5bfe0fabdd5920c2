// SPDX-License-Identifier: Apache-2.0
//
// The maximum of guests' links in a network process: a link beyond it would use a descriptor that the DNS, a file or
// a request needs (DescriptorReserve).

import HostProtocol
import Platform

extension GuestPorts {
  /// Links of guests with a descriptor of their own; those at a listener share one. The supervisor bounds uplinks and
  /// the network's TAP.
  var linkCount: Int { entries.values.count { !$0.isUplink && $0.listener == nil } }

  /// Nil where the limit of descriptors is unknown.
  static var maximumLinks: Int? {
    CurrentProcess.descriptorLimit.map { DescriptorReserve.links(of: $0) }
  }

  /// - Throws: when the guest that has just joined exceeds the maximum.
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
