// SPDX-License-Identifier: Apache-2.0
//
// stop, restart, reload: the running daemon.

import ArgumentParser
import Daemon

struct Stop: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Stop the daemon, with all its networks.",
    discussion: """
      Guests lose their connection. A daemon that the service manager runs is stopped by it, with its sockets: it does \
      not come back before the next login, `service install` or `systemctl --user start lima-netd`. The status is 0 \
      also when there was no daemon.

        lima-netd stop
      """)

  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  struct Outcome: Encodable {
    /// False: there was no daemon.
    let stopped: Bool
    let home: String
    let pid: Int32?
  }

  func run() throws {
    let ended = try DaemonControl(home).stop()
    let outcome = Outcome(
      stopped: ended != nil, home: try ended?.home ?? home.resolve().path, pid: ended?.pid)
    try listing.show(outcome) {
      ended.map { "The daemon of \($0.home) (process \($0.pid)) is stopped" }
        ?? "No daemon serves \(outcome.home)"
    }
  }
}

struct Restart: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Start the daemon again, as after an upgrade.",
    discussion: """
      With the words that it was started with; networks.yaml is read anew. Guests that connect again come back: QEMU with \
      reconnect=, vfkit, and those of exec, tap and attach, with the ports that these publish by -p. Forwards come \
      back, too, but for those of `forward add --temporary` and of clients of `_ep.sock`, which are named.

        lima-netd restart
      """)

  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let networks: [NetworkReport]? = try? ControlClient(home).get(APIPath.networks)
    let daemon = try DaemonControl(home).restart()
    for network in networks ?? [] {
      for forward in network.forwards where forward.temporary == true {
        StandardError.print(
          "Note: \(forward.protocol) \(forward.host) of \(network.name) was temporary, and is closed"
        )
      }
    }
    try listing.show(daemon) {
      "A new daemon serves \(daemon.home) (process \(daemon.pid))"
    }
  }
}

struct Reload: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Have networks.yaml read again, and say what changed.",
    discussion: """
      The daemon watches the file and reads it by itself, too; this one says what came of it. A file with mistakes \
      is refused with file, line and column, the one before stays in force, and the status is 1. Plugin folders and \
      the host's resolver configuration are looked at again, too.

        lima-netd reload
      """)

  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let report = try DaemonControl(home).reload()
    try listing.show(report) { Self.text(report) }
  }

  static func text(_ report: ReloadReport) -> String {
    let file = report.present ? report.file : "There is no \(report.file): the built-in networks"
    if report.changes.isEmpty {
      var lines = ["\(file): nothing has changed" + (report.earlier == nil ? "" : " just now")]
      if let earlier = report.earlier {
        lines.append("It was read at \(earlier.time), and that changed:")
        lines += earlier.changes.map(line)
      }
      return lines.joined(separator: "\n")
    }
    return (["\(file):"] + report.changes.map(line)).joined(separator: "\n")
  }

  private static func line(_ change: ReloadReport.Change) -> String {
    let what = change.keys.isEmpty ? "" : ": " + change.keys.joined(separator: ", ")
    let when = change.holdsNow ? "" : "; it runs, and that holds from its next start on"
    let name = change.name.map { "network \($0)" } ?? "plugin folders"
    return "  \(name) \(change.change)\(what)\(when)"
  }
}
