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
    try wait { !OtherProcess.isAlive(daemon.pid) }
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

  /// The part of the status that is needed, of any version of the daemon.
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
