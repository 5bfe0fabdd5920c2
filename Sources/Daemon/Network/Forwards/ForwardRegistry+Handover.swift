// SPDX-License-Identifier: Apache-2.0

import Platform

extension UnixListeners {
  func hand(_ list: DescriptorList) -> [HandedSockets.Entry] {
    bound.values.compactMap { list.give(HandedSockets.Entry($0.file, fd: $0.fd, isStream: true)) }
  }

  func resume(_ entries: [HandedSockets.Entry]) {
    for entry in entries { bound[entry.path] = entry.bound }
  }
}

extension ForwardRegistry {
  func hand(_ list: DescriptorList) -> ForwardsState {
    ForwardsState(table: table, awaited: awaited, sockets: sockets.hand(list))
  }

  /// In place of what it has.
  func resume(_ state: ForwardsState) {
    table = state.table
    awaited = state.awaited
    sockets.resume(state.sockets)
    let mayOpen =
      table.waiting.contains { !$0.isFinal } || table.open.contains { $0.state == .waiting }
    if mayOpen { retry.begin() }
  }
}
