// SPDX-License-Identifier: Apache-2.0
//
// PortForwardRules: the effective list of an instance. The first rule that covers a listener decides. Before the
// instance's own stand two that keep the guest's SSH server, and a listener on the host's SSH port, out of it; behind
// them one that forwards the guest's loopback to the host's.

package enum PortForwardDecision: Sendable, Hashable {
  case forward(HostEnd)
  /// Some rule says so, or none says otherwise.
  case ignore
  /// A static rule has its port already: there is nothing to do when a listener comes.
  case isStatic
}

package struct PortForwardRules: Sendable {
  package let rules: [PortForwardRule]

  /// - Parameters:
  ///   - instance: the instance's own, in order of precedence.
  ///   - sshLocalPort: 0 when it has none.
  ///   - plain: only the static ones hold.
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

  /// What becomes of a listener of the guest.
  package func decision(for listener: GuestListener) -> PortForwardDecision {
    // Lima looks at the port alone.
    if rules.contains(where: { $0.isStatic && $0.guestPorts.contains(listener.port) }) {
      return .isStatic
    }
    for rule in rules where rule.covers(listener) {
      guard rule.ignores else { return .forward(rule.hostEnd(ofGuestPort: listener.port)) }
      // To ignore one address says nothing about the others that an unspecified listener has, too.
      if listener.address.isUnspecified, !rule.guestIP.isUnspecified { continue }
      return .ignore
    }
    return .ignore
  }
}
