// SPDX-License-Identifier: Apache-2.0
//
// ForwardPolicy: the verdict of the FORWARD chain, from the output of `iptables -S FORWARD` or `nft list chain ip filter
// FORWARD`. A rule that accepts packets from or to a bridge counts as accepting. Pure.

import HostProtocol

package enum ForwardPolicy {
  /// Of `nft -j list chains` (libnftables-json(5)): base chains of the hook `forward` that see frames which cross a bridge with
  /// br_netfilter, and whose policy is drop; not the one that iptables has, which `parse` is for. Nil: it is something else.
  package static func droppingChains(_ text: String) -> [String]? {
    guard let items = (try? JSONValue(parsing: text))?["nftables"]?.array else { return nil }
    return items.compactMap { item in
      guard let chain = item["chain"], chain["hook"]?.string == "forward",
        chain["policy"]?.string == "drop", let family = chain["family"]?.string,
        ["ip", "ip6", "inet", "bridge"].contains(family), let table = chain["table"]?.string,
        let name = chain["name"]?.string, (table, name) != ("filter", "FORWARD")
      else { return nil }
      return "\(family) \(table) \(name)"
    }
  }

  package static func parse(_ text: String) -> HostFacts.BridgeFilter.Policy {
    var policy = HostFacts.BridgeFilter.Policy.unknown
    for line in text.split(separator: "\n") {
      let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == ";" })
      if words.starts(with: ["-P", "FORWARD"]), words.count > 2 {
        policy = words[2] == "ACCEPT" ? .accept : .drop
      }
      if words.contains("hook"), words.contains("forward"),
        let index = words.firstIndex(of: "policy"), index + 1 < words.count
      {
        policy = words[index + 1] == "accept" ? .accept : .drop
      }
      // "-A FORWARD -m physdev --physdev-is-bridged -j ACCEPT", the usual exception.
      if words.contains("--physdev-is-bridged"), words.last == "ACCEPT", policy == .drop {
        return .accept
      }
    }
    return policy
  }
}
