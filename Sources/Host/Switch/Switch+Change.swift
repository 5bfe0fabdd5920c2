// SPDX-License-Identifier: Apache-2.0
//
// A guest that changes its Ethernet address and keeps its IP address. All stations behind a port
// are one guest's, but whose an address is, is the plugin's to say: some never move. So the plugin
// hears of the claim first, as an announcement (RFC 5227, 2.3), and the claim goes on its way if
// the plugin has bound the address to the claimant then. Thread: loop only, and seldom.

import PluginAPI
import Wire

extension Switch {
  /// Whether the address is the claimant's now. No other port is asked for: the station that had
  /// the address was last seen behind this one.
  func moves(_ address: IPAddress, of owner: UInt64, to mac: UInt64, behind index: Int32) -> Bool {
    guard addresses.lastPort(of: owner) == index, addresses.lastPort(of: mac) == index else {
      return false
    }
    Self.withRequest(for: address, to: 0xffff_ffff_ffff, from: mac, at: address) { toPlugin($0, 1) }
    return addressGuard.station(of: address) == mac
  }
}
