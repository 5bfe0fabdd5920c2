// SPDX-License-Identifier: Apache-2.0
//
// ForwardPolicy: the verdict of the FORWARD chain, from the output of `iptables -S FORWARD` or `nft list chain ip filter
// FORWARD`. A rule that accepts packets from or to a bridge counts as accepting. Pure.

package enum ForwardPolicy {
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
