// SPDX-License-Identifier: Apache-2.0
//
// SudoersMacOS: the text of `limactl sudoers`, byte for byte (pkg/networks/sudoers.go, commands.go), so that both programs
// accept the same file. Pure.

package struct SudoersMacOS: Sendable {
  package var paths: NetworksPaths
  /// Without socket_vmnet the text has comments only.
  package var isInstalled: Bool

  package init(paths: NetworksPaths, isInstalled: Bool) {
    self.paths = paths
    self.isInstalled = isInstalled
  }

  /// Modes that socket_vmnet serves.
  package static let modes: Set<String> = ["shared", "host", "bridged"]

  package func text(_ networks: [NetworkConfiguration]) throws(SudoersError) -> String {
    let served = networks.filter { Self.modes.contains($0.settings.mode) }
      .sorted { Array($0.name.utf8).lexicographicallyPrecedes(Array($1.name.utf8)) }
    if let flaw = paths.flaw(ofNames: served) { throw .refused(flaw) }
    try SudoersWords.check([paths.varRun], of: "paths.varRun")
    if isInstalled { try SudoersWords.check([paths.socketVMNet], of: "paths.socketVMNet") }
    let head = "%\(paths.group) ALL=(root:wheel) NOPASSWD:NOSETENV:"
    var text = "\(head) \(mkdir.joined(separator: " "))\n"
    for network in served {
      text += "\n# Manage \"\(network.name)\" network daemons\n"
      guard isInstalled else { continue }
      let commands = [start(network), stop(network.name)].map { $0.joined(separator: " ") }
      text += "\n\(head) \\\n    \(commands.joined(separator: ", \\\n    "))\n"
    }
    return text
  }

  var mkdir: [String] { ["/bin/mkdir", "-m", "775", "-p", paths.varRun] }

  func pidFile(_ network: String) -> String { "\(paths.varRun)/\(network)_socket_vmnet.pid" }

  func stop(_ network: String) -> [String] { ["/usr/bin/pkill", "-F", pidFile(network)] }

  func start(_ network: NetworkConfiguration) -> [String] {
    let settings = network.settings
    var words = [
      paths.socketVMNet, "--pidfile=\(pidFile(network.name))", "--socket-group=\(paths.group)",
      "--vmnet-mode=\(settings.mode)",
    ]
    if settings.mode == "bridged" {
      words.append("--vmnet-interface=\(settings.interface ?? "")")
    } else {
      // The defaults documented in Lima's default file.
      let mask = settings.netmask ?? IPv4Address(0xFFFF_FF00)
      let gateway = settings.gateway ?? NetworkConfiguration.defaultGateways[settings.mode]
      let end = settings.dhcpEnd ?? gateway.map { IPv4Address(($0.value | ~mask.value) &- 1) }
      words += [
        "--vmnet-gateway=\(gateway?.description ?? "<nil>")",
        "--vmnet-dhcp-end=\(end?.description ?? "<nil>")", "--vmnet-mask=\(mask)",
      ]
    }
    return words + ["\(paths.varRun)/socket_vmnet.\(network.name)"]
  }
}
