// SPDX-License-Identifier: Apache-2.0
//
// Requirements of bridged networks on Linux: the bridge, and a firewall that accepts bridged frames.

import Platform

extension Diagnosis {
  func bridges() -> [Finding] {
    guard isLinux else { return [] }
    return networks(["bridged"]).filter { $0.peerSocket == nil }.map { network in
      resting(bridge(of: network), network)
    }
  }

  /// Whether the network's interface can carry guests.
  package func bridge(of network: NetworkConfiguration) -> Finding {
    guard let request = HostTapRequest(network), case .bridge(let name) = request.place else {
      return Finding(
        .bridge, ["bridged"], .problem, "network \(network.name) names no interface",
        remedy: edit(network, "br0"))
    }
    let head = "network \(network.name): \(name)"
    switch facts.links.interfaces[name] ?? .missing {
    case .bridge: return Finding(.bridge, ["bridged"], .ok, "\(head) is a bridge")
    case .openVSwitch:
      return Finding(.bridge, ["bridged"], .ok, "\(head) is a bridge of Open vSwitch")
    case .wireless:
      return Finding(
        .bridge, ["bridged"], .problem,
        "\(head) is a wireless card: access points take one station's frames only; take shared instead",
        remedy: "\(facts.command) recommend --from host")
    case .card(isPort: false):
      return Finding(
        .bridge, ["bridged"], .ok,
        "\(head) is a network card: each guest gets a macvtap, and this host and the guests do not reach each other"
      )
    case .card(isPort: true):
      let master = facts.links.masters[name]
      return Finding(
        .bridge, ["bridged"], .problem,
        "\(head) is a port of \(master ?? "something that guests cannot be on")"
          + (master == nil ? others : ": that one is to be the network's interface"),
        remedy: master.map { edit(network, $0) } ?? another(network))
    case .plain:
      return Finding(
        .bridge, ["bridged"], .problem,
        "\(head) is neither a bridge nor a network card\(others)", remedy: another(network))
    case .missing:
      if let meant = Identifier.nearest(to: name, among: facts.links.candidates) {
        return Finding(
          .bridge, ["bridged"], .problem, "\(head) is not there: did you mean `\(meant)`?",
          remedy: edit(network, meant))
      }
      // A bridge without a port of the LAN carries nobody's DHCP: what is made in a hurry is a dead network.
      let candidate = likeliest ?? facts.links.candidates.sorted().first { !isOthers($0) }
      return Finding(
        .bridge, ["bridged"], .problem,
        "\(head) is not there\(others)"
          + (candidate == nil ? ", and no network card: take shared instead" : ""),
        remedy: candidate.map { edit(network, $0) }
          ?? "\(facts.command) recommend --from host")
    }
  }

  /// Interfaces of this host that could be the network's.
  private var others: String {
    facts.links.candidates.isEmpty
      ? "" : ": \(Plural.there(facts.links.candidates.sorted(), most: 5))"
  }

  /// Whether it is a bridge of containers or other virtual machines by its usual name, without a LAN.
  private func isOthers(_ name: String) -> Bool {
    ["docker", "br-", "podman", "cni", "lxc", "lxd", "incus", "virbr", "lima-"]
      .contains(where: name.hasPrefix)
  }

  /// The one that leads to the LAN, by the host's default route.
  private var likeliest: String? {
    facts.ip.routes.lazy.filter { $0.prefixLength == 0 }.map(\.interface)
      .first(where: facts.links.candidates.contains)
  }

  /// Without a LAN interface proposes another kind of network.
  private func another(_ network: NetworkConfiguration) -> String {
    likeliest.map { edit(network, $0) } ?? "\(facts.command) recommend --from host"
  }

  private func edit(_ network: NetworkConfiguration, _ interface: String) -> String {
    "\(facts.command) network edit \(network.name) --interface \(interface)\(homeWords)"
  }

  func bridgeFilter() -> [Finding] {
    guard isLinux else { return [] }
    let filter = facts.kernel.bridgeFilter
    let remedy = sysctl("net.bridge.bridge-nf-call-iptables=0")
    // br_netfilter is of the kernel's own bridge: neither Open vSwitch nor a card's macvtaps meet it.
    let kinds = networks(["bridged"]).compactMap(\.settings.interface).map {
      facts.links.interfaces[$0] ?? .bridge
    }
    guard filter.isOn, kinds.isEmpty || kinds.contains(.bridge) else {
      return [Finding(.bridgeFilter, ["bridged"], .ok, "the firewall leaves bridged frames alone")]
    }
    switch filter.forward {
    case .accept:
      if let chain = filter.dropping?.first {
        return [
          Finding(
            .bridgeFilter, ["bridged"], .warning,
            "net.bridge.bridge-nf-call-iptables is 1, and the chain `\(chain)` of nftables drops what no rule of it "
              + "accepts: bridged guests may reach nothing",
            remedy: remedy)
        ]
      }
      return [
        Finding(
          .bridgeFilter, ["bridged"], .ok,
          "the firewall sees bridged frames, and "
            + (filter.dropping == nil
              ? "iptables' FORWARD chain accepts them (nftables' own rules were not looked at)"
              : "accepts them (iptables' FORWARD chain, nftables' forward hooks)"))
      ]
    case .drop:
      return [
        Finding(
          .bridgeFilter, ["bridged"], .problem,
          "net.bridge.bridge-nf-call-iptables is 1 and the FORWARD policy DROP (docker leaves it so): frames of bridged guests are dropped",
          remedy: remedy)
      ]
    case .unknown:
      return [
        Finding(
          .bridgeFilter, ["bridged"], .warning,
          "net.bridge.bridge-nf-call-iptables is 1, and the FORWARD policy is root's to read: if it is DROP, frames of bridged guests are dropped",
          remedy: asRoot("\(facts.command) doctor bridged\(homeWords)"))
      ]
    }
  }
}
