// SPDX-License-Identifier: Apache-2.0
//
// `network restart`: another process in the running one's place, as after a crash: guests keep their links, and what was open
// through the network is reset. It takes plugins and configuration as they are by now.

import HostProtocol

extension Network {
  /// - Parameter answer: when it runs again, or why it does not.
  func restart(_ answer: @escaping (Result<Void, ErrorReport>) -> Void) {
    guard let old = core.running else {
      return whenRunning { answer($0.map { _ in () }) }
    }
    log(.notice, "process \(old.pid) is replaced, as asked")
    // Those who wait are told of the next process, not of this one.
    demand.questions += 1
    waiters.append { [weak self] result in
      answer(result.map { _ in () })
      self?.demand.questions -= 1
      self?.considerStopping()
    }
    step(.hung(reason: Self.restartReason))
  }

  static let restartReason = "replaced: lima-netd network restart"
}

extension Supervisor {
  func restartNetwork(
    _ name: String, _ answer: @escaping (Result<NetworkReport, ErrorReport>) -> Void
  ) {
    let network: Network
    do throws(ErrorReport) { network = try self.network(name) } catch {
      return answer(.failure(error))
    }
    plugins.refresh { [weak self] _ in
      network.restart { result in
        guard let self else { return }
        answer(result.map { network.report(registry: self.plugins.registry) })
      }
    }
  }
}
