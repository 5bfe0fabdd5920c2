// SPDX-License-Identifier: Apache-2.0
//
// Poller on kqueue. A read and a write filter of one fd are reported as two events of one token; callers treat events
// as a set, so the difference does not matter.

#if canImport(Darwin)
  import LibC

  package final class Poller {
    package static let batch = 256

    private let queue: Int32
    private let events: UnsafeMutablePointer<kevent64_s>

    package init() throws(SystemError) {
      queue = kqueue()
      guard queue >= 0 else { throw SystemError("kqueue", .current) }
      _ = fcntl(queue, F_SETFD, FD_CLOEXEC)
      events = .allocate(capacity: Poller.batch)
      events.initialize(repeating: kevent64_s(), count: Poller.batch)
    }

    deinit {
      events.deallocate()
      _ = close(queue)
    }

    package func add(_ fd: Int32, _ interest: PollEvents, token: UInt64) -> Int32 {
      modify(fd, interest, token: token)
    }

    package func modify(_ fd: Int32, _ interest: PollEvents, token: UInt64) -> Int32 {
      let read = set(fd, Int16(EVFILT_READ), interest.contains(.read), token)
      let write = set(fd, Int16(EVFILT_WRITE), interest.contains(.write), token)
      return read < 0 ? read : write
    }

    package func remove(_ fd: Int32) { _ = modify(fd, [], token: 0) }

    package func wait(timeout: Int64) -> Int {
      var time = timespec(
        tv_sec: Int(timeout / 1_000_000_000), tv_nsec: Int(timeout % 1_000_000_000))
      let count = kevent64(
        queue, nil, 0, events, Int32(Poller.batch), 0, timeout < 0 ? nil : &time)
      return count >= 0 ? Int(count) : errno == EINTR ? 0 : Int(-errno)
    }

    package func event(_ index: Int) -> (token: UInt64, events: PollEvents) {
      let event = events[index]
      var ready: PollEvents = event.filter == Int16(EVFILT_READ) ? .read : .write
      if event.flags & UInt16(EV_EOF) != 0 {
        ready.insert(.hangup)
        if event.filter == Int16(EVFILT_WRITE) || event.fflags != 0 { ready.insert(.error) }
      }
      return (event.udata, ready)
    }

    private func set(_ fd: Int32, _ filter: Int16, _ on: Bool, _ token: UInt64) -> Int32 {
      var change = kevent64_s()
      change.ident = UInt64(fd)
      change.filter = filter
      change.flags = UInt16(on ? EV_ADD : EV_DELETE)
      change.udata = token
      guard kevent64(queue, &change, 1, nil, 0, 0, nil) < 0 else { return 0 }
      return !on && errno == ENOENT ? 0 : -errno
    }
  }
#endif
