// SPDX-License-Identifier: Apache-2.0

import HostProtocol

extension LinkLimits {
  /// What `limits` of a plugin's checked options says of links, which the host does for every plugin; nil: nothing.
  init?(options: JSONObject) {
    guard let limits = options["limits"]?.object else { return nil }
    func rate(_ key: String) -> Rate {
      let members = limits[key]?.object
      return Rate(
        bytesPerSecond: members?["bytesPerSecond"]?.integer() ?? 0,
        packetsPerSecond: members?["packetsPerSecond"]?.integer() ?? 0)
    }
    self.init(fromGuest: rate("fromGuest"), toGuest: rate("toGuest"))
    if self == LinkLimits() { return nil }
  }
}

extension PortSecuritySpec {
  /// What `portSecurity` of a plugin's checked options says of links, beside its subnet; nil: nothing is held.
  init?(options: JSONObject) {
    guard let security = options["portSecurity"]?.object, security["enabled"] != .bool(false),
      let gateway = options["gateway"]?.string.flatMap({ IPv4Address($0) }),
      let mask = options["netmask"]?.string.flatMap({ IPv4Address($0) }),
      let prefixLength = IPv4Subnet.prefixLength(ofMask: mask)
    else { return nil }
    self.init(
      network: IPv4Subnet(containing: gateway, prefixLength: prefixLength).network.value,
      prefixLength: prefixLength,
      routers: security["routers"]?.array?.compactMap(\.string) ?? [],
      floodsPerSecond: security["floodsPerSecond"]?.integer() ?? 1000)
  }
}
