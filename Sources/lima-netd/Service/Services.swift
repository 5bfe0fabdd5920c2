// SPDX-License-Identifier: Apache-2.0
//
// Services: who starts the daemon at login: the user's systemd, or launchd.

import Daemon
import Platform

/// The daemon as a service of the user's. Commands block.
protocol ServiceManager {
  /// Writes its files, and starts it.
  func install(_ plan: ServicePlan) throws
  /// False: it was not installed.
  func uninstall() throws -> Bool
  func report() throws -> ServiceReport
  func stop() throws
  func restart() throws
}

/// What is to be started, and for whom.
struct ServicePlan: Hashable {
  /// lima-netd's own file.
  var executable: String
  var home: LimaHome
  /// No other home has to be named.
  var isUsualHome: Bool
  /// Names of the networks of networks.yaml.
  var networks: [String]
}

struct ServiceReport: Codable, Hashable {
  enum State: String, Codable { case notInstalled, stopped, running, failed }

  var manager: String
  var state: State
  /// It is started at each login.
  var enabled: Bool
  var file: String?
  var pid: Int32?
  var since: String?
  /// Networks whose sockets only the running daemon has, for the service's files do not name them.
  var missingNetworks: [String]
  /// It goes on when the user has logged out; nil: not known.
  var lingers: Bool?
}

enum Services {
  /// Of this system; nil: neither of the two.
  static var here: (any ServiceManager)? {
    #if os(Linux)
      return Files.exists(Systemd.program) ? Systemd() : nil
    #else
      return LaunchAgent()
    #endif
  }

  /// Who runs this process and would start it again.
  static func manager(of pid: Int32) -> (any ServiceManager)? {
    #if os(Linux)
      guard let bytes = try? Files.read("/proc/\(pid)/cgroup", limit: 64 << 10) else { return nil }
      return Systemd.runs(cgroups: String(decoding: bytes, as: UTF8.self)) ? Systemd() : nil
    #else
      guard let agent = here, let report = try? agent.report(), report.pid == pid else {
        return nil
      }
      return agent
    #endif
  }
}
