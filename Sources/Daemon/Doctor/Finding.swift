// SPDX-License-Identifier: Apache-2.0
//
// Finding: a requirement of modes on this host, and whether it is met. The members are those of `lima-netd doctor --json`
// (docs/doctor.md): their names are stable, texts are for users.

package struct Finding: Codable, Hashable, Sendable {
  package enum Status: String, Codable, Sendable, CaseIterable {
    case ok
    /// Works with restrictions, or not permanently.
    case warning
    /// A requirement of these modes is not met.
    case problem
  }

  /// "tun", "sudo", ...: raw values of `DoctorCheck`.
  package var check: String
  package var modes: [String]
  package var status: Status
  /// One sentence, without a full stop.
  package var text: String
  /// A command for a shell; nil: nothing to do, or no single command does it.
  package var remedy: String?

  package init(
    _ check: DoctorCheck, _ modes: [String], _ status: Status, _ text: String,
    remedy: String? = nil
  ) {
    self.check = check.rawValue
    self.modes = modes
    self.status = status
    self.text = text
    self.remedy = remedy
  }

  /// Restricted to these modes; nil if it concerns none of them.
  package func about(_ wanted: Set<String>) -> Finding? {
    var finding = self
    finding.modes = modes.filter(wanted.contains)
    return finding.modes.isEmpty ? nil : finding
  }

  /// Whether no finding for one of `modes` is a problem.
  package static func allWell(_ findings: [Finding], for modes: Set<String>) -> Bool {
    !findings.contains { $0.status == .problem && !modes.isDisjoint(with: $0.modes) }
  }
}

/// In the order of the report.
package enum DoctorCheck: String, CaseIterable, Sendable {
  case configuration, home, daemon, runtime, descriptors, confinement, inotify, tun
  case userNamespaces = "user-namespaces"
  case pingGroupRange = "ping-group-range"
  case resolver, subnet, helper, sudo, tap, bridge
  case openVSwitch = "open-vswitch"
  case bridgeFilter = "bridge-filter"
  case socketVMNet = "socket_vmnet"
  case sudoers
  case bootpd, firewall
}

package enum DoctorModes {
  package static let all = ["slirp", "user-v2", "shared", "host", "bridged"]
  /// Modes with an interface of the host.
  package static let withTap = NetworkConfiguration.modesWithInterface
  package static let withoutTap = HostTapRequest.modesWithout
  /// Modes whose guests reach other networks through sockets of the user.
  package static let translating = ["slirp", "user-v2", "shared"]
}
