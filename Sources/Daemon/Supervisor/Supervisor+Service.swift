// SPDX-License-Identifier: Apache-2.0
//
// The daemon as a service: reload, stop, restart, and what a reading of networks.yaml changed. Loop thread.

import HostProtocol
import Platform

extension Supervisor {
  /// The answer to a request goes out before the daemon does.
  private static let farewell: UInt64 = 50_000_000

  func reloaded() async throws(ErrorReport) -> ReloadReport {
    try await service.reading { reload() }
  }

  /// It stops soon after this.
  func stop(again: Bool) -> DaemonReport {
    service.startsAgain = again
    loop.schedule(after: Self.farewell) { [weak self] in
      self?.shutdown(again ? "asked to start again" : "asked to")
    }
    return DaemonReport(pid: CurrentProcess.id, started: started, home: options.home.path)
  }

  /// What the reading that has just ended came to: told when running networks have answered what it asks of them.
  func tellOutcome(since before: Configuration, of reading: ServiceRequests.Reading) {
    if let error = configuration.error {
      return service.end(reading) { .failure(ErrorReport(.invalidConfig, error)) }
    }
    let after = configuration.current
    actor.begin { [self] in
      let registry = await plugins.refresh()
      let old = Dictionary(before.networks.map { ($0.name, $0) }) { first, _ in first }
      for network in after.networks where old[network.name]?.settings != network.settings {
        networks[network.name]?.validate(registry)
      }
      for settled in networks.values.map({ $0.whenSettled() }) { await settled.value() }
      service.end(reading) { [weak self] in
        self.map { .success($0.reloadReport(since: before, after, registry)) }
      }
    }
  }

  private func reloadReport(
    since before: Configuration, _ after: Configuration, _ registry: Registry
  ) -> ReloadReport {
    func standing(_ name: String) -> NetworkStanding {
      networks[name]?.standing(registry) ?? NetworkStanding()
    }
    var report = ReloadReport(
      file: options.configFile, present: after.present,
      changes: ReloadChanges.between(before, after, standing: standing))
    if report.changes.isEmpty, var earlier = service.last {
      // What waited then may hold by now.
      earlier.changes = earlier.changes.map { change in
        guard change.change != "removed", let name = change.name, networks[name] != nil else {
          return change
        }
        return change.with(standing(name))
      }
      report.earlier = earlier
    }
    report.changes += ReloadChanges.unsettled(
      after, without: report.changes + (report.earlier?.changes ?? []), standing: standing)
    return report
  }
}
