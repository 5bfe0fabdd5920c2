// SPDX-License-Identifier: Apache-2.0
//
// service install, uninstall, status: starts the daemon at each login by the user's systemd, or launchd.

import ArgumentParser
import Daemon
import Platform

struct ServiceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "service",
    abstract: "Have the daemon started at each login.",
    discussion: """
      On Linux these are two units of the user's own systemd: lima-netd.service, and lima-netd.socket, which has the \
      sockets of all networks. They are there from login on, and a virtual machine that starts before the daemon, or \
      while it starts again, waits instead of failing. On macOS it is a launch agent.

        lima-netd service install
        lima-netd service status
        systemctl --user reload lima-netd
        journalctl --user -u lima-netd
        lima-netd service uninstall
      """,
    subcommands: [ServiceInstall.self, ServiceUninstall.self, ServiceStatus.self],
    defaultSubcommand: ServiceStatus.self)

  static func manager() throws -> any ServiceManager {
    guard let manager = Services.here else {
      throw CommandFailure(
        "This system has no systemd that could start the daemon",
        remedy: "Have your session's start-up scripts run:  lima-netd serve &")
    }
    return manager
  }
}

struct ServiceInstall: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "install", abstract: "Install the service, and start it.",
    discussion: """
      Again after networks were added to networks.yaml, so that their sockets are there before the daemon is, too. \
      For a user who is not logged in it runs after:  loginctl enable-linger

        lima-netd service install
        lima-netd service install --lima-home /srv/lima
      """)

  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let home = try home.resolve()
    let manager = try ServiceCommand.manager()
    let client = ControlClient(home: home)
    if let pid = try client.ifRunning({ try ($0.get(APIPath.status) as StatusReport).pid }),
      Services.manager(of: pid) == nil
    {
      throw CommandFailure(
        "A daemon that somebody started serves \(home.path) already (process \(pid))",
        remedy: "End that one first:  lima-netd stop")
    }
    // The real path, by which the daemon serves it.
    try Files.makeDirectory(home.networksDirectory, mode: 0o755)
    let real = LimaHome(path: try Files.realPath(home.path))
    let configuration = try Configuration.load(real.configFile, mayBeMissing: true)
    let usual = CurrentProcess.environment["HOME"].flatMap { try? Files.realPath($0 + "/.lima") }
    try manager.install(
      ServicePlan(
        executable: try ChildProcess.ownPath(), home: real, isUsualHome: usual == real.path,
        networks: configuration.networks.map(\.name)))
    guard !listing.json else { return try listing.show(manager.report()) }
    let networks = configuration.networks.map(\.name).joined(separator: ", ")
    StandardOutput.print("The daemon runs, and is started at each login; networks: \(networks)")
    if (try? manager.report())?.lingers == false {
      StandardOutput.print("To have it run while you are not logged in:  loginctl enable-linger")
    }
  }
}

struct ServiceUninstall: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "uninstall", abstract: "Stop the service, and take it away.",
    discussion: """
      Guests lose their connection. Networks, leases and logs in the Lima home stay, and so do interfaces of \
      `network setup`, which are named with what takes them away.

        lima-netd service uninstall
      """)

  @OptionGroup var listing: ListingOptions

  struct Outcome: Encodable {
    /// False if there was none.
    let removed: Bool
    /// Of `network setup`, which stay.
    let interfaces: [SetUpInterface]
  }

  func run() throws {
    let wasThere = try ServiceCommand.manager().uninstall()
    let interfaces = SetUpInterface.all(of: CurrentProcess.effectiveUser)
    let command = ShellWord.quoted(try ChildProcess.ownPath())
    let usual = (AccountNames.home(CurrentProcess.effectiveUser) ?? "") + "/.lima"
    try listing.show(Outcome(removed: wasThere, interfaces: interfaces)) {
      ([wasThere ? "The service is gone" : "There is no service of this user's"]
        + [SetUpInterface.text(interfaces, command, home: usual)].compactMap(\.self))
        .joined(separator: "\n")
    }
  }
}

struct ServiceStatus: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Say whether the service is installed, and runs.",
    discussion: """
        lima-netd service status
        lima-netd service status --json

      The status is 0 when it runs, 3 when it does not, 4 when it is not installed.
      """)

  @OptionGroup var listing: ListingOptions

  func run() throws {
    let report = try ServiceCommand.manager().report()
    try listing.show(report) { Self.text(report) }
    switch report.state {
    case .running: return
    case .stopped, .failed: throw ExitCode(3)
    case .notInstalled: throw ExitCode(4)
    }
  }

  static func text(_ report: ServiceReport) -> String {
    var lines: [String] = []
    switch report.state {
    case .notInstalled:
      return "The service is not installed:  lima-netd service install"
    case .running:
      lines.append(
        "The service runs" + (report.pid.map { ", process \($0)" } ?? "")
          + (report.since.map { ", since \($0)" } ?? ""))
    case .stopped:
      lines.append("The service is installed and does not run:  lima-netd service install")
    case .failed:
      lines.append("The service has failed:  journalctl --user -u lima-netd -n 20")
    }
    lines.append(
      report.enabled ? "It is started at each login" : "It is not started at login")
    if let file = report.file { lines.append("Its file: \(file)") }
    if report.lingers == false { lines.append("It ends when you log out:  loginctl enable-linger") }
    if !report.missingNetworks.isEmpty {
      lines += Paragraph.lines(
        "networks that networks.yaml got later have sockets only while the daemon runs: "
          + report.missingNetworks.joined(separator: ", ")
          + ". For them, too:  lima-netd service install",
        first: "NOTE ", indent: 2)
    }
    return lines.joined(separator: "\n")
  }
}
