// SPDX-License-Identifier: Apache-2.0
//
// Waker: makes another thread's poller return. An eventfd (elsewhere a pipe); any number of wakes before the drain
// count as one.

import LibC
import CPlatform

package final class Waker: Sendable {
  /// The descriptor to watch for reading.
  package let readFD: Int32
  /// 8 bytes written here wake, too: for signal handlers.
  package let writeFD: Int32

  package init() throws(SystemError) {
    #if os(Linux)
      readFD = try check("eventfd", plat_eventfd())
      writeFD = readFD
    #else
      var ends: [Int32] = [0, 0]
      guard pipe(&ends) == 0 else { throw SystemError("pipe", .current) }
      for end in ends {
        _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        _ = fcntl(end, F_SETFL, O_NONBLOCK)
      }
      (readFD, writeFD) = (ends[0], ends[1])
    #endif
  }

  deinit {
    _ = close(readFD)
    if writeFD != readFD { _ = close(writeFD) }
  }

  /// Any thread; also from a signal handler. A full pipe means that a wake is already pending.
  package func wake() {
    var one: UInt64 = 1
    _ = write(writeFD, &one, MemoryLayout<UInt64>.size)
  }

  /// Called by the woken thread: makes `readFD` unreadable until the next wake.
  package func drain() {
    var count: UInt64 = 0
    #if os(Linux)
      _ = read(readFD, &count, MemoryLayout<UInt64>.size)
    #else
      while read(readFD, &count, MemoryLayout<UInt64>.size) == MemoryLayout<UInt64>.size {}
    #endif
  }
}
