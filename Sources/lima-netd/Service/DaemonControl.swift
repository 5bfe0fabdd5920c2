// SPDX-License-Identifier: Apache-2.0
//
// DaemonControl: stops or restarts a running daemon, and waits for the result. If a service manager runs the daemon, it
// does so through the manager, which would restart it otherwise. Blocks.

import LibC
import Daemon
import Platform

struct DaemonControl {
  private let client: ControlClient
  private static let patience: UInt64 = 30_000_000_000

  init(_ home: HomeOptions) throws { client = try ControlClient(home) }

  /// - Returns: the daemon that was stopped; nil if none was running.
  func stop() throws -> DaemonReport? {
    guard let daemon = try running() else { return nil }
    if let service = Services.manager(of: daemon.pid) {
      try service.stop()
    } else {
      try ask("/v1/stop")
    }
    var again: DaemonReport?
    var looks = 0
    try wait {
      guard OtherProcess.isAlive(daemon.pid) else { return true }
      looks += 1
      // A restart that was asked for beside it goes on in the same process.
      guard looks % 25 == 0, let now = (try? running()) ?? nil, now.pid == daemon.pid,
        now.started != daemon.started
      else { return false }
      again = now
      return true
    }
    if let again {
      throw CommandFailure(
        "The daemon of \(again.home) was started again meanwhile (lima-netd restart): process \(again.pid) serves it",
        remedy: "Stop that one:  lima-netd stop")
    }
    return daemon
  }

  /// - Returns: the new daemon.
  func restart() throws -> DaemonReport {
    guard let before = try running() else {
      throw ControlClient.DaemonNotRunning(home: client.home.path)
    }
    if let service = Services.manager(of: before.pid) {
      try service.restart()
    } else {
      try ask("/v1/restart")
    }
    var after: DaemonReport?
    try wait {
      // While it restarts it does not answer, or closes connections.
      after = (try? running()) ?? nil
      guard let after else { return false }
      return after.started != before.started
    }
    guard let after else { throw ControlClient.DaemonNotRunning(home: client.home.path) }
    return after
  }

  func reload() throws -> ReloadReport {
    try client.send(.POST, "/v1/reload", body: [String: String]())
  }

  /// Another version in the daemon's place; blocks until that one answers.
  /// - Returns: nil: no daemon was there.
  func upgrade(restartNetworks: Bool) throws -> UpgradeReport? {
    guard let daemon = try running() else { return nil }
    let begun: UpgradeReport
    do {
      begun = try client.send(
        .POST, APIPath.upgrade, body: UpgradeRequest(restartNetworks: restartNetworks))
    } catch let failure as CommandFailure where failure.code == "HTTP_404" {
      throw CommandFailure(
        "The daemon (process \(daemon.pid)) is of a version that cannot be upgraded while it runs",
        remedy: "Start it anew, which its guests notice:  lima-netd restart")
    }
    var report = begun
    try wait {
      do {
        report = try client.get(APIPath.upgrade)
      } catch {
        // What it had accepted may be closed while its program is replaced.
        guard OtherProcess.isAlive(daemon.pid) else { throw error }
        return false
      }
      return report.number != begun.number || report.state != .running
    }
    guard report.number == begun.number, report.state == .done else {
      throw CommandFailure(
        report.error?.message ?? "The daemon was not upgraded, and does not say why",
        remedy: "Its log may say more:  lima-netd logs")
    }
    return report
  }

  /// What of a daemon's status is needed, of whatever version it is.
  private struct AnyDaemon: Decodable {
    var pid: Int32
    var started: String?
    var home: String?
  }

  private func running() throws -> DaemonReport? {
    let daemon: AnyDaemon? = try client.ifRunning { try $0.get(APIPath.status) }
    return try daemon.map { daemon in
      // It is waited for and may be sent a signal: an invalid number must not be used.
      guard daemon.pid > 1 else {
        throw CommandFailure.daemonStrange(
          client.home, "it says that it is process \(daemon.pid)", pid: client.home.lockHolder)
      }
      return DaemonReport(
        pid: daemon.pid, started: daemon.started ?? "", home: daemon.home ?? client.home.path)
    }
  }

  /// The daemon may end before its answer is complete.
  private func ask(_ path: String) throws {
    do {
      try client.perform(.POST, path)
    } catch let failure as CommandFailure where failure.code == nil {
      guard let now = try? running() else { return }
      throw CommandFailure(failure.message, remedy: "End it by a signal:  kill \(now.pid)")
    }
  }

  private func wait(until isDone: () throws -> Bool) throws {
    let deadline = MonotonicClock.now() &+ Self.patience
    while try !isDone() {
      guard MonotonicClock.now() < deadline else {
        throw CommandFailure(
          "The daemon of \(client.home.path) was asked, and after 30 s it is not done",
          remedy: "Its log may say more:  lima-netd logs")
      }
      usleep(20_000)
    }
  }
}
