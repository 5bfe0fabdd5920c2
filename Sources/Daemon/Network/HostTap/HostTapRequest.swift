// SPDX-License-Identifier: Apache-2.0
//
// HostTapRequest: which TAP a network needs of the host, as its options say, and how lima-netd-tap is
// asked for it. Values; no system calls.

import HostProtocol
import Platform

package struct HostTapRequest: Sendable, Hashable, Codable {
  package enum Place: Sendable, Hashable, Codable {
    /// "192.168.105.1/24"
    case address(String)
    /// A port of this bridge.
    case bridge(String)
  }

  package var network: String
  package var place: Place
  /// Beside the address of `place`: "fd12:3456:789a::1/64". Nil: the network has no IPv6.
  package var address6: String?
  /// 0: the bridge's own.
  package var mtu: Int
  /// Open vSwitch: the logical port of OVN that the TAP is.
  package var ifaceID: String?

  /// Nil when the options name neither a bridge nor a gateway.
  package init?(network: String, options: JSONObject) {
    self.network = network
    if case .string(let bridge) = options["interface"], !bridge.isEmpty {
      place = .bridge(bridge)
      mtu = 0
      if case .string(let id) = options["ifaceId"] { ifaceID = id }
      return
    }
    guard case .string(let text) = options["gateway"], let gateway = IPv4Address(text) else {
      return nil
    }
    var prefixLength = 24
    if case .string(let mask) = options["netmask"] {
      guard let mask = IPv4Address(mask), let length = IPv4Subnet.prefixLength(ofMask: mask) else {
        return nil
      }
      prefixLength = length
    }
    place = .address("\(gateway)/\(prefixLength)")
    mtu = options["mtu"]?.integer() ?? 1500
    // RFC 8200 §5: no link with less carries IPv6.
    guard mtu >= 1280, options["ipv6"] != .bool(false) else { return }
    address6 =
      (IPv6Network.named(by: options, gateway: 1)
      ?? .onHost(of: network, machineID: MachineID.current)).description
  }

  /// A port of a bridge that somebody else keeps.
  package init(network: String, joining bridge: String) {
    self.network = network
    place = .bridge(bridge)
    mtu = 0
  }

  /// The same of what networks.yaml says, without any plugin's schema.
  package init?(_ network: NetworkConfiguration) {
    var options = network.settings.options
    for member in network.settings.commonOptions.members where options[member.name] == nil {
      options[member.name] = member.value
    }
    self.init(network: network.name, options: options)
  }

  /// The helper's words: always the same for a network, so that sudoers can name them.
  package func words(_ verb: String) -> [String] {
    switch place {
    case .bridge(let bridge): [verb, network, "--bridge", bridge]
    case .address(let address):
      [verb, network, "--address", address]
        + (address6.map { ["--address6", Self.plain($0)] } ?? [])
        + (mtu == 1500 ? [] : ["--mtu", "\(mtu)"])
    }
  }

  /// Colons mean something in sudoers.
  private static func plain(_ address: String) -> String {
    String(address.map { $0 == ":" ? "-" : $0 })
  }

  /// The same without IPv6: what sudo was told to allow before networks of the host's had it.
  package var withoutIPv6: HostTapRequest {
    var request = self
    request.address6 = nil
    return request
  }
}

extension HostTapRequest {
  /// Modes of lima-netd's own that have no interface of the host's.
  package static let modesWithout = ["slirp", "user-v2"]

  /// What a network of networks.yaml asks for; nil for one that has no interface of the host's.
  package static func wanted(by network: NetworkConfiguration) -> HostTapRequest? {
    modesWithout.contains(network.settings.mode) || network.peerSocket != nil
      ? nil : HostTapRequest(network)
  }
}
