// SPDX-License-Identifier: Apache-2.0
//
// A process that does not respond is told of, and replaced after the network's `watchdog:`, as one that has died is.

import HostProtocol

extension Network {
  func watch(_ link: HostLink) {
    link.watch.limit = { [weak self] in self?.hangLimit }
    link.watch.onChange = { [weak self, weak link] silence in
      guard let self, let link, self.link === link else { return }
      guard let silence else { return log(.notice, "process \(link.pid) responds again") }
      log(.warning, "process \(link.pid) does not respond: \(silence.text)")
    }
    link.watch.onHung = { [weak self, weak link] silence in
      guard let self, let link, self.link === link else { return }
      step(.hung(reason: "did not respond (\(silence.text)): ended by the watchdog"))
    }
  }

  /// ns. A start has its own deadline, and so has a stop.
  private var hangLimit: UInt64? {
    guard state == .running, let seconds = wanted.watchdog else { return nil }
    return UInt64(seconds) * 1_000_000_000
  }

  var unresponsive: UnresponsiveReport? {
    link?.silence.map { UnresponsiveReport(seconds: $0.seconds, place: $0.place) }
  }
}
