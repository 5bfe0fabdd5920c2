// SPDX-License-Identifier: Apache-2.0
//
// CreationCommand: the command that adds a network to networks.yaml, for people to paste, with the addresses
// of Lima's default file. Pure.

package enum CreationCommand {
  /// - Parameters:
  ///   - command: this program, as a word for a shell.
  ///   - home: " --lima-home DIR", or "".
  package static func text(
    _ network: String, mode: String, command: String = "lima-netd", home: String = ""
  ) -> String {
    let settings =
      switch mode {
      case "shared": "--mode shared --gateway 192.168.105.1"
      case "host": "--mode host --gateway 192.168.106.1"
      case "bridged": "--mode bridged --interface br0"
      default: "--gateway 192.168.104.1"
      }
    return "\(command) network create \(network) \(settings)\(home)"
  }

  /// For one of the networks of Lima's default file, called as their modes are; nil for other names.
  /// - Parameters:
  ///   - hasFile: networks.yaml is there. Where it is not, and `isLinux`, `network setup` writes the default one and makes
  ///     the interface, too; the default bridge is there on few hosts, so that one is created and not set up.
  ///   - sudo: "sudo ", or "" for root.
  package static func ofDefault(
    _ network: String, hasFile: Bool, isLinux: Bool, command: String, home: String,
    sudo: String = "sudo "
  ) -> String? {
    guard DoctorModes.withTap.contains(network) else { return nil }
    guard !hasFile, isLinux, network != "bridged" else {
      return text(network, mode: network, command: command, home: home)
    }
    return "\(sudo)\(command) network setup \(network)\(home)"
  }
}
