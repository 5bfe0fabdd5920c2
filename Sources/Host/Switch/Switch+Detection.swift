// SPDX-License-Identifier: Apache-2.0
//
// Duplicate Address Detection of guests (RFC 4862 §5.4), kept from those who object to every address (RFC 3756 §4.1.3):
// a guest's probe makes the address its port's for the time of the detection (TentativeAddresses), and an address that
// is made of a station's Ethernet address (RFC 4291, appendix A) is that station's while it is there. Who has an
// address, by the plugin's bindings or because it had it before, objects as ever. Thread: loop only; rare.

import Wire

extension Switch {
  /// Whether a guest may ask with a probe for an address.
  func mayProbe(_ address: IPAddress, _ mac: UInt64, _ index: Int) -> Bool {
    guard !isTrusted(index) else { return true }
    let port = Int32(truncatingIfNeeded: index)
    guard !isMadeByAnother(address, mac, port) else { return false }
    // Its own comes before what somebody else asked for, who foresaw it.
    if addressGuard.tentative.other(than: port, of: address, now: second()) != nil,
      address.low != IPAddress.interfaceIdentifier(of: MACAddress(mac))
    {
      return false
    }
    addressGuard.tentative.claim(address, by: port, mac: mac, now: second())
    return true
  }

  /// Whether a guest may say that it has an address.
  func mayAdvertise(_ address: IPAddress, _ mac: UInt64, _ index: Int) -> Bool {
    guard !isTrusted(index) else { return true }
    let port = Int32(truncatingIfNeeded: index)
    if isMadeByAnother(address, mac, port) { return false }
    return addressGuard.station(of: address) == mac
      || addressGuard.tentative.other(than: port, of: address, now: second()) == nil
  }

  /// Whether the address is made of an Ethernet address that is behind another port, or the plugin's.
  private func isMadeByAnother(_ address: IPAddress, _ mac: UInt64, _ port: Int32) -> Bool {
    guard let maker = address.interfaceMAC, maker.rawValue != mac,
      let place = addresses.port(of: maker.rawValue, now: second())
    else { return false }
    return place != port && place != MACTable.gone
  }

  /// Whether what is behind the port is none of the guests: a LAN, or the plugin.
  private func isTrusted(_ index: Int) -> Bool {
    uplinkIndices.contains(index) || isPlugins[index]
  }
}
