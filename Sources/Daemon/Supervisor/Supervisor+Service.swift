// SPDX-License-Identifier: Apache-2.0
//
// The daemon as a service: reload, stop, restart, and what a reading of networks.yaml changed. Loop thread.

import HostProtocol
import Platform

extension Supervisor {
  /// The answer to a request goes out before the daemon does.
  private static let farewell: UInt64 = 50_000_000

  func reload(_ answer: @escaping (Result<ReloadReport, ErrorReport>) -> Void) {
    service.ask(answer)
    reload()
  }

  func stop(
    again: Bool, _ answer: @escaping (Result<DaemonReport, ErrorReport>) -> Void
  ) {
    answer(
      .success(
        DaemonReport(pid: CurrentProcess.id, started: started, home: options.home.path)))
    service.startsAgain = again
    loop.schedule(after: Self.farewell) { [weak self] in
      self?.shutdown(again ? "asked to start again" : "asked to")
    }
  }

  /// What is another than in `before`, or why nothing is.
  func reloadReport(
    since before: Configuration, states: [String: NetworkPhase]
  ) -> Result<ReloadReport, ErrorReport> {
    if let error = configuration.error {
      return .failure(ErrorReport(.invalidConfig, error))
    }
    return .success(
      ReloadReport(
        file: options.configFile, present: configuration.current.present,
        changes: ReloadChanges.between(before, configuration.current) { name in
          states[name].map { $0 == .running || $0 == .starting || $0 == .restarting } ?? false
        }))
  }
}

/// What two configurations differ in, for users. Pure.
enum ReloadChanges {
  static func between(
    _ before: Configuration, _ after: Configuration, runs: (String) -> Bool
  ) -> [ReloadReport.Change] {
    let old = Dictionary(before.networks.map { ($0.name, $0) }) { first, _ in first }
    let new = Dictionary(after.networks.map { ($0.name, $0) }) { first, _ in first }
    var changes: [ReloadReport.Change] = []
    if before.pluginDirectories != after.pluginDirectories {
      changes.append(
        .init(subject: "plugins", name: nil, change: "changed", keys: [], holdsNow: true))
    }
    for name in Set(old.keys).union(new.keys).sorted() {
      switch (old[name], new[name]) {
      case (.none, .some): changes.append(network(name, "added", [], true))
      case (.some, .none): changes.append(network(name, "removed", [], true))
      case (.some(let was), .some(let is_)):
        let (keys, needsStart) = keys(was, is_)
        if !keys.isEmpty {
          changes.append(network(name, "changed", keys, !(needsStart && runs(name))))
        }
      case (.none, .none): break
      }
    }
    return changes
  }

  private static func network(
    _ name: String, _ change: String, _ keys: [String], _ holdsNow: Bool
  ) -> ReloadReport.Change {
    .init(subject: "network", name: name, change: change, keys: keys, holdsNow: holdsNow)
  }

  /// Which differ, and whether one of them needs another process.
  private static func keys(
    _ old: NetworkConfiguration, _ new: NetworkConfiguration
  ) -> (keys: [String], needsStart: Bool) {
    let (was, is_) = (old.settings, new.settings)
    var keys: [String] = []
    func compare<Value: Equatable>(_ key: String, _ value: (NetworkConfiguration.Settings) -> Value)
    {
      if value(was) != value(is_) { keys.append(key) }
    }
    compare("mode") { $0.mode }
    compare("interface") { $0.interface }
    compare("addresses") { [$0.gateway, $0.netmask, $0.dhcpEnd] }
    compare("plugin") { $0.plugin }
    compare("options") { $0.options }
    compare("sandbox") { $0.isConfined }
    let needsStart = !keys.isEmpty
    if was != was.withDNS(of: is_) { keys.append("dns") }
    if old.hosts != new.hosts { keys.append("hosts") }
    if old.watchdog != new.watchdog { keys.append("watchdog") }
    return (keys, needsStart)
  }
}
