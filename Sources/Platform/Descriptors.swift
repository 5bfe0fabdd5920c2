// SPDX-License-Identifier: Apache-2.0
//
// Operations on plain descriptors. They are Int32 everywhere: most of them cross a process or the plugin ABI.

import LibC
import CPlatform

package enum Descriptor {
  /// Opens descriptors 0, 1 and 2 if they are closed: a later descriptor would otherwise get such a number and receive what
  /// is written to standard output or error. Reading that input, or writing that output, fails with EBADF, as if closed. To
  /// be called first in a program.
  package static func openStandard() {
    for fd: Int32 in 0...2 where fcntl(fd, F_GETFD) < 0 {
      // open returns the lowest free number: this one.
      guard open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) == fd else { return }
    }
  }

  /// Whether the process may open that many more now. For code that ends the process when it may not. Another thread may
  /// take them at once.
  package static func areFree(_ count: Int) -> Bool {
    var taken: [Int32] = []
    defer { for fd in taken { close(fd) } }
    for _ in 0..<count {
      let fd = open("/dev/null", O_RDONLY | O_CLOEXEC)
      guard fd >= 0 else { return false }
      taken.append(fd)
    }
    return true
  }

  /// Never retried: after EINTR Linux has closed it.
  package static func close(_ fd: Int32) {
    _ = systemClose(fd)
  }

  package static func setNonBlocking(_ fd: Int32, _ on: Bool = true) throws(SystemError) {
    let flags = fcntl(fd, F_GETFL)
    guard flags >= 0 else { throw SystemError("fcntl", .current) }
    let wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK
    guard fcntl(fd, F_SETFL, wanted) == 0 else { throw SystemError("fcntl", .current) }
  }

  package static func setCloseOnExec(_ fd: Int32, _ on: Bool = true) throws(SystemError) {
    guard fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) == 0 else {
      throw SystemError("fcntl", .current)
    }
  }

  /// A second descriptor of the same open file, with CLOEXEC.
  package static func duplicate(_ fd: Int32) throws(SystemError) -> Int32 {
    let copy = fcntl(fd, F_DUPFD_CLOEXEC, 3)
    guard copy >= 0 else { throw SystemError("fcntl", .current) }
    return copy
  }

  /// dup2: `target` becomes a descriptor of the file that `fd` has open, without CLOEXEC.
  package static func replace(_ target: Int32, with fd: Int32) throws(SystemError) {
    guard dup2(fd, target) >= 0 else { throw SystemError("dup2", .current) }
  }

  /// A pipe whose ends have CLOEXEC.
  package static func pipe() throws(SystemError) -> (read: Int32, write: Int32) {
    var ends: [Int32] = [-1, -1]
    guard systemPipe(&ends) == 0 else { throw SystemError("pipe", .current) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (ends[0], ends[1])
  }

  /// Waits until `fd` is ready; false after `timeout` milliseconds (< 0: never).
  package static func wait(
    _ fd: Int32, _ interest: PollEvents, timeout milliseconds: Int32
  ) throws(SystemError) -> Bool {
    let deadline = MonotonicClock.now() &+ UInt64(max(0, milliseconds)) * 1_000_000
    var remaining = milliseconds
    while true {
      var request = pollfd(
        fd: fd,
        events: (interest.contains(.read) ? Int16(POLLIN) : 0)
          | (interest.contains(.write) ? Int16(POLLOUT) : 0),
        revents: 0)
      let result = poll(&request, 1, remaining)
      if result > 0 { return true }
      if result == 0 { return false }
      guard errno == EINTR else { throw SystemError("poll", .current) }
      if milliseconds >= 0 {
        let now = MonotonicClock.now()
        remaining = deadline > now ? Int32(clamping: (deadline - now) / 1_000_000) : 0
      }
    }
  }
}

package enum Signals {
  /// Ignores SIGPIPE: a write to a closed pipe or socket fails with EPIPE and does not end the process.
  package static func ignoreBrokenPipes() { _ = plat_ignore_sigpipe() }
}
