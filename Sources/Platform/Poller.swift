// SPDX-License-Identifier: Apache-2.0
//
// Poller: level-triggered readiness in batches, epoll on Linux (Poller+Kqueue elsewhere). It maps fds to 64-bit
// tokens; it has no callbacks. Used by one thread; not Sendable.

import LibC
import CPlatform

/// Readiness, and interest in it. The bits are those of LND_FD_*, so that
/// they cross the plugin ABI as they are.
package struct PollEvents: OptionSet, Hashable, Sendable {
  package let rawValue: UInt32
  package init(rawValue: UInt32) { self.rawValue = rawValue }

  package static let read = PollEvents(rawValue: 0x1)
  package static let write = PollEvents(rawValue: 0x2)
  /// Always reported: an error, or both ends are closed.
  package static let error = PollEvents(rawValue: 0x4)
  /// The peer has shut down its sending side. Reported only with interest in `read`.
  package static let hangup = PollEvents(rawValue: 0x8)

  /// A read will return data, an error or the end.
  @inline(__always)
  package var callsForRead: Bool { rawValue & 0xd != 0 }
  @inline(__always)
  package var callsForWrite: Bool { rawValue & 0x2 != 0 }
}

#if os(Linux)
  package final class Poller {
    /// Maximum events of one `wait`.
    package static let batch = 256

    private let epoll: Int32
    private let events: UnsafeMutablePointer<epoll_event>

    package init() throws(SystemError) {
      epoll = try check("epoll_create1", plat_epoll_create())
      events = .allocate(capacity: Poller.batch)
      events.initialize(repeating: epoll_event(), count: Poller.batch)
    }

    deinit {
      events.deallocate()
      _ = close(epoll)
    }

    /// Watches `fd`; events are reported with `token`. An fd can be added once. Returns 0 or -errno.
    package func add(_ fd: Int32, _ interest: PollEvents, token: UInt64) -> Int32 {
      plat_epoll_ctl(epoll, EPOLL_CTL_ADD, fd, Poller.bits(interest), token)
    }

    /// Returns 0 or -errno.
    package func modify(_ fd: Int32, _ interest: PollEvents, token: UInt64) -> Int32 {
      plat_epoll_ctl(epoll, EPOLL_CTL_MOD, fd, Poller.bits(interest), token)
    }

    /// Ends the watch; call it before closing the fd.
    package func remove(_ fd: Int32) {
      _ = plat_epoll_ctl(epoll, EPOLL_CTL_DEL, fd, 0, 0)
    }

    /// Waits for events, at most `timeout` nanoseconds (< 0: no limit). Returns how many there are, 0 after the
    /// timeout or a signal, -errno when the poller is unusable (its descriptor was closed).
    package func wait(timeout: Int64) -> Int {
      let count = plat_epoll_wait(epoll, events, Int32(Poller.batch), timeout)
      return count == -EINTR ? 0 : Int(count)
    }

    /// An event of the last `wait`, by index.
    @inline(__always)
    package func event(_ index: Int) -> (token: UInt64, events: PollEvents) {
      let event = events[index]
      return (event.data.u64, Poller.readiness(event.events))
    }

    // epoll's constants, which Swift imports with three different types.
    private static let epollIn: UInt32 = 0x1
    private static let epollOut: UInt32 = 0x4
    private static let epollErr: UInt32 = 0x8
    private static let epollHup: UInt32 = 0x10
    private static let epollRdHup: UInt32 = 0x2000

    /// EPOLLRDHUP only with interest in reading: it is level-triggered, so a half-closed peer that is not read would
    /// make every `wait` return at once.
    @inline(__always)
    private static func bits(_ interest: PollEvents) -> UInt32 {
      (interest.contains(.read) ? epollIn | epollRdHup : 0)
        | (interest.contains(.write) ? epollOut : 0)
    }

    @inline(__always)
    private static func readiness(_ bits: UInt32) -> PollEvents {
      var events: UInt32 = 0
      if bits & epollIn != 0 { events |= PollEvents.read.rawValue }
      if bits & epollOut != 0 { events |= PollEvents.write.rawValue }
      if bits & (epollErr | epollHup) != 0 { events |= PollEvents.error.rawValue }
      if bits & (epollRdHup | epollHup) != 0 { events |= PollEvents.hangup.rawValue }
      return PollEvents(rawValue: events)
    }
  }
#endif
