// SPDX-License-Identifier: Apache-2.0
//
// `network restart`: another process in the running one's place, as after a crash: guests keep their links, and what was open
// through the network is reset. It takes plugins and configuration as they are by now.

import HostProtocol

extension Network {
  /// Ends when it runs again.
  /// - Throws: why it does not.
  func restart() async throws(ErrorReport) {
    guard let old = core.running else {
      _ = try await whenRunning().value()
      return
    }
    log(.notice, "process \(old.pid) is replaced, as asked")
    // Those who wait are told of the next process, not of this one.
    let next = Promise<HostLink, ErrorReport>()
    waiting.forProcess.append(next)
    demand.questions += 1
    defer {
      demand.questions -= 1
      considerStopping()
    }
    step(.hung(reason: Self.restartReason))
    _ = try await next.value()
  }

  static let restartReason = "replaced: lima-netd network restart"
}

extension Supervisor {
  func restartNetwork(_ name: String) async throws(ErrorReport) -> NetworkReport {
    let network = try network(name)
    _ = await plugins.refresh()
    try await network.restart()
    return network.report(registry: plugins.registry)
  }
}
