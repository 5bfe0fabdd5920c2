// SPDX-License-Identifier: Apache-2.0
//
// Bindings of IP addresses to Ethernet addresses (limanetd.guard/1). AddressGuard+Inspect.swift: what a guest's frame
// claims about them. Bindings are bounded. Thread: loop only.

import Wire

struct AddressGuard {
  static let limit = 65536

  /// Whether frames must be inspected.
  private(set) var isActive = false
  /// Whether any IPv6 address is bound, or the plugin is the only router and DHCP server.
  private(set) var watchesIPv6 = false
  private var v6Count = 0
  /// Changes with every binding.
  private(set) var revision: UInt32 = 1
  private var stations: [IPAddress: UInt64] = [:]
  private var addresses: [UInt64: Int] = [:]
  private var own: Set<UInt64> = []
  /// The first halves of the plugin's own IPv6 addresses, but for those of the link (RFC 4862: 64 bits each).
  private(set) var prefixes6: Set<UInt64> = []
  var security: PortSecurity? { didSet { changed() } }
  var servesDHCP = false { didSet { changed() } }
  /// What guests are about to have. Not part of `revision`: who spoke under such an address before had it.
  var tentative = TentativeAddresses()

  /// False at the limit.
  mutating func bind(_ address: IPAddress, to mac: UInt64, isOwn: Bool) -> Bool {
    unbind(address)
    guard stations.count < Self.limit else { return false }
    stations[address] = mac
    if !address.isV4 { v6Count += 1 }
    addresses[mac, default: 0] += 1
    if isOwn { own.insert(mac) }
    if isOwn, !address.isV4, !address.isLinkLocal { prefixes6.insert(address.high) }
    changed()
    return true
  }

  mutating func unbind(_ address: IPAddress) {
    guard let mac = stations.removeValue(forKey: address) else { return }
    if !address.isV4 { v6Count -= 1 }
    let left = (addresses[mac] ?? 1) - 1
    addresses[mac] = left > 0 ? left : nil
    if left <= 0 { own.remove(mac) }
    changed()
  }

  private mutating func changed() {
    isActive = servesDHCP || !stations.isEmpty || security != nil
    watchesIPv6 = servesDHCP || v6Count > 0 || security != nil
    revision &+= 1
  }

  func station(of address: IPAddress) -> UInt64? { stations[address] }

  /// Whether a station of the network may have the address: one of a prefix that the network has, or where it has none, a
  /// unique local one (RFC 4193); the unspecified address, or a link-local one.
  func isLocal(v6 address: IPAddress) -> Bool {
    if address.isV4 { return false }
    if address.isUnspecified || address.isLinkLocal { return true }
    return prefixes6.isEmpty ? address.high >> 57 == 0x7e : prefixes6.contains(address.high)
  }

  /// One of a station's IPv4 addresses. Looks at all bindings.
  func address(of mac: UInt64) -> IPAddress? {
    isBound(mac) ? stations.first { $0.value == mac && $0.key.isV4 }?.key : nil
  }

  /// A station of the plugin's, and its IPv4 address.
  var ownStation: (mac: UInt64, address: IPAddress)? {
    own.first.flatMap { mac in address(of: mac).map { (mac, $0) } }
  }

  /// Whether an IP address is bound to the Ethernet address.
  func isBound(_ mac: UInt64) -> Bool { addresses[mac] != nil }

  /// Whether the Ethernet address is the plugin's own.
  func isOwn(_ mac: UInt64) -> Bool { own.contains(mac) }
}
