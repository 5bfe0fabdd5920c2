// SPDX-License-Identifier: Apache-2.0

import Platform

extension UnixAcceptor {
  /// Accepts nobody meanwhile: clients wait in the backlog. Idempotent.
  func pause(_ isPaused: Bool) {
    if fd >= 0 { try? loop.modify(fd, isPaused ? [] : .read) }
  }

  /// Nil: it is closed, or a service manager's.
  func hand(_ list: DescriptorList) -> HandedSockets.Entry? {
    list.give(HandedSockets.Entry(file, fd: fd, isStream: true))
  }
}
