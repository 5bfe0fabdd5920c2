// SPDX-License-Identifier: Apache-2.0
//
// BootUnit: the systemd unit of `network setup --boot`, which runs lima-netd-tap with the same arguments once at boot,
// before networks are used. Written and enabled as root.

import Daemon
import Platform

struct BootUnit {
  static let folder = "/etc/systemd/system"
  private let setup: HostSetup

  init(_ setup: HostSetup) { self.setup = setup }

  private var name: String { "lima-netd-tap-\(setup.uid)-\(setup.network).service" }
  private var path: String { "\(Self.folder)/\(name)" }

  /// Arguments are identifiers, addresses, numbers and an encoded home (`TapAlias`), none of which needs quoting.
  func text(_ words: [String]) -> String {
    """
    # Written by lima-netd network setup --boot; network unsetup takes it away.
    [Unit]
    Description=Interface \(setup.interface) of lima-netd's network \(setup.network), for \(setup.userName)
    \(order(words).joined(separator: "\n"))

    [Service]
    Type=oneshot
    RemainAfterExit=yes
    ExecStart=\(setup.helperPath) \((words + ["--owner", "\(setup.uid)"]).joined(separator: " "))
    CapabilityBoundingSet=CAP_NET_ADMIN CAP_SETPCAP
    NoNewPrivileges=yes
    RuntimeDirectory=lima-netd
    RuntimeDirectoryMode=0700
    RuntimeDirectoryPreserve=yes
    ProtectHome=yes
    ProtectSystem=strict

    [Install]
    WantedBy=multi-user.target

    """
  }

  /// Orders the unit after the bridge's device unit, whichever service creates it; without a bridge, before networks are
  /// used.
  private func order(_ words: [String]) -> [String] {
    guard let at = words.firstIndex(of: "--bridge"), at + 1 < words.count else {
      return ["After=network-pre.target systemd-modules-load.service", "Before=network.target"]
    }
    let device = "sys-subsystem-net-devices-\(Self.escaped(words[at + 1])).device"
    return ["Wants=\(device)", "After=\(device) systemd-modules-load.service"]
  }

  /// The escaped name of an interface (systemd.unit(5), "String Escaping for Inclusion in Unit Names").
  static func escaped(_ name: String) -> String {
    var text = ""
    for (index, byte) in name.utf8.enumerated() {
      let character = Character(UnicodeScalar(byte))
      let isPlain = character.isASCII && (character.isLetter || character.isNumber)
      if isPlain || character == "_" || (character == "." && index > 0) {
        text.append(character)
      } else {
        text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
      }
    }
    return text
  }

  func install(_ words: [String]) throws {
    guard Files.exists("/run/systemd/system") else {
      throw CommandFailure(
        "\(setup.interface) is set up, but not for the next boot: this system does not run systemd",
        remedy:
          "Have your boot scripts run:  \(setup.helperPath) \(words.joined(separator: " ")) --owner \(setup.uid)"
      )
    }
    // Quotes, blanks, "%" and "$" have a meaning in a unit.
    guard SudoersWords.isPlain(setup.helperPath) else {
      throw CommandFailure(
        "A unit cannot name \(setup.helperPath): only letters, digits, /, ., _, - and + stand for themselves there"
      )
    }
    let unit = text(words)
    if let there = try? Files.read(path, limit: 1 << 16), there == Array(unit.utf8),
      Files.exists("\(Self.folder)/multi-user.target.wants/\(name)")
    {
      return
    }
    Files.remove(path)
    let fd = try Files.openForAppending(path, mode: 0o644)
    defer { Descriptor.close(fd) }
    try Files.writeAll(fd, Array(unit.utf8))
    try systemctl(["daemon-reload"])
    try systemctl(["enable", name])
  }

  /// False if there was no unit.
  func remove() throws -> Bool {
    guard Files.exists(path) else { return false }
    try systemctl(["disable", name])
    Files.remove(path)
    try systemctl(["daemon-reload"])
    return true
  }

  private func systemctl(_ words: [String]) throws {
    let status = try ChildProcess.wait(
      try ChildProcess.spawn("/usr/bin/systemctl", ["--quiet"] + words))
    guard status.isSuccess else {
      throw CommandFailure("systemctl \(words.joined(separator: " ")): \(status)")
    }
  }
}
