// SPDX-License-Identifier: Apache-2.0
//
// DaemonState: all of a supervisor that the next version of it goes on with, but for the descriptors themselves, which keep
// their numbers over execve(2). JSON; the reader refuses what it does not know before it takes anything. Values.

import HostProtocol
import Platform

/// What every version can read of every other's state.
struct StateHeader: Codable {
  static let format = "lima-netd supervisor"
  /// Raised when an older reader would misunderstand it; not for members that are added and may be absent.
  static let version = 1

  var format = StateHeader.format
  var version = StateHeader.version
  /// The version of lima-netd that wrote it.
  var program: String
}

struct DaemonState: Codable {
  var header: StateHeader
  var home: String
  /// All descriptors of the state.
  var descriptors: [Int32]
  var started: String
  var upgrade: UpgradeReport
  /// When clients were read no more, ns, monotonic.
  var pausedAt: UInt64
  /// Processes whose protocol is not understood are replaced, as after a crash.
  var replacesProcesses: Bool
  /// The pid file's, which the lock is on.
  var lock: Int32
  /// Of the service manager: its sockets, and where it is told that the daemon is ready.
  var inherited: [Int32]
  var notify: String?
  var sockets: [HandedSockets.Entry]
  var clients: [AttachClientState]
  var lastGuestID: UInt64
  var configuration: ConfigurationState
  var networks: [NetworkHandover]
  var instances: [InstanceState]

  /// `Configuration` without its warnings: the file is read again soon.
  struct ConfigurationState: Codable {
    var file: String
    var present: Bool
    var networks: [NetworkConfiguration]
    var pluginDirectories: [String]
    var paths: NetworksPaths

    init(_ configuration: Configuration) {
      file = configuration.file
      present = configuration.present
      networks = configuration.networks
      pluginDirectories = configuration.pluginDirectories
      paths = configuration.paths
    }

    var configuration: Configuration {
      Configuration(
        file: file, present: present, networks: networks, pluginDirectories: pluginDirectories,
        paths: paths, warnings: [])
    }
  }
}

/// A connection of `exec`, `attach` or `tap`.
struct AttachClientState: Codable {
  var channel: Int32
  var unread: [UInt8]
  var network: String?
  var guest: UInt64?
  var forwardOwner: String?
  var asked: Bool
  var isAttached: Bool
}

/// What an instance knows of its guest; all else comes from its lima.yaml.
struct InstanceState: Codable {
  var name: String
  var since: String
  var lease: LeaseReport?
  var address6: String?
  var name6: String?
  var hasForwards: Bool
}
