// SPDX-License-Identifier: Apache-2.0
//
// A host for one DNS plugin: a poll loop behind the real C table, on the thread
// of its test. Servers of a test run on the same loop, so nothing races.

import DNSMessage
import LibC
import LimaNetdSDK
import Platform
import PluginAPI

@testable import HostDNSCore

final class TestHost {
  private let table = UnsafeMutablePointer<lnd_host>.allocate(capacity: 1)
  private let wakeEnds: (read: Int32, write: Int32)
  private var watches: [lnd_handle: (fd: Int32, events: UInt32, user: UInt64)] = [:]
  private var timers: [lnd_handle: (deadline: UInt64, user: UInt64)] = [:]
  private var lastHandle: UInt64 = 0
  private var services: [Int32: () -> Void] = [:]
  /// What a test's servers do later.
  private var delayed: [(at: UInt64, body: () -> Void)] = []
  private(set) var written = ""
  /// Lines of the log.
  private(set) var logged: [String] = []
  private(set) var failure = ""
  /// What became of operations.
  private(set) var results: [lnd_op: (status: lnd_status, bytes: [UInt8])] = [:]
  private var lastOp: lnd_op = 0

  init() throws {
    wakeEnds = try Descriptor.pipe()
    table.initialize(to: lnd_host())
    table.pointee.size = UInt32(MemoryLayout<lnd_host>.size)
    table.pointee.ctx = Unmanaged.passUnretained(self).toOpaque()
    table.pointee.log = { ctx, _, text, length in
      let bytes = UnsafeRawBufferPointer(start: text, count: Int(length))
      TestHost.of(ctx).logged.append(String(decoding: bytes, as: UTF8.self))
    }
    table.pointee.wake = { ctx in
      var byte: UInt8 = 1
      _ = write(TestHost.of(ctx).wakeEnds.write, &byte, 1)
    }
    table.pointee.now_ns = { _ in MonotonicClock.now() }
    table.pointee.fd_add = { ctx, fd, events, user, watch in
      watch?.pointee = TestHost.of(ctx).add(fd, events, user)
      return LND_OK
    }
    table.pointee.report = { _, _, _, _ in }
    table.pointee.fd_modify = { ctx, watch, events in
      TestHost.of(ctx).watches[watch]?.events = events
      return LND_OK
    }
    table.pointee.fd_remove = { ctx, watch in TestHost.of(ctx).watches[watch] = nil }
    table.pointee.timer_at = { ctx, deadline, user in TestHost.of(ctx).addTimer(deadline, user) }
    table.pointee.timer_cancel = { ctx, timer in TestHost.of(ctx).timers[timer] = nil }
    table.pointee.fail = { ctx, code, pointer, text, length in
      let bytes = UnsafeRawBufferPointer(start: text, count: Int(length))
      TestHost.of(ctx).failure =
        (pointer.map { String(cString: $0) } ?? "") + ": "
        + String(decoding: bytes, as: UTF8.self)
      return code
    }
    table.pointee.op_done = { ctx, op, status, bytes, length in
      TestHost.of(ctx).results[op] = (
        status, Array(UnsafeBufferPointer(start: bytes, count: Int(length)))
      )
      return LND_OK
    }
    table.pointee.write = { ctx, _, bytes, length in
      TestHost.of(ctx).written += String(
        decoding: UnsafeBufferPointer(start: bytes, count: Int(length)), as: UTF8.self)
      return LND_OK
    }
    table.pointee.get_extension = { _, _ in nil }
  }

  deinit {
    for fd in services.keys { close(fd) }
    close(wakeEnds.read)
    close(wakeEnds.write)
    table.deallocate()
  }

  private static func of(_ context: UnsafeMutableRawPointer?) -> TestHost {
    guard let context else { fatalError("a call without the table's ctx") }
    return Unmanaged<TestHost>.fromOpaque(context).takeUnretainedValue()
  }

  var context: HostContext { HostContext(table: UnsafePointer(table)) }

  /// Watches the plugin has: sockets under way.
  var watchCount: Int { watches.count }
  var timerCount: Int { timers.count }

  private func add(_ fd: Int32, _ events: UInt32, _ user: UInt64) -> lnd_handle {
    lastHandle += 1
    watches[lastHandle] = (fd, events, user)
    return lastHandle
  }

  private func addTimer(_ deadline: UInt64, _ user: UInt64) -> lnd_handle {
    lastHandle += 1
    timers[lastHandle] = (deadline, user)
    return lastHandle
  }

  /// Calls `body` whenever `fd` is readable; closes `fd` at the end.
  func serve(_ fd: Int32, _ body: @escaping () -> Void) { services[fd] = body }

  /// Calls `body` once, on the loop.
  func later(_ milliseconds: UInt64, _ body: @escaping () -> Void) {
    delayed.append((MonotonicClock.now() + milliseconds * 1_000_000, body))
  }

  func endService(_ fd: Int32) {
    services[fd] = nil
    close(fd)
  }

  /// Asks; the answer is in `results` once it is there.
  func ask(
    _ plugin: HostResolver, _ message: [UInt8], within milliseconds: UInt64 = 5000
  ) -> lnd_op {
    lastOp += 1
    message.withUnsafeBytes {
      plugin.resolve(
        lastOp,
        DNSQuery(
          transport: LND_DNS_UDP, message: $0,
          deadline: MonotonicClock.now() + milliseconds * 1_000_000))
    }
    return lastOp
  }

  /// Turns the loop until `condition` holds; false after `milliseconds`.
  @discardableResult
  func run(
    _ plugin: HostResolver, for milliseconds: UInt64 = 8000, until condition: () -> Bool
  ) -> Bool {
    let end = MonotonicClock.now() + milliseconds * 1_000_000
    while !condition() {
      let now = MonotonicClock.now()
      if now >= end { return false }
      turn(plugin, now, end)
    }
    return true
  }

  private func turn(_ plugin: HostResolver, _ now: UInt64, _ end: UInt64) {
    for (handle, timer) in timers.sorted(by: { $0.key < $1.key }) where timer.deadline <= now {
      guard timers.removeValue(forKey: handle) != nil else { continue }
      plugin.onTimer(handle, user: timer.user)
    }
    let due = delayed.filter { $0.at <= now }
    delayed.removeAll { $0.at <= now }
    for (_, body) in due { body() }
    let next = min(
      end, timers.values.map(\.deadline).min() ?? end, delayed.map(\.at).min() ?? end)
    let watched = watches.sorted { $0.key < $1.key }
    let served = services.keys.sorted()
    var polls = [pollfd(fd: wakeEnds.read, events: Int16(POLLIN), revents: 0)]
    for (_, watch) in watched {
      var events = 0
      if watch.events & LND_FD_READ != 0 { events |= Int(POLLIN) }
      if watch.events & LND_FD_WRITE != 0 { events |= Int(POLLOUT) }
      polls.append(pollfd(fd: watch.fd, events: Int16(events), revents: 0))
    }
    polls += served.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    let wait = next > now ? min((next - now) / 1_000_000 + 1, 1000) : 0
    guard poll(&polls, nfds_t(polls.count), Int32(wait)) > 0 else { return }
    if polls[0].revents != 0 {
      var bytes = [UInt8](repeating: 0, count: 512)
      _ = read(wakeEnds.read, &bytes, bytes.count)
      plugin.onWake()
    }
    for (index, fd) in served.enumerated() where polls[1 + watched.count + index].revents != 0 {
      services[fd]?()
    }
    // As a real host: all events of a turn in one array, stale ones included.
    let ready = watched.indices.filter { polls[1 + $0].revents != 0 }
    let events = ready.map {
      lnd_fd_event(user: watched[$0].value.user, events: LND_FD_READ, reserved: 0)
    }
    events.withUnsafeBufferPointer {
      if let base = $0.baseAddress, !$0.isEmpty { plugin.onFDs(base, $0.count) }
    }
  }

  /// Asks and waits; nil without an answer.
  /// - Parameter milliseconds: the question's time. One that has an hour has its answer here only if nothing was waited for.
  func answer(
    _ plugin: HostResolver, _ message: [UInt8], within milliseconds: UInt64 = 5000
  ) throws -> DNSMessage? {
    let op = ask(plugin, message, within: milliseconds)
    guard run(plugin, until: { results[op] != nil }), let result = results[op],
      result.status == LND_OK
    else { return nil }
    return try DNSMessage(parsing: result.bytes)
  }
}
