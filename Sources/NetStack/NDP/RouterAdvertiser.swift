// SPDX-License-Identifier: Apache-2.0
//
// Contents and schedule of router advertisements (RFC 4861 §6.2). A value without side effects; time and randomness are
// arguments.

import Wire

package struct RouterAdvertiser {
  /// Valid and preferred lifetime of a prefix, seconds: those of RFC 9096 §3.4, so that guests drop the prefix of a
  /// renumbered network within hours.
  package static let validLifetime: UInt32 = 5400
  package static let preferredLifetime: UInt32 = 2700
  /// Lifetime of router and DNS, seconds: three times the longest interval (RFC 4861 §6.2.1, RFC 8106 §5.1).
  package static let routerLifetime: UInt16 = 1800
  /// Interval of unsolicited advertisements, nanoseconds.
  package static let interval: ClosedRange<UInt64> = 200_000_000_000...600_000_000_000
  /// Number of initial advertisements, which have a shorter interval (§6.2.4).
  private static let initialAdvertisements = 3
  private static let initialInterval: UInt64 = 16_000_000_000
  /// Maximum length of an advertisement: the IPv6 minimum link MTU (RFC 8200 §5) without the IPv6 header.
  private static let room = 1280 - 40

  package var prefix: CIDR
  package var mac: MACAddress
  package var nameServers: [IPAddress]
  package var nat64: NAT64?
  /// Length of the options before the search list: link-layer address, prefix, MTU, PREF64.
  private static let fixed = 16 + 8 + 32 + 8 + 16
  private var sent = 0

  package init(prefix: CIDR, mac: MACAddress, nameServers: [IPAddress]) {
    self.prefix = prefix
    self.mac = mac
    self.nameServers = nameServers
  }

  /// The advertisement.
  /// - Parameters:
  ///   - mtu: the link's; 0: no MTU option.
  ///   - leadsOutside: whether it is a default router.
  package func message(mtu: Int, leadsOutside: Bool, searchDomains: [String]) -> NDPMessage {
    var options = NDPOptionBytes()
    options.addLinkLayer(NDPOptionType.sourceLinkLayer, mac)
    options.addPrefix(
      prefix, isOnLink: true, isAutonomous: true, valid: Self.validLifetime,
      preferred: Self.preferredLifetime)
    if mtu >= 1280 { options.addMTU(UInt32(mtu)) }
    let lifetime = UInt32(Self.routerLifetime)
    if let nat64 { options.addPREF64(nat64.prefix, lifetime: Self.routerLifetime) }
    options.addRecursiveDNS(nameServers, lifetime: lifetime)
    options.addSearchList(names(searchDomains), lifetime: lifetime)
    return .routerAdvertisement(
      hopLimit: 64, isManaged: false, hasOther: true,
      lifetime: leadsOutside ? Self.routerLifetime : 0, options: options)
  }

  /// The domains in DNS encoding, as many as fit.
  private func names(_ domains: [String]) -> [[UInt8]] {
    var left = Self.room - Self.fixed - 8 - 16 * nameServers.count - 16
    return domains.compactMap(DomainSearch.plain).prefix { name in
      left -= name.count
      return left >= 0
    }
  }

  /// An advertisement to all nodes is sent now: nanoseconds until the next one.
  package mutating func nextDelay(_ random: inout some RandomNumberGenerator) -> UInt64 {
    sent += sent < Self.initialAdvertisements ? 1 : 0
    return sent < Self.initialAdvertisements
      ? Self.initialInterval : UInt64.random(in: Self.interval, using: &random)
  }

  /// The contents have changed: advertisements follow as after the start.
  package mutating func restart() { sent = 0 }
}
