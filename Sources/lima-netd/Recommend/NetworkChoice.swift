// SPDX-License-Identifier: Apache-2.0
//
// NetworkChoice: the appropriate network for a VM, by where it is to be reached from: the flowchart of Lima's
// documentation, with lima-netd's networks on Linux. Pure.

import ArgumentParser
import Daemon

/// From where the VM must be reachable.
enum ReachedFrom: String, CaseIterable, ExpressibleByArgument {
  /// By forwarded ports of 127.0.0.1.
  case localhost
  /// From the host, by the VM's own address.
  case host
  /// From other VMs of the same host.
  case vms
  /// From other machines on the host's LAN.
  case lan

  var question: String {
    switch self {
    case .localhost: "ports on this machine's localhost are enough"
    case .host: "from this machine, by the VM's own IP address"
    case .vms: "from other VMs, by name"
    case .lan: "from other machines on the LAN"
    }
  }
}

enum VMType: String, CaseIterable, ExpressibleByArgument {
  case qemu, vz
}

enum HostSystem: String, CaseIterable, ExpressibleByArgument {
  case linux, macos

  static var current: HostSystem {
    #if os(Linux)
      .linux
    #else
      .macos
    #endif
  }
}

import Daemon

struct NetworkChoice: Codable, Hashable {
  /// "default", "user-v2", "shared", "bridged" or "vzNAT": a network of networks.yaml, or one of Lima.
  var network: String
  /// The mode that a plugin must serve; nil for networks without a daemon.
  var mode: String?
  var why: String
  /// Its requirements on the host; nil: none.
  var needs: String?
  /// Lines for lima.yaml; nil: none are needed.
  var limaYAML: String?

  /// - Parameters:
  ///   - command: this program, quoted for a shell, for commands to run as root.
  ///   - home: " --lima-home DIR", or "".
  static func choose(
    _ from: ReachedFrom, _ vmType: VMType, on system: HostSystem, command: String = "lima-netd",
    home: String = ""
  ) -> NetworkChoice {
    switch from {
    case .localhost:
      return NetworkChoice(
        network: "default", mode: "slirp",
        why: "The VM reaches the Internet, and its ports are forwarded to 127.0.0.1; no root.",
        needs: nil, limaYAML: nil)
    case .vms:
      return NetworkChoice(
        network: "user-v2", mode: "user-v2",
        why:
          "VMs see each other by address and as lima-NAME.internal, and reach the Internet; no root.",
        needs: nil, limaYAML: "networks:\n- lima: user-v2")
    case .host where system == .macos && vmType == .vz:
      return NetworkChoice(
        network: "vzNAT", mode: nil,
        why: "macOS gives the VM an address that the host reaches; fastest there, and no daemon.",
        needs: "macOS 13 and vmType vz", limaYAML: "networks:\n- vzNAT: true")
    case .host:
      return NetworkChoice(
        network: "shared", mode: "shared",
        why:
          "The VM has an address of 192.168.105.0/24 that the host reaches, and reaches the Internet by NAT.",
        needs: system == .linux
          ? linuxNeeds("\(command) network setup shared\(home)") : socketVMNet,
        limaYAML: "networks:\n- lima: shared")
    case .lan:
      return NetworkChoice(
        network: "bridged", mode: "bridged",
        why: "The VM is a machine on the LAN, with an address of the LAN's own DHCP server.",
        needs: system == .linux ? bridgedNeeds(command, home) : socketVMNet,
        limaYAML: "networks:\n- lima: bridged")
    }
  }

  private static func linuxNeeds(_ setup: String) -> String {
    "a TAP device, made once by root:  sudo \(setup)"
  }

  private static func bridgedNeeds(_ command: String, _ home: String) -> String {
    let bridge = "sudo \(command) network setup bridged\(home)"
    let card = SudoersFile.writing(command, home: home)
    return
      "as `interface:` in networks.yaml an existing bridge (Linux's or Open vSwitch's), made known by root once:  "
      + "\(bridge)  or a wired network card, on which this host and the VM "
      + "do not reach each other (macvtap):  \(card)"
  }

  private static let socketVMNet =
    "socket_vmnet, run by root: https://lima-vm.io/docs/config/network/vmnet/"
}
