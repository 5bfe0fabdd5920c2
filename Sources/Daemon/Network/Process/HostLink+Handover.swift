// SPDX-License-Identifier: Apache-2.0

import HostProtocol
import Platform

extension HostLink {
  /// Nothing is asked, and nothing on its way.
  var isQuiet: Bool { pending.isEmpty && channel.isQuiet }

  func hand(_ list: DescriptorList) -> ProcessState {
    ProcessState(
      pid: pid, started: started, startedAt: startedAt, channel: list.give(channel.fd),
      heartbeat: list.give(pulse.fd), unread: channel.unread, nextID: nextID, sent: sent,
      undoing: undoing.sorted { $0.key < $1.key }.map {
        ProcessState.Undo(id: $0.key, request: $0.value)
      },
      version: pulse.version)
  }
}
