// SPDX-License-Identifier: Apache-2.0
//
// NetworkConflicts: conflicts of a network whose entry is valid: a mode that no plugin serves, a subnet in which the host
// has an address or a route, guests and instances that use it. Pure.

import Platform

package enum NetworkConflicts {
  /// Nil if a plugin serves the mode.
  package static func unknownMode(_ mode: String, known: [String]) -> String? {
    guard !known.contains(mode) else { return nil }
    let nearest = Identifier.nearest(to: mode, among: known)
    return "no plugin serves mode `\(mode)`: "
      + (nearest.map { "did you mean `\($0)`?" } ?? Plural.there(known))
  }

  /// Nil if the host has no address and no route in the subnet. Those of interfaces in `own` are the network's.
  package static func route(
    _ subnet: IPv4Subnet, among routes: [HostRoute], addresses: [HostAddress] = [],
    own: Set<String> = []
  ) -> String? {
    for one in addresses where !own.contains(one.interface) && subnet.clashes(with: one) {
      let other = IPv4Subnet(
        containing: IPv4Address(one.address), prefixLength: one.prefixLength)
      return overlap(subnet, other, one.interface)
    }
    for route in routes where !own.contains(route.interface) && subnet.clashes(with: route) {
      let other = IPv4Subnet(
        containing: IPv4Address(route.network), prefixLength: route.prefixLength)
      return overlap(subnet, other, route.interface)
    }
    return nil
  }

  /// The same for IPv6.
  package static func route6(
    _ network: IPv6Network, among routes: [HostAddress6], addresses: [HostAddress6] = [],
    own: Set<String> = []
  ) -> String? {
    let others =
      addresses.filter { !$0.isLinkLocal }.map { ($0, false) } + routes.map { ($0, true) }
    for (one, isRoute) in others where !own.contains(one.interface) {
      guard let other = IPv6Network(one),
        isRoute ? network.clashes(withRoute: other) : network.overlaps(other)
      else { continue }
      return
        "\(network) overlaps \(other.network), which this host reaches by \(one.interface): guests "
        + "could not reach it, nor it them"
    }
    return nil
  }

  /// Ranges that are not routed in the Internet: RFC 1918; RFC 6598 (carriers; also used by VPNs); RFC 5737 and RFC 2544
  /// (documentation, tests); RFC 3927.
  private static let privateRanges = [
    (0x0A00_0000, 8), (0xAC10_0000, 12), (0xC0A8_0000, 16), (0x6440_0000, 10), (0xC000_0200, 24),
    (0xC633_6400, 24), (0xCB00_7100, 24), (0xC612_0000, 15), (0xA9FE_0000, 16),
  ].map { IPv4Subnet(containing: IPv4Address($0.0), prefixLength: $0.1) }

  /// Warnings about a valid network that may not be intended, each a sentence without a full stop.
  package static func cautions(_ network: NetworkConfiguration) -> [String] {
    guard network.peerSocket == nil, let subnet = network.subnet else { return [] }
    var texts: [String] = []
    let isPrivate = privateRanges.contains {
      $0.prefixLength <= subnet.prefixLength && $0.contains(subnet.network)
    }
    if !isPrivate {
      texts.append(
        "\(subnet) is not a private subnet (RFC 1918): guests do not reach who has these addresses on the Internet"
      )
    }
    if network.settings.gateway?.isLinkLocal == true {
      texts.append(
        "\(subnet) is of 169.254.0.0/16, whose addresses interfaces give themselves (RFC 3927): some guests do not "
          + "route it")
    }
    return texts
  }

  private static func overlap(
    _ subnet: IPv4Subnet, _ other: IPv4Subnet, _ interface: String
  ) -> String {
    "\(subnet) overlaps \(other), which this host reaches by \(interface): guests "
      + "could not reach it, nor it them"
  }

  /// The instances of a Lima home whose lima.yaml uses the network; unreadable ones are skipped.
  package static func instances(of network: String, home: LimaHome) -> [String] {
    let names = (try? Files.list(home.path)) ?? []
    return names.filter { name in
      guard Identifier.isValid(name),
        (try? Files.info(home.path + "/" + name + "/lima.yaml"))?.kind == .file,
        let bytes = try? Files.read(
          home.path + "/" + name + "/lima.yaml", limit: LimaYAMLFile.limit),
        let yaml = try? LimaYAMLDecoder.decode(bytes, file: name)
      else { return false }
      return yaml.networks.contains { $0.lima == network }
    }
  }
}
