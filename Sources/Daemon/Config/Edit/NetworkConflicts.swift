// SPDX-License-Identifier: Apache-2.0
//
// NetworkConflicts: what stands against a network though its entry is well-formed: a mode that no plugin claims, a
// subnet that the host has an address in or a route into, guests and instances that use it. Pure.

import Platform

package enum NetworkConflicts {
  /// Nil: some plugin serves the mode.
  package static func unknownMode(_ mode: String, known: [String]) -> String? {
    guard !known.contains(mode) else { return nil }
    let nearest = Identifier.nearest(to: mode, among: known)
    return "no plugin serves mode `\(mode)`: "
      + (nearest.map { "did you mean `\($0)`?" } ?? Plural.there(known))
  }

  /// Nil: the host has no network and no route there. What is of an interface in `own` is the network's own.
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

  private static func overlap(
    _ subnet: IPv4Subnet, _ other: IPv4Subnet, _ interface: String
  ) -> String {
    "\(subnet) overlaps \(other), which this host reaches by \(interface): guests "
      + "could not reach it, nor it them"
  }

  /// The instances of a Lima home whose lima.yaml names the network; one that cannot be read is passed over.
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
