// SPDX-License-Identifier: Apache-2.0
//
// Text about instances for users.

import Daemon

enum InstanceText {
  static func table(_ instances: [InstanceReport]) -> String {
    var table = Table("INSTANCE", "ADDRESS", "SSH", "NETWORKS", "FORWARDS")
    for instance in instances {
      table.add(
        instance.name, instance.address, "127.0.0.1:\(instance.sshLocalPort)",
        instance.interfaces.map { $0.network ?? $0.qemu ?? "vzNAT" }.joined(separator: ", "),
        instance.error.map { "not up: \($0)" } ?? forwards(instance))
    }
    return table.isEmpty ? "No instance is up." : table.text
  }

  /// "2 open, 1 waiting"
  private static func forwards(_ instance: InstanceReport) -> String {
    ForwardState.allCases.compactMap { state in
      let count = instance.forwards.count { $0.state == state }
      return count == 0 ? nil : "\(count) \(state.rawValue)"
    }.joined(separator: ", ")
  }

  static func details(_ instance: InstanceReport) -> String {
    if let error = instance.error {
      return "\(instance.name) was up, and is not: \(error)"
    }
    var lines = [
      "\(instance.name) is up: \(instance.address.map { "its guest is \($0)" } ?? "its guest has no address yet")"
    ]
    for interface in instance.interfaces {
      let end = interface.network.map { "network \($0)" } ?? interface.qemu ?? "Apple's NAT"
      lines.append("  \(interface.name)  \(interface.mac)  \(end)")
    }
    for forward in instance.forwards {
      let state = ForwardText.state(forward.state, forward.reason)
      lines.append(
        "  \(forward.protocol) \(forward.host) to \(forward.guest ?? "the guest")  \(state)")
    }
    if !instance.nameservers.isEmpty {
      lines.append("  name server  \(instance.nameservers.joined(separator: ", "))")
    }
    for (name, addresses) in instance.names.sorted(by: { $0.key < $1.key }) {
      lines.append("  \(name)  \(addresses.joined(separator: ", "))")
    }
    return lines.joined(separator: "\n")
  }
}
