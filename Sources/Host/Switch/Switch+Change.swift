// SPDX-License-Identifier: Apache-2.0
//
// A guest that changes its Ethernet address and keeps its IP address. All stations behind a port belong to one guest,
// but the plugin decides about the binding, and some addresses never move. The plugin therefore first gets the claim
// as an ARP announcement (RFC 5227, 2.3); if it then binds the address to the claimant, the claim is forwarded.
// Thread: loop only; rare.

import PluginAPI
import Wire

extension Switch {
  /// Whether the address is bound to the claimant now. Only within one port: the station that had the address must
  /// have been last seen behind it.
  func moves(_ address: IPAddress, of owner: UInt64, to mac: UInt64, behind index: Int32) -> Bool {
    guard addresses.lastPort(of: owner) == index, addresses.lastPort(of: mac) == index else {
      return false
    }
    Self.withRequest(for: address, to: 0xffff_ffff_ffff, from: mac, at: address) { toPlugin($0, 1) }
    return addressGuard.station(of: address) == mac
  }
}
