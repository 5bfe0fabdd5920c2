// SPDX-License-Identifier: Apache-2.0
//
// The root command. Each sub-command is in its own file; `serve` is the default.
//
// No command is asynchronous: `exec`, `attach` and `tap-pair` enter user namespaces, which the kernel allows for processes
// with one thread only, and an asynchronous main would start the concurrency runtime before a command runs.

import ArgumentParser
import LibC
import Platform

struct LimaNetd: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lima-netd",
    abstract: "Networks for virtual machines and containers.",
    discussion: """
      One daemon serves all networks of a Lima home. Each network has a mode, and the plugin that claims the mode \
      provides it. Guests come by a socket of the network (QEMU, vfkit, krunkit, Lima) or by a TAP device \
      (exec, attach, tap); the first guest starts the network, the last one that leaves stops it.

      Start the daemon, and look at a network from inside, without a VM:

        lima-netd serve &
        lima-netd exec default -- ping -c 3 192.168.5.2

      Make a guest's web server reachable, and see what crosses the network:

        lima-netd forward add default tcp 127.0.0.1:8080 192.168.5.15:80
        lima-netd capture default -w - | tcpdump -nr -
      """,
    version: versionText,
    subcommands: [
      Serve.self, Exec.self, Attach.self, TapCommand.self, ForwardCommand.self, NetworkCommand.self,
      Status.self, Logs.self, Guests.self, Leases.self, EgressCommand.self, Reload.self,
      Restart.self, Upgrade.self,
      Stop.self,
      ServiceCommand.self,
      InstanceCommand.self, QEMUArguments.self, CaptureCommand.self, DNS.self, Plugin.self,
      Config.self, Recommend.self, Doctor.self, Sudoers.self, Completions.self, Manual.self,
      TapPair.self, SandboxCommand.self, UpgradeCheck.self,
    ],
    defaultSubcommand: Serve.self)

  static let version = "0.1.0"
  static let versionText = "lima-netd \(version)"
}

@main
enum Main {
  static func main() {
    Descriptor.openStandard()
    Self.requireDescriptors()
    #if os(Linux)
      PrivateDaemon.endWithParent()
    #endif
    do {
      var command: any ParsableCommand
      let arguments = try JSONForm.split(Array(CommandLine.arguments.dropFirst()))
      if arguments.contains("--version"),
        let listing = try? ListingOptions.parse(
          arguments.filter { $0 != "--version" })
      {
        let report = VersionReport(executable: try ChildProcess.ownPath())
        try listing.show(report) { report.text }
        return try StandardOutput.check()
      }
      if let known = alone(arguments) {
        command = known
      } else {
        try CommandWords.check(arguments, of: LimaNetd.self)
        command = try LimaNetd.parseAsRoot(arguments)
      }
      try command.run()
      try StandardOutput.check()
    } catch {
      LastWords.exit(error, Array(CommandLine.arguments.dropFirst()))
    }
  }

  /// Ends with words where libraries would end the program with none: it may not open the files of any command.
  private static func requireDescriptors() {
    let least = 32
    guard let limit = CurrentProcess.descriptorLimit, limit < least else { return }
    CurrentProcess.raiseDescriptorLimit()
    guard let limit = CurrentProcess.descriptorLimit, limit < least else { return }
    let text =
      "Error: \(limit) open files are allowed here, and lima-netd needs \(least) at least: ulimit -n 1024\n"
    try? Files.writeAll(2, Array(text.utf8))
    exit(1)
  }

  /// Parses commands whose start-up time matters without the others, whose descriptions take milliseconds to build. nil for
  /// another command, a request for help or an error, which need the whole tree.
  static func alone(_ arguments: [String]) -> (any ParsableCommand)? {
    let rest = Array(arguments.dropFirst())
    switch arguments.first {
    case "serve": return try? Serve.parse(rest)
    case "exec": return try? Exec.parse(rest)
    case "attach": return try? Attach.parse(rest)
    case "tap": return try? TapCommand.parse(rest)
    case TapPair.name: return try? TapPair.parse(rest)
    case SandboxCommand.name: return try? SandboxCommand.parse(rest)
    case UpgradeCheck.name: return try? UpgradeCheck.parse(rest)
    default: return nil
    }
  }
}
