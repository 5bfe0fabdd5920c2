// SPDX-License-Identifier: Apache-2.0
//
// The stack's end of a guest's DNS connection (RFC 7766): messages with a length of two bytes. Queries may be
// pipelined (§6.2.1.1), answers are sent in order of completion. Pending queries are bounded: a guest with too many,
// or one that does not read answers, is not read. Loop thread only.

import LibC
import Wire

/// One TCP connection of a guest to the DNS address, at the other end of its socket pair.
final class DNSStream {
  /// A stream without pending queries is closed after this time (§6.2.3), nanoseconds.
  static let idleTime: UInt64 = 30 * 1_000_000_000
  private static let maximumOutstanding = 32
  /// Maximum bytes of unsent answers; beyond it the guest is not read.
  private static let maximumWaiting = 256 << 10
  private static let readSize = 16 << 10

  private let stack: StackCore
  private let fd: Int32
  private let watch: HandleID
  let link: UInt32
  let share: UInt32
  var timer: UInt32
  /// The stream's owner.
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
  /// The guest has shut down its sending side.
  private var isAtEnd = false
  private var isBroken = false
  /// The guest is gone and its queries are cancelled; only the descriptor is still open.
  var isDeparted = false
  /// Pending queries.
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

  /// All queries are answered and the answers sent, and no more can come; or the stream is broken.
  var isOver: Bool { isBroken || (isAtEnd && outstanding == 0 && output.isEmpty) }

  /// No answers are pending or unsent.
  var isIdle: Bool { outstanding == 0 && output.isEmpty }

  /// When it is closed if nothing happens. Queries have a deadline in the host.
  var deadline: UInt64 {
    outstanding > 0 ? stack.now &+ Self.idleTime : lastUsed &+ Self.idleTime
  }

  private var mayRead: Bool {
    !isAtEnd && !isBroken && outstanding < Self.maximumOutstanding
      && output.count < Self.maximumWaiting
  }

  /// Reads and writes as much as possible.
  /// - Parameter ask: passes a query on; false when there will be no answer.
  func transfer(_ ready: FDEvents, ask: (ByteView) -> Bool) {
    if ready.contains(.error) { isBroken = true }
    if ready.contains(.write) { write() }
    if !ready.isDisjoint(with: [.read, .hangup]) { read() }
    parse(ask)
    update()
  }

  /// The answer to a query; nil: none. May pass on queries that were read before.
  func answered(_ message: ByteView?, ask: (ByteView) -> Bool) {
    outstanding = max(0, outstanding - 1)
    lastUsed = stack.now
    if let message {
      output.append(UInt8(truncatingIfNeeded: message.count >> 8))
      output.append(UInt8(truncatingIfNeeded: message.count))
      output.append(contentsOf: message.buffer)
      write()
    } else {
      // Closing tells the guest at once; otherwise it would wait for its own timeout.
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
    // An incomplete message at the end of the input.
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
