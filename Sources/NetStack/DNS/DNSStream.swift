// SPDX-License-Identifier: Apache-2.0
//
// The far end of a guest's DNS connection (RFC 7766): messages behind their length in two
// bytes. Questions may follow each other without waiting (§6.2.1.1), answers go out as
// they come. What is read is bounded by the questions under way: a guest that asks faster
// than it is answered, or that does not read, is not read from. Loop thread only.

import Wire

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// One TCP connection of a guest to the DNS address, seen from its socket pair.
final class DNSStream {
  /// A stream without a question under way ends after this time (§6.2.3), nanoseconds.
  static let idleTime: UInt64 = 30 * 1_000_000_000
  private static let maximumOutstanding = 32
  /// Answers that wait for the guest; beyond it, it is not read from.
  private static let maximumWaiting = 256 << 10
  private static let readSize = 16 << 10

  private let stack: StackCore
  private let fd: Int32
  private let watch: HandleID
  let link: UInt32
  let share: UInt32
  var timer: UInt32
  /// Whose it is.
  struct Origin {
    var guest: Endpoint
    var server: Endpoint
    var mac: MACAddress
  }
  var origin: Origin?
  private var events: FDEvents = .read
  private var input: [UInt8] = []
  private var output: [UInt8] = []
  private(set) var lastUsed: UInt64
  /// The guest will send no more.
  private var isAtEnd = false
  private var isBroken = false
  /// The guest is gone, its questions are cancelled, and only the descriptor is left.
  var isDeparted = false
  /// Questions without an answer yet.
  private(set) var outstanding = 0

  init(
    stack: StackCore, fd: Int32, watch: HandleID, link: UInt32, share: UInt32, timer: UInt32
  ) {
    self.stack = stack
    self.fd = fd
    self.watch = watch
    self.link = link
    self.share = share
    self.timer = timer
    lastUsed = stack.now
  }

  /// Everything asked is answered and sent, and no more will come; or it is broken.
  var isOver: Bool { isBroken || (isAtEnd && outstanding == 0 && output.isEmpty) }

  /// Nothing is owed to the guest.
  var isIdle: Bool { outstanding == 0 && output.isEmpty }

  /// When it ends if nothing happens. Questions have a deadline of the host's.
  var deadline: UInt64 {
    outstanding > 0 ? stack.now &+ Self.idleTime : lastUsed &+ Self.idleTime
  }

  private var mayRead: Bool {
    !isAtEnd && !isBroken && outstanding < Self.maximumOutstanding
      && output.count < Self.maximumWaiting
  }

  /// Reads and writes what can be.
  /// - Parameter ask: hands a question on; false when there will be no answer.
  func transfer(_ ready: FDEvents, ask: (ByteView) -> Bool) {
    if ready.contains(.error) { isBroken = true }
    if ready.contains(.write) { write() }
    if !ready.isDisjoint(with: [.read, .hangup]) { read() }
    parse(ask)
    update()
  }

  /// The answer to a question; nil for none. Questions that were read already may be next.
  func answered(_ message: ByteView?, ask: (ByteView) -> Bool) {
    outstanding = max(0, outstanding - 1)
    lastUsed = stack.now
    if let message {
      output.append(UInt8(truncatingIfNeeded: message.count >> 8))
      output.append(UInt8(truncatingIfNeeded: message.count))
      output.append(contentsOf: message.buffer)
      write()
    } else {
      // The guest would wait for it until its own time-out; an end tells it at once.
      isBroken = true
    }
    parse(ask)
    update()
  }

  private func read() {
    guard mayRead else { return }
    withUnsafeTemporaryAllocation(byteCount: Self.readSize, alignment: 8) { space in
      let count = message(space.baseAddress, space.count) { header in
        stack.calls.receiveMessage(stack.calls.context, fd, &header, 0)
      }
      if count > 0 {
        lastUsed = stack.now
        input.append(contentsOf: space.prefix(count))
      } else if count == 0 {
        isAtEnd = true
      } else if count != -Int(EAGAIN) {
        isBroken = true
      }
    }
  }

  private func parse(_ ask: (ByteView) -> Bool) {
    var offset = 0
    input.withUnsafeBytes { bytes in
      let view = ByteView(bytes)
      while !isBroken, outstanding < Self.maximumOutstanding, view.count - offset >= 2 {
        let length = Int(view.uint16(at: offset))
        guard length >= DNSIntercept.shortestMessage else {
          isBroken = true
          return
        }
        guard let message = view.checkedSlice(at: offset + 2, count: length) else { return }
        offset += 2 + length
        if ask(message) { outstanding += 1 } else { isBroken = true }
      }
    }
    if offset > 0 { input.removeFirst(offset) }
    // Half a message, and no more will come.
    if isAtEnd, outstanding == 0, !input.isEmpty, output.isEmpty { isBroken = true }
  }

  private func write() {
    while !output.isEmpty, !isBroken {
      let count = output.withUnsafeMutableBytes { bytes in
        message(bytes.baseAddress, bytes.count) { header in
          stack.calls.sendMessage(stack.calls.context, fd, &header, 0)
        }
      }
      guard count > 0 else {
        if count != -Int(EAGAIN) { isBroken = true }
        return
      }
      output.removeFirst(min(count, output.count))
    }
  }

  private func message(
    _ base: UnsafeMutableRawPointer?, _ count: Int, _ call: (inout msghdr) -> Int
  ) -> Int {
    var vector = iovec(iov_base: base, iov_len: count)
    return withUnsafeMutablePointer(to: &vector) { vector in
      var header = msghdr()
      header.msg_iov = vector
      header.msg_iovlen = 1
      return call(&header)
    }
  }

  private func update() {
    guard !isOver else { return }
    var wanted: FDEvents = mayRead ? .read : []
    if !output.isEmpty { wanted.insert(.write) }
    guard wanted != events else { return }
    events = wanted
    stack.host.modify(watch, events: wanted)
  }

  func close() {
    stack.timers.cancel(timer)
    stack.host.unwatch(watch)
    _ = stack.calls.close(stack.calls.context, fd)
  }
}
