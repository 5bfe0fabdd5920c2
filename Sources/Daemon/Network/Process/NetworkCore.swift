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
  private let actor: LoopActor
  let home: LimaHome
  let logger: Logger
  /// The process, from its answer to `start` until it is told to end or has ended; nil otherwise.
  var running: HostLink?

  init(name: String, loop: EventLoop, actor: LoopActor, home: LimaHome, logger: Logger) {
    self.name = name
    self.loop = loop
    self.actor = actor
    self.home = home
    self.logger = logger
  }

  /// Begins a task on the loop, for what follows from an answer; see `LoopActor.begin`.
  func begin(_ body: @escaping () async -> Void) { actor.begin(body) }

  /// The folder of its sockets and state.
  var directory: String { home.networkDirectory(name) }

  /// The file that takes what its processes print.
  var logFile: String { home.networkLog(name) }

  func log(_ level: Logger.Level, _ text: String) {
    // Reports for users name the network already.
    let prefix = "network \(name): "
    logger.log(level: level, "\(text.hasPrefix(prefix) ? "" : prefix)\(text)")
  }

  /// `HostLink.ask`, with a refusal in words for users.
  @discardableResult
  func ask(
    _ link: HostLink, _ request: HostRequest, fds: [Int32] = []
  ) async throws(ErrorReport) -> HostReply {
    do throws(HostError) { return try await link.ask(request, fds: fds) } catch {
      throw report(error)
    }
  }

  /// What the process, or the plugin in it, answered.
  func report(_ error: HostError) -> ErrorReport { report(error.code, "\(error)") }

  /// - Parameter text: goes on after "network NAME: ".
  func report(_ code: HostError.Code, _ text: String) -> ErrorReport {
    ErrorReport(code, "network \(name): \(text)")
  }
}
