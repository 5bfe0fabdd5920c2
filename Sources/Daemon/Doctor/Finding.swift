// SPDX-License-Identifier: Apache-2.0
//
// Finding: one thing that modes need of this host, and how it stands. The members are those of `lima-netd doctor --json`
// (docs/doctor.md): names are a promise, texts are for people.

package struct Finding: Codable, Hashable, Sendable {
  package enum Status: String, Codable, Sendable, CaseIterable {
    case ok
    /// Works, but not all of it, or not for long.
    case warning
    /// Something that these modes need is not there.
    case problem
  }

  /// "tun", "sudo", ...: `DoctorCheck`'s words.
  package var check: String
  package var modes: [String]
  package var status: Status
  /// One sentence, without a full stop.
  package var text: String
  /// A command for a shell; nil: there is nothing to do, or no one command does it.
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

  /// For these modes only; nil where it is about none of them.
  package func about(_ wanted: Set<String>) -> Finding? {
    var finding = self
    finding.modes = modes.filter(wanted.contains)
    return finding.modes.isEmpty ? nil : finding
  }

  /// Nothing that one of `modes` needs is a problem.
  package static func allWell(_ findings: [Finding], for modes: Set<String>) -> Bool {
    !findings.contains { $0.status == .problem && !modes.isDisjoint(with: $0.modes) }
  }
}

/// In the order in which they are told.
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
  /// They have an interface of the host's.
  package static let withTap = NetworkConfiguration.modesWithInterface
  package static let withoutTap = HostTapRequest.modesWithout
  /// Their guests reach the outside by sockets of the user.
  package static let translating = ["slirp", "user-v2", "shared"]
}
