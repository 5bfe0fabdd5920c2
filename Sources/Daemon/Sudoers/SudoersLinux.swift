// SPDX-License-Identifier: Apache-2.0
//
// SudoersLinux: the lines that allow lima-netd-tap without a password: the exact arguments of each network with an
// interface of the host. No wildcards, no digests. Pure.

package struct SudoersLinux: Sendable {
  package enum Who: Hashable, Sendable {
    case group(String)
    case user(name: String?, uid: UInt32)
  }

  package var who: Who
  /// Absolute.
  package var helper: String
  /// Bridges that Lima's own helper has at present, by network: joining one needs other arguments than an own interface.
  package var joined: [String: String]

  package init(who: Who, helper: String, joined: [String: String] = [:]) {
    self.who = who
    self.helper = helper
    self.joined = joined
  }

  /// The helper's arguments for a network's interface; nil if it has none.
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
      // The arguments contain values of the network's options: "10.1.0.1/16", a number, a bridge.
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
