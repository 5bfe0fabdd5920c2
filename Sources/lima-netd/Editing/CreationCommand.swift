// SPDX-License-Identifier: Apache-2.0
//
// CreationCommand: the command that adds a network to networks.yaml, for people to paste, with the addresses
// of Lima's default file. Pure.

enum CreationCommand {
  static func text(_ network: String, mode: String) -> String {
    let settings =
      switch mode {
      case "shared": "--mode shared --gateway 192.168.105.1"
      case "host": "--mode host --gateway 192.168.106.1"
      case "bridged": "--mode bridged --interface br0"
      default: "--gateway 192.168.104.1"
      }
    return "lima-netd network create \(network) \(settings)"
  }
}
