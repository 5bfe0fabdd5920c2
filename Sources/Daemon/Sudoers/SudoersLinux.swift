// SPDX-License-Identifier: Apache-2.0
//
// SudoersLinux: the lines by which lima-netd-tap runs without a password: for each network that has an interface of the
// host's, its words and no others. No wildcard, no digest. Pure.

package struct SudoersLinux: Sendable {
  package enum Who: Hashable, Sendable {
    case group(String)
    case user(name: String?, uid: UInt32)
  }

  package var who: Who
  /// Absolute.
  package var helper: String
  /// Bridges that Lima's own helper keeps now, by network: joining one takes other words than an interface of one's own.
  package var joined: [String: String]

  package init(who: Who, helper: String, joined: [String: String] = [:]) {
    self.who = who
    self.helper = helper
    self.joined = joined
  }

  /// What a network's interface is asked for with; nil for one that has none.
  package static func words(_ network: NetworkConfiguration) -> [String]? {
    HostTapRequest.wanted(by: network)?.words("open")
  }

  package func text(_ networks: [NetworkConfiguration]) throws(SudoersError) -> String {
    try SudoersWords.check([helper], of: "the helper")
    let subject: String
    switch who {
    case .group(let name):
      guard Identifier.isValid(name) else { throw .refused("invalid group `\(name)`") }
      subject = "%" + name
    case .user(let name, let uid): subject = SudoersWords.user(name, uid: uid)
    }
    var text =
      "# The host's interfaces of lima-netd's networks, made without a password: lima-netd sudoers\n"
    for network in networks.sorted(by: { $0.name < $1.name }) {
      guard let words = Self.words(network) else { continue }
      // Its words hold what the network's options say: "10.1.0.1/16", a number, a bridge.
      try SudoersWords.check(words, of: "network \(network.name)")
      text += "\n# Network \"\(network.name)\" (\(network.settings.mode))\n"
      text += line(subject, words)
      if let bridge = joined[network.name] {
        let words = HostTapRequest(network: network.name, joining: bridge).words("open")
        try SudoersWords.check(words, of: "network \(network.name)")
        text += "# The same beside Lima's own helper, which keeps \(bridge)\n"
        text += line(subject, words)
      }
    }
    return text
  }

  private func line(_ subject: String, _ words: [String]) -> String {
    "\(subject) ALL=(root) NOPASSWD:NOSETENV: \(([helper] + words).joined(separator: " "))\n"
  }
}
