// SPDX-License-Identifier: Apache-2.0
//
// What is wrong with socket_vmnet and the firewall of macOS.

import Platform
import Testing

@testable import Daemon

extension DiagnosisTests {
  private static let allow =
    "sudo /usr/libexec/ApplicationFirewall/socketfilterfw --add /usr/libexec/bootpd && sudo /usr/libexec/ApplicationFirewall/socketfilterfw --unblock /usr/libexec/bootpd"
  private static let on = "Firewall is enabled. (State = 1)"

  static let macOS: [Case] = [
    Case(
      .socketVMNet, .problem, "not installed at /opt/socket_vmnet/bin/socket_vmnet",
      "brew install socket_vmnet && sudo mkdir -p /opt/socket_vmnet/bin && sudo install -o root \"$(brew --prefix socket_vmnet)/bin/socket_vmnet\" /opt/socket_vmnet/bin/socket_vmnet"
    ) { $0.vmnet.isInstalled = false },
    Case(
      .socketVMNet, .problem, "is a symlink",
      "sudo install -o root /opt/socket_vmnet/bin/socket_vmnet /opt/socket_vmnet/bin/socket_vmnet"
    ) { $0.vmnet.flaw = "file `/opt` is a symlink" },
    Case(
      .sudoers, .problem, "out of sync",
      "lima-netd sudoers --lima-home /h/.lima | sudo tee /etc/sudoers.d/lima"
    ) { $0.vmnet.sudoersProblem = "out of sync" },
    Case(.firewall, .warning, "not known", allow) { $0.vmnet.firewall = nil },
    Case(
      .firewall, .problem, "blocks all",
      "sudo /usr/libexec/ApplicationFirewall/socketfilterfw --setblockall off && \(allow)"
    ) { $0.vmnet.firewall = "Firewall is blocking all. (State = 2)" },
    Case(.bootpd, .problem, "does not let bootpd answer", allow, modes: ["shared", "host"]) {
      $0.vmnet.firewall = on
      $0.vmnet.bootpd = "Incoming connection to the application is blocked (BLOCKED)"
    },
    Case(.bootpd, .warning, "does not let bootpd answer", allow) { $0.vmnet.firewall = on },
    Case(.bootpd, .ok, "lets bootpd answer", nil) {
      $0.vmnet.firewall = on
      $0.vmnet.bootpd = "The application is permitted"
    },
  ]
}
