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

  package init(who: Who, helper: String) {
    self.who = who
    self.helper = helper
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
      text +=
        "\(subject) ALL=(root) NOPASSWD:NOSETENV: \(([helper] + words).joined(separator: " "))\n"
    }
    return text
  }
}
