// SPDX-License-Identifier: Apache-2.0
//
// EgressOptions: the option `egress` read: a preset's name, or rules, a default and `host`; and `closedNetworks`.

import LimaNetdSDK
import NetStack
import Wire

/// Reads `egress` and `closedNetworks`.
package enum EgressOptions {
  /// - Returns: what holds when the options are absent, too: everything but link-local addresses.
  package static func read(_ options: Options) throws(PluginFailure) -> EgressPolicy {
    var policy = try rules(options)
    policy.closed = try closed(options.json["closedNetworks"] ?? .null)
    return policy
  }

  /// Each with an address in it, which stays reachable.
  private static func closed(_ value: JSONValue) throws(PluginFailure) -> [CIDR] {
    if value == .null { return [] }
    guard case .array(let values) = value, values.count <= EgressPolicy.maximumTerms else {
      throw .invalid(
        "/closedNetworks", "no list of at most \(EgressPolicy.maximumTerms) networks")
    }
    var networks: [CIDR] = []
    for (index, value) in values.enumerated() {
      guard case .string(let text) = value, let network = CIDR(text) else {
        throw .invalid(
          "/closedNetworks/\(index)", "no network with an address in it, as 192.168.106.1/24")
      }
      networks.append(network)
    }
    return networks
  }

  private static func rules(_ options: Options) throws(PluginFailure) -> EgressPolicy {
    switch options.json["egress"] {
    case .null, nil: return EgressPolicy()
    case .string(let name): return try preset(name, "/egress")
    case .object(let members): return try policy(members)
    default: throw .invalid("/egress", "neither a preset's name nor an object")
    }
  }

  private static func preset(_ name: String, _ pointer: String) throws(PluginFailure)
    -> EgressPolicy
  {
    switch name {
    case "internet": return .internet
    case "none": return .none
    case "all": return .all
    default: throw .invalid(pointer, "\(name) is no preset: internet, none, all")
    }
  }

  /// The rules precede those of the preset; `default` and `host` replace the preset's.
  private static func policy(_ members: JSONObject) throws(PluginFailure) -> EgressPolicy {
    var policy = EgressPolicy()
    if let value = members["preset"], value != .null {
      guard case .string(let name) = value else { throw .invalid("/egress/preset", "not a text") }
      policy = try preset(name, "/egress/preset")
    }
    if let value = members["default"], value != .null {
      switch value {
      case .string("allow"): policy.allowsOthers = true
      case .string("deny"):
        policy.allowsOthers = false
        // A policy that denies by default includes the host's loopback.
        policy.reachesHost = false
      default: throw .invalid("/egress/default", "neither allow nor deny")
      }
    }
    if let value = members["host"], value != .null {
      guard case .bool(let reaches) = value else {
        throw .invalid("/egress/host", "neither true nor false")
      }
      policy.reachesHost = reaches
    }
    if let value = members["rules"], value != .null {
      guard case .array(let values) = value else { throw .invalid("/egress/rules", "not a list") }
      var rules: [EgressPolicy.Rule] = []
      var terms = 0
      for (index, value) in values.enumerated() {
        let rule = try rule(value, "/egress/rules/\(index)", label: "rule \(index + 1)")
        terms += 1 + rule.networks.count + rule.ports.count
        guard terms <= EgressPolicy.maximumTerms else {
          throw .invalid(
            "/egress/rules",
            "more than \(EgressPolicy.maximumTerms) networks and ports of all rules together")
        }
        rules.append(rule)
      }
      policy.rules = rules + policy.rules
    }
    for name in members.members.map(\.name)
    where !["preset", "default", "host", "rules"].contains(name) {
      throw .invalid("/egress/\(name)", "unknown: preset, default, host, rules are known")
    }
    return policy
  }

  private static func rule(_ value: JSONValue, _ pointer: String, label: String)
    throws(PluginFailure) -> EgressPolicy.Rule
  {
    guard case .object(let members) = value else { throw .invalid(pointer, "not an object") }
    for name in members.members.map(\.name)
    where !["allow", "deny", "ports", "protocol"].contains(name) {
      throw .invalid("\(pointer)/\(name)", "unknown: allow, deny, ports, protocol are known")
    }
    let allow = members["allow"] ?? .null
    let deny = members["deny"] ?? .null
    guard (allow == .null) != (deny == .null) else {
      throw .invalid(pointer, "a rule has either allow or deny")
    }
    let verb = allow == .null ? "deny" : "allow"
    var rule = EgressPolicy.Rule(allows: verb == "allow", label: label)
    rule.networks = try networks(allow == .null ? deny : allow, "\(pointer)/\(verb)")
    rule.protocols = try protocols(members["protocol"] ?? .null, "\(pointer)/protocol")
    rule.ports = try ports(members["ports"] ?? .null, "\(pointer)/ports")
    if !rule.ports.isEmpty {
      if rule.protocols.isEmpty {
        rule.protocols = [IPProtocol.tcp, IPProtocol.udp]
      } else if rule.protocols.contains(where: { $0 != IPProtocol.tcp && $0 != IPProtocol.udp }) {
        throw .invalid("\(pointer)/ports", "icmp has no ports")
      }
    }
    return rule
  }

  /// One value, or several.
  private static func list(_ value: JSONValue) -> [JSONValue] {
    if case .array(let values) = value { return values }
    return value == .null ? [] : [value]
  }

  /// - Returns: empty for `any`.
  private static func networks(_ value: JSONValue, _ pointer: String) throws(PluginFailure)
    -> [CIDR]
  {
    var networks: [CIDR] = []
    let values = list(value)
    if values.isEmpty { throw .invalid(pointer, "no network: \"any\" is every one") }
    for value in values {
      guard case .string(let text) = value else { throw .invalid(pointer, "not a text") }
      switch text {
      case "any":
        guard values.count == 1 else { throw .invalid(pointer, "any is every network already") }
      case "special": networks += EgressPolicy.special
      default:
        let network = CIDR(text) ?? IPAddress(text).flatMap { CIDR($0, prefixLength: $0.bitWidth) }
        guard let network else {
          throw .invalid(
            pointer, "\(text) is no network as 10.0.0.0/8, address, \"any\" or \"special\"")
        }
        guard network.network == network.address else {
          throw .invalid(
            pointer,
            "\(text) has bits behind its prefix: \(network.network)/\(network.prefixLength)")
        }
        networks.append(network)
      }
    }
    return networks
  }

  private static func protocols(_ value: JSONValue, _ pointer: String) throws(PluginFailure)
    -> [UInt8]
  {
    var numbers: [UInt8] = []
    for value in list(value) {
      switch value {
      case .string("tcp"): numbers.append(IPProtocol.tcp)
      case .string("udp"): numbers.append(IPProtocol.udp)
      case .string("icmp"): numbers += [IPProtocol.icmp, IPProtocol.icmpV6]
      default: throw .invalid(pointer, "none of tcp, udp, icmp")
      }
    }
    return numbers
  }

  /// 443, "443", "8000-8100".
  private static func ports(_ value: JSONValue, _ pointer: String) throws(PluginFailure)
    -> [ClosedRange<UInt16>]
  {
    var ranges: [ClosedRange<UInt16>] = []
    for value in list(value) {
      let text: String
      switch value {
      case .integer(let number): text = String(number)
      case .string(let string): text = string
      default: throw .invalid(pointer, "neither a port nor a range of them")
      }
      let ends = text.split(separator: "-", omittingEmptySubsequences: false)
      guard let first = ends.first.flatMap({ UInt16($0) }), first > 0, ends.count <= 2,
        let last = ends.count == 2 ? UInt16(ends[1]) : first, first <= last
      else { throw .invalid(pointer, "\(text) is no port and no range of them, as 8000-8100") }
      ranges.append(first...last)
    }
    return ranges
  }
}
