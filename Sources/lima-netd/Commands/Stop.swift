// SPDX-License-Identifier: Apache-2.0
//
// stop, restart, reload: control of the running daemon.

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
    /// False if there was no daemon.
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
      is refused with file, line and column, the one before stays in force, and the status is 1. Of each network that \
      changed it is told what is in force now, what waits for the network's next start, and what its plugin refused, and \
      why; the status is 1 if anything was, or if a network could not start. Plugin folders and the host's resolver \
      configuration are looked at again, too.

        lima-netd reload
      """)

  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let report = try DaemonControl(home).reload()
    try listing.show(report) { Self.text(report, home: home.words) }
    if Self.isRefused(report) { throw ExitCode(1) }
  }

  static func isRefused(_ report: ReloadReport) -> Bool {
    (report.changes + (report.earlier?.changes ?? [])).contains {
      !$0.refused.isEmpty || $0.error != nil
    }
  }

  /// - Parameter home: " --lima-home PATH" for commands of this home, or "".
  static func text(_ report: ReloadReport, home: String) -> String {
    let file = report.present ? report.file : "There is no \(report.file): the built-in networks"
    let isNew = report.changes.contains { $0.change != "unchanged" }
    var lines = [file + ":"]
    if !isNew {
      lines = ["\(file): nothing has changed" + (report.earlier == nil ? "" : " just now")]
    }
    if let earlier = report.earlier {
      lines.append("It was read at \(earlier.time), and that changed:")
      lines += earlier.changes.flatMap { self.lines($0, home: home) }
    }
    return (lines + report.changes.flatMap { self.lines($0, home: home) }).joined(separator: "\n")
  }

  /// A line for changes in effect, one for those at the next start, one for each refused change.
  static func lines(_ change: ReloadReport.Change, home: String) -> [String] {
    guard let name = change.name else {
      return ["  \(change.subject == "paths" ? "paths and group" : "plugin folders") changed"]
    }
    let subject =
      "  network \(name) " + (change.change == "unchanged" ? "as before" : change.change)
    var lines: [String] = []
    let open = Set(change.waiting + change.refused.flatMap(\.keys))
    let held = change.keys.filter { !open.contains($0) }
    if !held.isEmpty {
      let force = change.error == nil ? ": in force" : ""
      lines.append("\(subject): \(held.joined(separator: ", "))\(force)")
    }
    if !change.waiting.isEmpty {
      lines.append(
        "\(subject): \(change.waiting.joined(separator: ", ")): from its next start on. "
          + "Now, though its guests lose their connection:  "
          + "lima-netd network stop \(name)\(home) && lima-netd network start \(name)\(home)")
    }
    for refusal in change.refused {
      lines.append(
        "\(subject): \(refusal.keys.joined(separator: ", ")): refused, and it runs on with what it has: "
          + refusal.message)
    }
    if lines.isEmpty { lines.append(subject) }
    if let error = change.error { lines.append("    it cannot start: \(error.message)") }
    return lines
  }
}
