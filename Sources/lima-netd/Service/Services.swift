// SPDX-License-Identifier: Apache-2.0
//
// Services: the service managers that start the daemon at login: the user's systemd, or launchd.

import Daemon
import Platform

/// The daemon as a user's service. Functions block.
protocol ServiceManager {
  /// Writes its files, and starts it.
  func install(_ plan: ServicePlan) throws
  /// False if it was not installed.
  func uninstall() throws -> Bool
  func report() throws -> ServiceReport
  func stop() throws
  func restart() throws
}

/// The service to be installed.
struct ServicePlan: Hashable {
  /// Path of lima-netd.
  var executable: String
  var home: LimaHome
  /// The home is the default one and need not be named.
  var isUsualHome: Bool
  /// Names of the networks of networks.yaml.
  var networks: [String]
}

struct ServiceReport: Codable, Hashable {
  enum State: String, Codable { case notInstalled, stopped, running, failed }

  var manager: String
  var state: State
  /// It starts at each login.
  var enabled: Bool
  var file: String?
  var pid: Int32?
  var since: String?
  /// Networks whose sockets only the running daemon has, since the service's files do not contain them.
  var missingNetworks: [String]
  /// It keeps running after the user has logged out; nil: unknown.
  var lingers: Bool?
}

enum Services {
  /// The service manager of this system; nil: neither of the two.
  static var here: (any ServiceManager)? {
    #if os(Linux)
      return Files.exists(Systemd.program) ? Systemd() : nil
    #else
      return LaunchAgent()
    #endif
  }

  /// The service manager that runs this process and would restart it.
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
