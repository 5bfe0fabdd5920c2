// SPDX-License-Identifier: Apache-2.0
//
// NetworkDraft: a network as given to `network create` and `network edit`, and the resulting keys in networks.yaml. Rules
// and messages for Lima's modes are those of `limactl network create`. Pure.

package struct NetworkDraft: Sendable, Hashable {
  package var mode: String
  /// "192.168.110.1" or "192.168.110.1/24", as typed.
  package var gateway: String?
  package var dhcpEnd: String?
  package var interface: String?
  /// "fd12:3456:789a::/64", as typed.
  package var prefix6: String?
  package var gateway6: String?

  package init(
    mode: String, gateway: String? = nil, dhcpEnd: String? = nil, interface: String? = nil,
    prefix6: String? = nil, gateway6: String? = nil
  ) {
    self.prefix6 = prefix6
    self.gateway6 = gateway6
    self.mode = mode
    self.gateway = gateway
    self.dhcpEnd = dhcpEnd
    self.interface = interface
  }

  /// The defaults of a new network of this name: Lima's networks have their modes' names.
  package init(
    mode: String?, gateway: String?, dhcpEnd: String?, interface: String?,
    prefix6: String? = nil, gateway6: String? = nil, for name: String
  ) {
    let mode = mode ?? Self.usualMode(of: name)
    let usual = name == mode ? NetworkConfiguration.defaultGateways[mode] : nil
    self.init(
      mode: mode, gateway: gateway ?? usual.map { "\($0)" }, dhcpEnd: dhcpEnd,
      interface: interface, prefix6: prefix6, gateway6: gateway6)
  }

  /// The default mode of a network by its name.
  package static func usualMode(of name: String) -> String {
    NetworkConfiguration.modesWithInterface.contains(name) ? name : "user-v2"
  }

  /// An error in the arguments.
  package enum Flaw: Error, Hashable, Sendable, CustomStringConvertible {
    case needs(mode: String, String)
    case refuses(mode: String, String)
    case notCIDR(String)
    case notUnicast(String)
    case notAddress(String)
    case notInterface(String)
    case notPrefix6(String)
    case notGateway6(String)
    /// A `gateway6` that is none of its network's.
    case outside6(String, IPv6Network)

    package var description: String {
      switch self {
      case .needs(let mode, let what): return "network mode `\(mode)` requires specifying \(what)"
      case .refuses(let mode, let what):
        return "network mode `\(mode)` does not support specifying \(what)"
      case .notCIDR(let text):
        return "failed to parse CIDR: `\(text)` is no ADDRESS/LENGTH, as 192.168.110.1/24"
      case .notUnicast(let text):
        return "invalid IP address: \(text) cannot be a gateway's: take one as 192.168.110.1"
      case .notAddress(let text):
        return "invalid IP address: `\(text)`: write four numbers, as 192.168.110.254"
      case .notInterface(let text):
        return
          "invalid interface `\(text)`: 1 to 15 letters and digits, with single `.`, `_` or `-` between them"
      case .notPrefix6(let text):
        return
          "invalid IPv6 network `\(text)`: write one of 64 bits that guests can have, as fd12:3456:789a::/64, or auto "
          + "for a random one that is nobody's (RFC 4193)"
      case .notGateway6(let text):
        return
          "invalid IPv6 address `\(text)`: write one that a gateway can have, as fd12:3456:789a::2"
      case .outside6(let text, let network):
        return "invalid IPv6 address \(text): it is no router's in \(network), the network's own"
      }
    }
  }

  /// The keys and values of a new network.
  package func entry() throws(Flaw) -> [(key: String, value: String)] {
    switch mode {
    case "bridged":
      if gateway != nil { throw .refuses(mode: mode, "gateway") }
      if dhcpEnd != nil { throw .refuses(mode: mode, "dhcpEnd") }
      try refuseIPv6(mode)
      guard interface != nil else { throw .needs(mode: mode, "interface") }
    case "user-v2", "shared", "host":
      guard gateway != nil else { throw .needs(mode: mode, "gateway") }
      if interface != nil { throw .refuses(mode: mode, "interface") }
    default: break
    }
    var entry = [(key: "mode", value: mode)]
    for (key, value) in try changes() { if let value { entry.append((key, value)) } }
    return entry
  }

  /// The given arguments as keys to set.
  package func changes() throws(Flaw) -> [NetworksText.Change] {
    var changes: [NetworksText.Change] = []
    if let gateway {
      let (address, length) = try Self.parse(gateway)
      changes.append(("gateway", "\(address)"))
      changes.append(("netmask", "\(IPv4Address(IPv4Subnet.mask(length)))"))
    }
    if let dhcpEnd {
      guard let address = IPv4Address(dhcpEnd) else { throw .notAddress(dhcpEnd) }
      changes.append(("dhcpEnd", "\(address)"))
    }
    if let interface {
      // The rules of sudoers, of file names and of Lima.
      guard Identifier.isValid(interface), interface.utf8.count < 16 else {
        throw .notInterface(interface)
      }
      changes.append(("interface", interface))
    }
    return try changes + changes6()
  }

  /// All changes of a network that gets these settings.
  package func changes(of before: NetworkConfiguration) throws(Flaw) -> [NetworksText.Change] {
    var changes = try changes()
    if !mode.isEmpty { changes.insert(("mode", mode), at: 0) }
    changes += try completion(of: before)
    changes += try completion6(of: before)
    if let end = before.settings.dhcpEnd, dhcpEnd == nil, let gateway,
      !changes.contains(where: { $0.key == "dhcpEnd" })
    {
      changes += Self.end(end, movedTo: gateway)
    }
    return changes
  }

  /// Additional changes of an edited network: keys without an effect in its mode are removed.
  /// - Throws: if a required key of its mode would be missing, or a given one has no effect.
  package func completion(of before: NetworkConfiguration) throws(Flaw) -> [NetworksText.Change] {
    let settings = before.settings
    let mode = mode.isEmpty ? settings.mode : mode
    switch mode {
    case "bridged":
      if gateway != nil { throw .refuses(mode: mode, "gateway") }
      if dhcpEnd != nil { throw .refuses(mode: mode, "dhcpEnd") }
      try refuseIPv6(mode)
      guard !(interface ?? settings.interface ?? "").isEmpty || before.peerSocket != nil else {
        throw .needs(mode: mode, "interface")
      }
      return [("gateway", nil), ("netmask", nil), ("dhcpEnd", nil)]
    case "user-v2", "shared", "host":
      if interface != nil { throw .refuses(mode: mode, "interface") }
      if mode == "user-v2", gateway == nil, settings.gateway == nil {
        throw .needs(mode: mode, "gateway")
      }
      return [("interface", nil)]
    default: return []
    }
  }

  /// The change of a `dhcpEnd` outside of the subnet of a new gateway: that subnet's last address.
  package static func end(_ end: IPv4Address, movedTo gateway: String) -> [NetworksText.Change] {
    guard let (address, length) = try? parse(gateway) else { return [] }
    let subnet = IPv4Subnet(containing: address, prefixLength: length)
    return subnet.contains(end) ? [] : [("dhcpEnd", "\(subnet.lastHost)")]
  }

  /// A gateway with its prefix length, which defaults to /24.
  static func parse(_ text: String) throws(Flaw) -> (IPv4Address, Int) {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let address = IPv4Address(String(parts[0])) else { throw .notCIDR(text) }
    var length = 24
    if parts.count > 1 {
      guard parts[1].utf8.allSatisfy({ (48...57).contains($0) }), let given = Int(parts[1]),
        (0...32).contains(given)
      else { throw .notCIDR(text) }
      length = given
    }
    guard address.isUnicast else { throw .notUnicast("\(address)") }
    return (address, length)
  }
}
