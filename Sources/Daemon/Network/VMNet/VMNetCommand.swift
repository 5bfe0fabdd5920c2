// SPDX-License-Identifier: Apache-2.0
//
// VMNetCommand: the words by which Lima runs socket_vmnet for a network, to the letter: sudoers names them
// (`limactl sudoers`). Source: lima pkg/networks/commands.go. Values; no system calls.

package struct VMNetCommand: Sendable, Hashable {
  package enum Mode: Sendable, Hashable {
    case bridged(interface: String)
    case routed(mode: String, gateway: String, dhcpEnd: String, mask: String)
  }

  package var network: String
  package var mode: Mode
  package var paths: NetworksPaths

  package init(network: String, mode: Mode, paths: NetworksPaths) {
    self.network = network
    self.mode = mode
    self.paths = paths
  }

  package var pidFile: String { "\(paths.varRun)/\(network)_socket_vmnet.pid" }
  package var socket: String { "\(paths.varRun)/socket_vmnet.\(network)" }

  /// Makes the folder of both.
  package var makeFolder: [String] { ["/bin/mkdir", "-m", "775", "-p", paths.varRun] }

  package var start: [String] {
    var words = [paths.socketVMNet, "--pidfile=\(pidFile)", "--socket-group=\(paths.group)"]
    switch mode {
    case .bridged(let interface):
      words += ["--vmnet-mode=bridged", "--vmnet-interface=\(interface)"]
    case .routed(let mode, let gateway, let dhcpEnd, let mask):
      words += [
        "--vmnet-mode=\(mode)", "--vmnet-gateway=\(gateway)", "--vmnet-dhcp-end=\(dhcpEnd)",
        "--vmnet-mask=\(mask)",
      ]
    }
    return words + [socket]
  }

  package var stop: [String] { ["/usr/bin/pkill", "-F", pidFile] }

  /// The same as root, without asking for a password.
  package static func asRoot(_ words: [String]) -> [String] {
    ["/usr/bin/sudo", "--user", "root", "--group", "wheel", "--non-interactive"] + words
  }
}
