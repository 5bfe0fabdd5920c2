// SPDX-License-Identifier: Apache-2.0
//
// BridgeCheck: whether the host's interface of a bridged network can carry guests, as far as the
// kernel's files tell an unprivileged process. What they do not tell is left to lima-netd-tap: a
// file that is missing or unreadable is no reason to refuse.
//
// Sources: Documentation/ABI/testing/sysfs-class-net; Documentation/networking/bridge.rst
// (br_netfilter); IEEE 802.11-2020 §9.2.4.1.4: a station's frames have three addresses, so an
// access point takes and sends only those of the station itself.

import Platform

package struct BridgeCheck {
  /// Where sysfs and /proc/sys are; tests give folders of their own.
  package var sysfs = "/sys"
  package var sysctl = "/proc/sys"

  package init() {}

  package init(sysfs: String, sysctl: String) {
    self.sysfs = sysfs
    self.sysctl = sysctl
  }

  /// More ports than a Linux bridge can have (BR_MAX_PORTS).
  private static let mostPorts = 1024

  /// Why the interface cannot be used at all; nil when nothing speaks against it.
  package func refusal(of interface: String) -> String? {
    guard Self.isName(interface) else {
      return
        "\"\(Self.printable(interface))\" is no interface's name: 1 to 15 letters, digits, dots, "
        + "dashes and underscores"
    }
    if isWireless(interface) {
      return "\(interface) is a Wi-Fi card. \(Self.whyNoWireless)"
    }
    guard let port = ports(of: interface).first(where: isWireless) else { return nil }
    return "the bridge \(interface) has the Wi-Fi card \(port) as a port. \(Self.whyNoWireless)"
  }

  /// What may keep guests from the LAN though all is set up; nil when nothing does. Which policy
  /// FORWARD has, only root may ask: this says what to look at.
  package func caution(about interface: String) -> String? {
    let key = "net/bridge/bridge-nf-call-iptables"
    guard let text = read("\(sysctl)/\(key)"), text == "1" else { return nil }
    return
      "net.bridge.bridge-nf-call-iptables is 1: the firewall's FORWARD chain sees what crosses "
      + "\(interface), and where its policy is DROP, as docker leaves it, guests get no lease and "
      + "reach nothing on the LAN. Remedy:  sudo sysctl -w net.bridge.bridge-nf-call-iptables=0  "
      + "or  sudo iptables -I FORWARD -m physdev --physdev-is-bridged -j ACCEPT"
  }

  private static let whyNoWireless =
    "An access point takes and sends the frames of one station only, so guests with Ethernet "
    + "addresses of their own are never answered. Use a wired card's bridge, or mode shared"

  package func isWireless(_ interface: String) -> Bool {
    let folder = "\(sysfs)/class/net/\(interface)"
    if Files.exists("\(folder)/wireless") || Files.exists("\(folder)/phy80211") { return true }
    return read("\(folder)/uevent")?.split(separator: "\n").contains("DEVTYPE=wlan") == true
  }

  private func ports(of bridge: String) -> [String] {
    let names = (try? Files.list("\(sysfs)/class/net/\(bridge)/brif")) ?? []
    return names.prefix(Self.mostPorts).filter(Self.isName).sorted()
  }

  private func read(_ path: String) -> String? {
    guard let bytes = try? Files.read(path, limit: 4096) else { return nil }
    return String(decoding: bytes, as: UTF8.self).trimmingWhitespace()
  }

  /// As lima-netd-tap has it: one component of a path, and nothing that a shell would read.
  package static func isName(_ text: String) -> Bool {
    let bytes = text.utf8
    guard (1...15).contains(bytes.count), text != ".", text != ".." else { return false }
    return bytes.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "."), UInt8(ascii: "-"),
        UInt8(ascii: "_"):
        true
      default: false
      }
    }
  }

  private static func printable(_ text: String) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.prefix(40).map { $0.value < 0x20 || $0.value == 0x7f ? "?" : $0 }))
  }
}

extension String {
  fileprivate func trimmingWhitespace() -> String {
    var text = Substring(self)
    while text.last?.isWhitespace == true { text.removeLast() }
    while text.first?.isWhitespace == true { text.removeFirst() }
    return String(text)
  }
}
