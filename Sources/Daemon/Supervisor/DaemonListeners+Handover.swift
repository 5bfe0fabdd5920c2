// SPDX-License-Identifier: Apache-2.0

import Platform

extension ControlListener {
  func pause(_ isPaused: Bool) { acceptor?.pause(isPaused) }
  func hand(_ list: DescriptorList) -> HandedSockets.Entry? { acceptor?.hand(list) }
}

extension DaemonListeners {
  /// Nobody is accepted meanwhile.
  func pause(_ isPaused: Bool) {
    control?.pause(isPaused)
    attach?.pause(isPaused)
  }

  /// What an upgrade has to wait for; nil: nothing.
  var obstacle: String? {
    attach?.hasPending == true ? "a guest that is being attached" : nil
  }

  func disappoint() { attach?.disappoint() }

  func handLock(_ list: DescriptorList) -> Int32 { list.give(lock) }

  func hand(_ list: DescriptorList) -> [HandedSockets.Entry] {
    [control?.hand(list), attach?.handSocket(list)].compactMap { $0 }
  }

  func handClients(_ list: DescriptorList) -> [AttachClientState] { attach?.hand(list) ?? [] }

  /// Instead of `takeLock`: the lock is on an open file, which came along.
  func resumeLock(_ handover: Handover) {
    lock = handover.state.lock
    lockFile = try? Files.info(home.pidFile, followLinks: false)
  }

  func resumeClients(_ handover: Handover, network: (String) -> Network?) {
    attach?.resume(handover.state.clients, network: network)
  }
}
