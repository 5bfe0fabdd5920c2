// SPDX-License-Identifier: Apache-2.0
//
// Upgrades: what is known of the daemon's last upgrade, and of the one under way. Loop thread.

import Platform

final class Upgrades {
  private(set) var report = UpgradeReport(
    number: 0, state: .none, from: nil, to: nil, executable: "", networks: [], restarted: [],
    guests: 0, pause: nil, error: nil)
  /// ns, monotonic; 0: clients are served.
  var pausedAt: UInt64 = 0
  var patience = UpgradePatience(now: 0)
  /// Where the service manager is told that the daemon is ready.
  var notify: String?
  var replacesProcesses = false

  var isUnderWay: Bool { report.state == .running }

  func begin(from version: String, executable: String) {
    report = UpgradeReport(
      number: report.number + 1, state: .running, from: version, to: nil, executable: executable,
      networks: [], restarted: [], guests: 0, pause: nil, error: nil)
  }

  /// The program that is there now is this one.
  func name(_ version: String) { report.to = version }

  func fail(_ error: ErrorReport) {
    report.state = .failed
    report.error = error
  }

  /// - Parameter before: of the supervisor before this one.
  func finish(_ before: UpgradeReport, version: String, pause: UInt64) {
    report = before
    report.state = .done
    report.to = version
    report.pause = Int(pause / 1_000_000)
  }

  func kept(_ networks: [String], restarted: [String], guests: Int) {
    report.networks = networks
    report.restarted = restarted
    report.guests = guests
  }
}
