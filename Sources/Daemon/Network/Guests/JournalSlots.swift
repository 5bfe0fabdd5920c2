// SPDX-License-Identifier: Apache-2.0
//
// JournalSlots: a network's journal (see JournalLayout) and which of its slots are taken. Loop thread.

import HostProtocol
import Platform

final class JournalSlots {
  /// Shared memory that is handed to each of the network's processes.
  let fd: Int32
  private var free: [Int]

  init(network: String) throws(SystemError) {
    fd = try SharedMemory.create(name: "lima-netd-journal-\(network)", size: JournalLayout.size)
    free = Array((0..<JournalLayout.slots).reversed())
  }

  /// One that a supervisor before this one has made; takes over `fd`.
  init(fd: Int32, taken: Set<Int>) {
    self.fd = fd
    free = (0..<JournalLayout.slots).reversed().filter { !taken.contains($0) }
  }

  deinit { Descriptor.close(fd) }

  /// A slot nobody uses, or -1: such a stream works, but does not outlive a process.
  func take() -> Int { free.popLast() ?? -1 }

  func give(back slot: Int) {
    if slot >= 0 { free.append(slot) }
  }
}
