// SPDX-License-Identifier: Apache-2.0
//
// What a router says of itself and of its link, and when it says so unasked (RFC 4861 §6.2). A value without side
// effects; time, randomness and what changes are arguments.

import Wire

package struct RouterAdvertiser {
  /// Seconds. Those of RFC 9096 §3.4 for a prefix, so that guests of a network that got another one do not keep the old
  /// for days.
  package static let validLifetime: UInt32 = 5400
  package static let preferredLifetime: UInt32 = 2700
  /// Of the router and of its DNS: three times the longest interval (RFC 4861 §6.2.1, RFC 8106 §5.1).
  package static let routerLifetime: UInt16 = 1800
  /// Nanoseconds between advertisements that nobody asked for.
  package static let interval: ClosedRange<UInt64> = 200_000_000_000...600_000_000_000
  /// The first ones come faster (§6.2.4).
  private static let initialAdvertisements = 3
  private static let initialInterval: UInt64 = 16_000_000_000
  /// Bytes of a packet that every link carries (RFC 8200 §5), less the headers.
  private static let room = 1280 - 40

  package var prefix: CIDR
  package var mac: MACAddress
  package var nameServers: [IPAddress]
  package var nat64: NAT64?
  /// Bytes of options before the search list: link-layer address, prefix, MTU, PREF64.
  private static let fixed = 16 + 8 + 32 + 8 + 16
  private var sent = 0

  package init(prefix: CIDR, mac: MACAddress, nameServers: [IPAddress]) {
    self.prefix = prefix
    self.mac = mac
    self.nameServers = nameServers
  }

  /// - Parameters:
  ///   - mtu: of the link; 0: nothing is said of it.
  ///   - leadsOutside: whether the router is one for all the world.
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

  /// As many as fit into a packet that every link carries.
  private func names(_ domains: [String]) -> [[UInt8]] {
    var left = Self.room - Self.fixed - 8 - 16 * nameServers.count - 16
    return domains.compactMap(DomainSearch.plain).prefix { name in
      left -= name.count
      return left >= 0
    }
  }

  /// An advertisement to all goes out now; nanoseconds until the next one.
  package mutating func nextDelay(_ random: inout some RandomNumberGenerator) -> UInt64 {
    sent += sent < Self.initialAdvertisements ? 1 : 0
    return sent < Self.initialAdvertisements
      ? Self.initialInterval : UInt64.random(in: Self.interval, using: &random)
  }

  /// Something changed that all have to learn: as at the beginning.
  package mutating func restart() { sent = 0 }
}
