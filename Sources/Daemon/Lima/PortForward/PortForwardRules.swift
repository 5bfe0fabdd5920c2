// SPDX-License-Identifier: Apache-2.0
//
// PortForwardRules: the effective list of an instance. The first matching rule decides. Two rules precede the instance's
// own: they exclude the guest's SSH server, and a listener on the host's SSH port. One follows them: it forwards the
// guest's loopback to the host's.

package enum PortForwardDecision: Sendable, Hashable {
  case forward(HostEnd)
  /// A rule excludes it, or no rule matches.
  case ignore
  /// A static rule has the port already: a listener needs no action.
  case isStatic
}

package struct PortForwardRules: Sendable {
  package let rules: [PortForwardRule]

  /// - Parameters:
  ///   - instance: the instance's own rules, in order of precedence.
  ///   - sshLocalPort: 0 if there is none.
  ///   - plain: only static rules are used.
  package init(instance: [PortForwardRule], sshLocalPort: Int, plain: Bool = false) {
    func ignoring(_ port: Int) -> PortForwardRule {
      PortForwardRule(guestIP: .anyIPv4, guestPorts: port...port, ignores: true)
    }
    guard !plain else {
      rules = instance.filter(\.isStatic)
      return
    }
    rules =
      [ignoring(22)] + (sshLocalPort > 0 ? [ignoring(sshLocalPort)] : []) + instance
      + [PortForwardRule()]
  }

  /// The decision for a listener of the guest.
  package func decision(for listener: GuestListener) -> PortForwardDecision {
    // Lima compares the port only.
    if rules.contains(where: { $0.isStatic && $0.guestPorts.contains(listener.port) }) {
      return .isStatic
    }
    for rule in rules where rule.covers(listener) {
      guard rule.ignores else { return .forward(rule.hostEnd(ofGuestPort: listener.port)) }
      // A rule for one address does not exclude the other addresses of an unspecified listener.
      if listener.address.isUnspecified, !rule.guestIP.isUnspecified { continue }
      return .ignore
    }
    return .ignore
  }
}
