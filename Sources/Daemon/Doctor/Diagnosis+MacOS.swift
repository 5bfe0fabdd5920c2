// SPDX-License-Identifier: Apache-2.0
//
// Requirements of shared, host and bridged on macOS: socket_vmnet, its sudoers file, and a firewall that lets bootpd answer
// guests (Lima's documentation, "vmnet networks").

import Platform

extension Diagnosis {
  package static let firewallTool = "/usr/libexec/ApplicationFirewall/socketfilterfw"
  package static let bootpdPath = "/usr/libexec/bootpd"

  func socketVMNet() -> [Finding] {
    guard !isLinux else { return [] }
    return installation() + sudoers() + firewall()
  }

  private func installation() -> [Finding] {
    let modes = DoctorModes.withTap
    let vmnet = facts.vmnet
    if !vmnet.isInstalled {
      return [
        Finding(
          .socketVMNet, modes, .problem,
          "socket_vmnet is not installed" + (vmnet.path.isEmpty ? "" : " at \(vmnet.path)"),
          remedy:
            "brew install socket_vmnet && sudo mkdir -p /opt/socket_vmnet/bin && "
            + "sudo install -o root \"$(brew --prefix socket_vmnet)/bin/socket_vmnet\" /opt/socket_vmnet/bin/socket_vmnet"
        )
      ]
    }
    if let flaw = vmnet.flaw {
      return [
        Finding(
          .socketVMNet, modes, .problem, flaw,
          remedy:
            "sudo install -o root \(ShellWord.quoted(vmnet.path)) /opt/socket_vmnet/bin/socket_vmnet"
        )
      ]
    }
    return [
      Finding(
        .socketVMNet, modes, .ok, "\(vmnet.path) is there, and nobody but root can change it")
    ]
  }

  private func sudoers() -> [Finding] {
    guard facts.vmnet.isInstalled, !isRoot else { return [] }
    guard let problem = facts.vmnet.sudoersProblem else {
      return [
        Finding(.sudoers, DoctorModes.withTap, .ok, "sudo runs socket_vmnet without a password")
      ]
    }
    return [
      Finding(
        .sudoers, DoctorModes.withTap, .problem, problem,
        remedy: "\(facts.command) sudoers\(homeWords) | sudo tee /etc/sudoers.d/lima")
    ]
  }

  /// Guests of shared and host get their addresses from bootpd.
  private func firewall() -> [Finding] {
    let modes = ["shared", "host"]
    let allow =
      "sudo \(Self.firewallTool) --add \(Self.bootpdPath) && sudo \(Self.firewallTool) --unblock \(Self.bootpdPath)"
    guard let state = facts.vmnet.firewall else {
      return [
        Finding(
          .firewall, modes, .warning, "the firewall's state is not known", remedy: allow)
      ]
    }
    // "Firewall is enabled. (State = 1)", "Firewall is disabled. (State = 0)"
    if state.contains("State = 0") || state.contains("disabled") {
      return [Finding(.firewall, modes, .ok, "the application firewall is off")]
    }
    if state.contains("State = 2") || state.contains("block all") {
      return [
        Finding(
          .firewall, modes, .problem,
          "the application firewall blocks all incoming connections: guests get no address",
          remedy: "sudo \(Self.firewallTool) --setblockall off && \(allow)")
      ]
    }
    let isBlocked = facts.vmnet.bootpd.map {
      $0.contains("BLOCK") || $0.contains("not part of") || $0.contains("are blocked")
    }
    guard isBlocked == false else {
      return [
        Finding(
          .bootpd, modes, isBlocked == true ? .problem : .warning,
          "the application firewall is on and does not let bootpd answer guests: they get no address",
          remedy: allow)
      ]
    }
    return [Finding(.bootpd, modes, .ok, "the application firewall lets bootpd answer guests")]
  }
}
