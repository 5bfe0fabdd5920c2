// SPDX-License-Identifier: Apache-2.0
//
// NetworkCore: what the parts of a network know of it: its name, where its files are, its log, and its process while
// that runs. They know neither the network nor each other. Loop thread.

import HostProtocol
import Logging
import Platform

final class NetworkCore {
  let name: String
  let loop: EventLoop
  let home: LimaHome
  let logger: Logger
  /// The process, from its answer to `start` until it is told to end or has ended; nil otherwise.
  var running: HostLink?

  init(name: String, loop: EventLoop, home: LimaHome, logger: Logger) {
    self.name = name
    self.loop = loop
    self.home = home
    self.logger = logger
  }

  /// The folder of its sockets and state.
  var directory: String { home.networkDirectory(name) }

  /// The file that takes what its processes print.
  var logFile: String { home.networkLog(name) }

  func log(_ level: Logger.Level, _ text: String) {
    // Reports for users name the network already.
    let prefix = "network \(name): "
    logger.log(level: level, "\(text.hasPrefix(prefix) ? "" : prefix)\(text)")
  }

  /// What the process, or the plugin in it, answered.
  func report(_ error: HostError) -> ErrorReport { report(error.code, "\(error)") }

  /// - Parameter text: goes on after "network NAME: ".
  func report(_ code: HostError.Code, _ text: String) -> ErrorReport {
    ErrorReport(code, "network \(name): \(text)")
  }
}
