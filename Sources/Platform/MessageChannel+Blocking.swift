// SPDX-License-Identifier: Apache-2.0
//
// Blocking calls of MessageChannel for single-purpose programs (the command line, tests). They wait with poll; the
// socket stays non-blocking.

extension MessageChannel {
  /// Sends and waits until the socket has taken everything.
  package func sendBlocking(
    _ bytes: [UInt8], fds: [Int32] = [], timeout milliseconds: Int32 = 10_000
  ) throws(Failure) {
    try send(bytes, fds: fds)
    while wantsWrite {
      try wait(.write, milliseconds)
      try flush()
    }
  }

  /// The next message; throws `timedOut` when none comes within that many milliseconds (< 0: no limit).
  package func receiveBlocking(timeout milliseconds: Int32 = 10_000) throws(Failure) -> Message {
    let deadline = MonotonicClock.now() &+ UInt64(max(0, milliseconds)) * 1_000_000
    while true {
      if let message = try receive() { return message }
      let now = MonotonicClock.now()
      let left = deadline > now ? Int32(clamping: (deadline - now) / 1_000_000 + 1) : 0
      try wait(.read, milliseconds < 0 ? -1 : left)
    }
  }

  private func wait(_ interest: PollEvents, _ milliseconds: Int32) throws(Failure) {
    let ready: Bool
    do throws(SystemError) {
      ready = try Descriptor.wait(fd, interest, timeout: milliseconds)
    } catch {
      throw .system(error)
    }
    if !ready { throw .timedOut }
  }
}
