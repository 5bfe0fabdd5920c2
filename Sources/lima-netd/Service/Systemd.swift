// SPDX-License-Identifier: Apache-2.0
//
// Systemd: the daemon as a service of the user's systemd, by systemctl --user. Blocks.

import Daemon
import Platform

struct Systemd: ServiceManager {
  static let program = "/usr/bin/systemctl"
  private static let units = ["lima-netd.socket", "lima-netd.service"]
  private static let seconds: UInt64 = 60

  private let environment: [String: String]
  init(environment: [String: String] = CurrentProcess.environment) {
    self.environment = environment
  }

  /// Whether a process in these control groups (/proc/PID/cgroup) belongs to lima-netd.service.
  static func runs(cgroups: String) -> Bool {
    cgroups.split(separator: "\n").contains { $0.hasSuffix("/lima-netd.service") }
  }

  /// The directory of the user's units; systemd.unit(5).
  private func folder() throws -> String {
    if let base = environment["XDG_CONFIG_HOME"], base.hasPrefix("/") {
      return base + "/systemd/user"
    }
    guard let home = environment["HOME"], home.hasPrefix("/") else {
      throw CommandFailure("$HOME is not set: units of the user's own lie below it")
    }
    return home + "/.config/systemd/user"
  }

  func install(_ plan: ServicePlan) throws {
    try reach()
    let folder = try folder()
    try Files.makeDirectory(folder, mode: 0o755)
    let units = SystemdUnits(plan: plan)
    let before = try? Files.read(folder + "/lima-netd.socket", limit: 1 << 20)
    try Files.write(
      Array(units.socket.utf8), to: folder + "/lima-netd.socket", mode: 0o644, followLinks: true)
    try Files.write(
      Array(units.service.utf8), to: folder + "/lima-netd.service", mode: 0o644, followLinks: true)
    try call(["daemon-reload"])
    if before != nil, before != Array(units.socket.utf8) {
      // A socket unit adds no sockets while it listens.
      try call(["stop"] + Self.units)
    }
    try call(["enable", "--quiet"] + Self.units)
    try call(["restart", "lima-netd.service"])
  }

  func uninstall() throws -> Bool {
    let folder = try folder()
    let files = Self.units.map { "\(folder)/\($0)" }.filter { Files.exists($0) }
    guard !files.isEmpty || isKnown() else { return false }
    try reach()
    try call(["disable", "--quiet", "--now"] + Self.units)
    for file in files { Files.remove(file) }
    try call(["daemon-reload"])
    _ = try? ask(["reset-failed"] + Self.units)
    return true
  }

  func stop() throws { try call(["stop"] + Self.units) }
  func restart() throws { try call(["restart", "lima-netd.service"]) }

  func report() throws -> ServiceReport {
    let shown = try ask([
      "show", "lima-netd.service", "--property",
      "LoadState,ActiveState,UnitFileState,FragmentPath,MainPID,ActiveEnterTimestamp",
    ])
    guard shown.succeeded else { throw Self.unreachable(shown.errors) }
    let values = Self.properties(shown.output)
    guard values["LoadState"] == "loaded" else {
      return ServiceReport(
        manager: "systemd", state: .notInstalled, enabled: false, missingNetworks: [])
    }
    let state: ServiceReport.State =
      switch values["ActiveState"] {
      case "active", "reloading", "activating", "deactivating": .running
      case "failed": .failed
      default: .stopped
      }
    return ServiceReport(
      manager: "systemd", state: state, enabled: values["UnitFileState"] == "enabled",
      file: values["FragmentPath"],
      pid: values["MainPID"].flatMap(Int32.init).flatMap { $0 > 0 ? $0 : nil },
      since: state == .running ? values["ActiveEnterTimestamp"] : nil,
      missingNetworks: missing(), lingers: lingers())
  }

  /// Parses lines of "KEY=VALUE".
  static func properties(_ text: String) -> [String: String] {
    var values: [String: String] = [:]
    for line in text.split(separator: "\n") {
      guard let equals = line.firstIndex(of: "=") else { continue }
      let value = line[line.index(after: equals)...]
      if !value.isEmpty { values[String(line[..<equals])] = String(value) }
    }
    return values
  }

  private func missing() -> [String] {
    guard let path = try? ask(["show", "lima-netd.socket", "--property", "FragmentPath"]).output,
      let file = Self.properties(path)["FragmentPath"],
      let text = try? Files.read(file, limit: 1 << 20),
      let home = LimaHome(environment: environment),
      let configuration = try? Configuration.load(home.configFile, mayBeMissing: true)
    else { return [] }
    // The unit of the packages names the default home by a specifier.
    let unit = String(decoding: text, as: UTF8.self)
      .replacing("%h", with: environment["HOME"] ?? "%h")
    let names = configuration.networks.map(\.name)
    let known = SystemdUnits.networks(in: unit, home: home, of: names)
    return known.isEmpty ? [] : names.filter { !known.contains($0) }
  }

  private func lingers() -> Bool? {
    guard let name = AccountNames.user(CurrentProcess.effectiveUser) else { return nil }
    return Files.exists("/var/lib/systemd/linger/\(name)")
  }

  private func isKnown() -> Bool {
    (try? report()).map { $0.state != .notInstalled && $0.enabled } ?? false
  }

  // MARK: Asking

  private func reach() throws {
    let result = try ask(["show-environment"])
    guard result.succeeded else { throw Self.unreachable(result.errors) }
  }

  private static func unreachable(_ said: String) -> CommandFailure {
    CommandFailure(
      "The systemd of this user does not answer: \(words(said))",
      remedy:
        "It runs where the user has logged in (ssh, a console; not by su or sudo). For one that always runs:  "
        + "loginctl enable-linger")
  }

  private func ask(_ words: [String]) throws -> BoundedCommand.Result {
    try BoundedCommand.run(Self.program, ["--user"] + words, seconds: Self.seconds)
  }

  private func call(_ words: [String]) throws {
    let result = try ask(words)
    guard !result.succeeded else { return }
    // Reports if systemd cannot be reached, as the journal would not.
    try reach()
    let said = result.errors.isEmpty ? "it did not end within a minute" : result.errors
    throw CommandFailure(
      "systemctl --user \(words.joined(separator: " ")): \(Self.words(said))",
      remedy: "What the daemon said:  journalctl --user -u lima-netd -n 20")
  }

  /// A program's last output in one line.
  static func words(_ said: String) -> String {
    Paragraph.printable(said.split(separator: "\n").joined(separator: "; "))
  }
}
