// SPDX-License-Identifier: Apache-2.0
//
// BootUnit: the systemd unit by which `network setup --boot` lasts: it runs lima-netd-tap with the
// same words once, before networks are used. Written and enabled as root.

import Daemon
import Platform

struct BootUnit {
  static let folder = "/etc/systemd/system"
  private let setup: HostSetup

  init(_ setup: HostSetup) { self.setup = setup }

  private var name: String { "lima-netd-tap-\(setup.uid)-\(setup.network).service" }
  private var path: String { "\(Self.folder)/\(name)" }

  /// Words are identifiers, addresses and numbers: none needs quoting.
  func text(_ words: [String]) -> String {
    """
    # Written by lima-netd network setup --boot; network unsetup takes it away.
    [Unit]
    Description=Interface \(setup.interface) of lima-netd's network \(setup.network), for \(setup.userName)
    After=network-pre.target systemd-modules-load.service
    Before=network.target

    [Service]
    Type=oneshot
    RemainAfterExit=yes
    ExecStart=\(setup.helperPath) \((words + ["--owner", "\(setup.uid)"]).joined(separator: " "))
    CapabilityBoundingSet=CAP_NET_ADMIN CAP_SETPCAP
    NoNewPrivileges=yes
    ProtectHome=yes
    ProtectSystem=strict

    [Install]
    WantedBy=multi-user.target

    """
  }

  func install(_ words: [String]) throws {
    guard Files.exists("/run/systemd/system") else {
      throw CommandFailure(
        "\(setup.interface) is set up, but not for the next boot: this system does not run systemd",
        remedy:
          "Have your boot scripts run:  \(setup.helperPath) \(words.joined(separator: " ")) --owner \(setup.uid)"
      )
    }
    // Quotes, blanks, "%" and "$" mean something there.
    guard SudoersWords.isPlain(setup.helperPath) else {
      throw CommandFailure(
        "A unit cannot name \(setup.helperPath): only letters, digits, /, ., _, - and + stand for themselves there"
      )
    }
    Files.remove(path)
    let fd = try Files.openForAppending(path, mode: 0o644)
    defer { Descriptor.close(fd) }
    try Files.writeAll(fd, Array(text(words).utf8))
    try systemctl(["daemon-reload"])
    try systemctl(["enable", name])
  }

  func remove() throws {
    guard Files.exists(path) else { return }
    try systemctl(["disable", name])
    Files.remove(path)
    try systemctl(["daemon-reload"])
  }

  private func systemctl(_ words: [String]) throws {
    let status = try ChildProcess.wait(
      try ChildProcess.spawn("/usr/bin/systemctl", ["--quiet"] + words))
    guard status.isSuccess else {
      throw CommandFailure("systemctl \(words.joined(separator: " ")): \(status)")
    }
  }
}
