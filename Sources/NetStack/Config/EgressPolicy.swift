// SPDX-License-Identifier: Apache-2.0
//
// EgressPolicy: which destinations outside the network a guest's new flows may have. Evaluated once per flow, when it
// begins (Policy.swift), and for existing flows when the rules change. It does not apply to forwards to guests, the
// network's DNS and traffic between guests.
//
// The first match decides: the host's own addresses if `host` is false, the rules in order, link-local addresses (RFC
// 3927, RFC 4291 §2.5.6: cloud metadata services are among them) and closed networks, which are denied, and then the
// default.

import Wire

/// A flow that a guest begins. Rules by domain name would add the names for which DNS returned the address to the
/// guest.
public struct EgressQuestion: Equatable, Sendable {
  /// IP protocol number.
  public var proto: UInt8
  /// Port 0 of protocols without ports.
  public var destination: Endpoint

  public init(proto: UInt8, destination: Endpoint) {
    self.proto = proto
    self.destination = destination
  }
}

/// Why a flow was denied.
public enum EgressReason: Equatable, Sendable {
  /// The host's own address, and `host` is false.
  case host
  /// - Parameter label: the rule's.
  case rule(label: String)
  case linkLocal
  /// A network of the host's whose guests are reached by the host alone.
  case closedNetwork
  case standard
}

public enum EgressVerdict: Equatable, Sendable {
  case allowed
  case denied(EgressReason)
}

/// Rules and a default. A value; a decision costs one comparison per network in the rules.
public struct EgressPolicy: Equatable, Sendable {
  /// Maximum networks and port ranges of all rules together: it keeps a decision within some microseconds.
  public static let maximumTerms = 1024

  public struct Rule: Equatable, Sendable {
    public var allows: Bool
    /// Empty: every address of both families.
    public var networks: [CIDR]
    /// Empty: every port, and protocols without ports.
    public var ports: [ClosedRange<UInt16>]
    /// IP protocol numbers; empty: every one.
    public var protocols: [UInt8]
    /// For users: "rule 2", the name of a preset.
    public var label: String

    public init(
      allows: Bool, networks: [CIDR] = [], ports: [ClosedRange<UInt16>] = [],
      protocols: [UInt8] = [], label: String
    ) {
      self.label = label
      self.allows = allows
      self.networks = networks
      self.ports = ports
      self.protocols = protocols
    }

    func matches(_ question: EgressQuestion) -> Bool {
      if !protocols.isEmpty, !protocols.contains(question.proto) { return false }
      if !ports.isEmpty, !ports.contains(where: { $0.contains(question.destination.port) }) {
        return false
      }
      guard !networks.isEmpty else { return true }
      let address = question.destination.address
      let translated = address.translated
      return networks.contains { network in
        network.contains(address) || translated.map { network.contains($0) } ?? false
      }
    }
  }

  public var rules: [Rule]
  /// Networks of the host's whose guests only the host itself may reach, each with the host's address in it: that one
  /// stays reachable. Denied unless a rule allows them.
  public var closed: [CIDR] = []
  /// The default, for flows that no rule matches and that are neither link-local nor to a closed network.
  public var allowsOthers: Bool
  /// Whether the host's own addresses may be destinations. False: they are denied, whatever the rules say, and the
  /// gateway's address does not lead to the host's loopback.
  public var reachesHost: Bool

  public init(rules: [Rule] = [], allowsOthers: Bool = true, reachesHost: Bool = true) {
    self.rules = rules
    self.allowsOthers = allowsOthers
    self.reachesHost = reachesHost
  }

  /// - Parameter isOfHost: whether an address is one of the host's own; called only where that decides.
  public func decide(
    _ question: EgressQuestion, isOfHost: (IPAddress) -> Bool
  ) -> EgressVerdict {
    if !reachesHost {
      let destination = question.destination.address
      // Behind a NAT64 of the host's own network, too.
      if isOfHost(destination) || destination.translated.map(isOfHost) ?? false {
        return .denied(.host)
      }
    }
    for rule in rules where rule.matches(question) {
      return rule.allows ? .allowed : .denied(.rule(label: rule.label))
    }
    let address = question.destination.address.translated ?? question.destination.address
    if address.isLinkLocal { return .denied(.linkLocal) }
    if closed.contains(where: { $0.contains(address) && $0.address != address }) {
      return .denied(.closedNetwork)
    }
    return allowsOthers ? .allowed : .denied(.standard)
  }
}

extension IPAddress {
  /// In network order: 4 or 16.
  var octets: [UInt8] {
    isV4
      ? (0..<4).map { UInt8(truncatingIfNeeded: v4 >> (24 - 8 * $0)) }
      : [high, low].flatMap { half in
        (0..<8).map { UInt8(truncatingIfNeeded: half >> (56 - 8 * UInt64($0))) }
      }
  }

  /// The IPv4 address to which NAT64 translates this one: of the well-known prefix 64:ff9b::/96 (RFC 6052 §2.1).
  var translated: IPAddress? {
    high == 0x0064_ff9b_0000_0000 && low >> 32 == 0 ? IPAddress(v4: v4) : nil
  }
}

extension EgressPolicy {
  /// Networks outside the global Internet: private, shared, loopback, link-local, documentation, benchmark, multicast
  /// and reserved ones (RFC 6890 and its registries), of both families, and those of tunnels, whose inner destination
  /// is not visible (RFC 3056, RFC 4380). IPv4 addresses that a translator embeds are judged as IPv4
  /// (`IPAddress.translated`).
  public static let special: [CIDR] = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
    "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    "::/96", "64:ff9b:1::/48", "100::/64", "2001::/23",
    "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10",
    "ff00::/8",
  ].compactMap { CIDR($0) }

  /// The Internet, without the host and the networks that it is in.
  public static let internet = EgressPolicy(
    rules: [Rule(allows: false, networks: special, label: "internet")], reachesHost: false)
  /// Nothing outside the network.
  public static let none = EgressPolicy(allowsOthers: false, reachesHost: false)
  /// Everything, including link-local addresses.
  public static let all = EgressPolicy(rules: [Rule(allows: true, label: "all")])
}
