// SPDX-License-Identifier: Apache-2.0
//
// SetUpInterfaces: what `network setup` made for a user and is there still, whichever home it is for: it outlives daemon,
// service and package, and only root takes it away.

import Daemon
import Platform

struct SetUpInterface: Encodable, Hashable {
  let interface: String
  /// Nil: the interface's name is a hash, and no networks.yaml tells of what.
  let network: String?
  /// Nil: it does not say.
  let home: String?

  /// As root.
  func removal(_ command: String, home usual: String) -> String {
    guard let network else { return "sudo ip tuntap del dev \(interface) mode tap" }
    let words = home.map { $0 == usual ? "" : " --lima-home \(ShellWord.quoted($0))" } ?? ""
    return "sudo \(command) network unsetup \(network)\(words)"
  }

  /// In lines: what stays, and how it goes.
  static func text(_ interfaces: [SetUpInterface], _ command: String, home: String) -> String? {
    guard !interfaces.isEmpty else { return nil }
    return
      (["What `network setup` made stays, and is taken away with:"]
      + interfaces.map { "  \($0.removal(command, home: home))" }).joined(separator: "\n")
  }

  /// Those of a user.
  static func all(of user: UInt32) -> [SetUpInterface] {
    #if os(Linux)
      guard var netlink = try? Netlink() else { return [] }
      let names = ((try? HostInterfaces.names()) ?? []).filter { $0.hasPrefix("ln") }.sorted()
      return names.prefix(1000).compactMap { name in
        guard let link = try? netlink.hostTap(named: name), link.isTap, link.persists,
          link.owner == user
        else { return nil }
        return SetUpInterface(
          interface: name, network: network(of: name, user: user, home: link.home), home: link.home)
      }
    #else
      return []
    #endif
  }

  #if os(Linux)
    private static func network(of interface: String, user: UInt32, home: String?) -> String? {
      let beginning = "ln\(user)-"
      if interface.hasPrefix(beginning) { return String(interface.dropFirst(beginning.count)) }
      guard let home,
        let configuration = try? Configuration.load(
          LimaHome(path: home).configFile, mayBeMissing: true)
      else { return nil }
      return configuration.networks.map(\.name).first {
        HostTapLink.name(user: user, network: $0) == interface
      }
    }
  #endif
}
