// SPDX-License-Identifier: Apache-2.0
//
// CreationCommand: the command that adds a network to networks.yaml, for messages, with the addresses of Lima's default
// file. Pure.

package enum CreationCommand {
  /// - Parameters:
  ///   - command: this program, quoted for a shell.
  ///   - home: " --lima-home DIR", or "".
  ///   - networks: those that exist, or that the new file will contain: their subnets are not proposed.
  package static func text(
    _ network: String, mode: String, command: String = "lima-netd", home: String = "",
    among networks: [NetworkConfiguration] = []
  ) -> String {
    let usual = NetworkConfiguration.defaultGateways[mode] ?? IPv4Address(0xC0A8_6801)
    let isTaken = networks.contains {
      $0.name != network
        && $0.subnet?.overlaps(IPv4Subnet(containing: usual, prefixLength: 24)) == true
    }
    let gateway = isTaken ? NetworkConfiguration.freeGateway(among: networks) : usual
    let settings =
      switch mode {
      case "shared", "host": "--mode \(mode) --gateway \(gateway)"
      case "bridged": "--mode bridged --interface br0"
      default: "--gateway \(gateway)"
      }
    return "\(command) network create \(network) \(settings)\(home)"
  }

  /// For a network of Lima's default file, which has its mode's name; nil for other names.
  /// - Parameters:
  ///   - hasFile: networks.yaml exists. If not, and `isLinux`, `network setup` writes the default file and creates the
  ///     interface, too; few hosts have the default bridge, so that `bridged` is created and not set up.
  ///   - sudo: "sudo ", or "" for root.
  package static func ofDefault(
    _ network: String, hasFile: Bool, isLinux: Bool, command: String, home: String,
    sudo: String = "sudo "
  ) -> String? {
    guard NetworkConfiguration.modesWithInterface.contains(network) else { return nil }
    guard !hasFile, isLinux, network != "bridged" else {
      return text(network, mode: network, command: command, home: home)
    }
    return "\(sudo)\(command) network setup \(network)\(home)"
  }
}
