// SPDX-License-Identifier: Apache-2.0
//
// Accounting of the send buffer of a datagram socket that many guests share.
//
// On Linux, bytes that a guest has not read count against the sender's socket, and a guest that is connected to that
// socket, as vfkit's is, is not limited by net.unix.max_dgram_qlen: one that stops reading (a paused VM) would fill
// the buffer and block the others. A connected guest accepts datagrams from that socket only, so the guests cannot
// have sockets of their own. Therefore the bytes sent to each guest are counted here, and a guest may be sent more
// while it holds fewer bytes than are free (dynamic threshold, as ShareTable).
//
// The kernel reports only the unread bytes of all guests together (SIOCOUTQ), which is queried when a guest is at its
// bound: the difference to the counted total has been read. It is credited first to the guest being sent to, then to
// guests that were denied and have sent a frame since, and only the remainder to silent ones. So the total is always
// right, and a guest that does not read never gets more than its share.
//
// On other systems datagrams count against the receiver. Thread: loop only.

import LibC
import CPlatform
import Platform

final class SharedSendBuffer {
  private let fd: Int32
  private let limit: Int
  /// Unread bytes of all guests.
  private(set) var total = 0
  private var ports: [Unmanaged<DgramPort>] = []

  /// A guest's unread bytes, in kernel memory.
  struct Account {
    fileprivate(set) var held = 0
    /// The guest was denied, and the number of its frames at that time.
    fileprivate var isDenied = false
    fileprivate var heard: UInt64 = 0
  }

  /// Nil where no accounting is needed.
  init?(fd: Int32) {
    #if os(Linux)
      var size: Int32 = 0
      var length = socklen_t(MemoryLayout<Int32>.size)
      guard Sockets.getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &length) >= 0, size > 0 else {
        return nil
      }
      self.fd = fd
      limit = Int(size)
    #else
      return nil
    #endif
  }

  func add(_ port: DgramPort) { ports.append(.passUnretained(port)) }

  /// Removes a port and its bytes. Idempotent.
  func remove(_ port: DgramPort) {
    ports.removeAll { $0.toOpaque() == Unmanaged.passUnretained(port).toOpaque() }
    total -= port.account.held
    port.account = Account()
  }

  /// Kernel memory of a datagram: sk_buff and data with its trailer, rounded up to a power of two.
  static func cost(_ bytes: Int) -> Int {
    let block = bytes + 320
    return 256 + (block <= 4096 ? 1 << (Int.bitWidth - (block - 1).leadingZeroBitCount) : block)
  }

  /// How many of these messages the guest may be sent.
  func admitted(
    _ messages: UnsafePointer<MessageBatchEntry>, _ count: Int, to port: DgramPort
  ) -> Int {
    let fit = fitting(messages, count, port)
    if fit == count { return count }
    observe(for: port)
    let now = fitting(messages, count, port)
    if now == 0 { deny(port) }
    return now
  }

  private func fitting(
    _ messages: UnsafePointer<MessageBatchEntry>, _ count: Int, _ port: DgramPort
  ) -> Int {
    var taken = 0
    for index in 0..<count {
      taken += Self.cost(Self.bytes(messages[index]))
      if port.account.held + taken > limit - total - taken { return index }
    }
    return count
  }

  /// The first `count` of these messages were sent.
  func sent(_ messages: UnsafePointer<MessageBatchEntry>, _ count: Int, to port: DgramPort) {
    var taken = 0
    for index in 0..<count { taken += Self.cost(Self.bytes(messages[index])) }
    port.account.held += taken
    port.account.isDenied = false
    total += taken
  }

  /// The kernel refused a message: the guest's queue or the buffer is full.
  func full(_ port: DgramPort) {
    observe(for: port)
    deny(port)
  }

  private func deny(_ port: DgramPort) {
    guard !port.account.isDenied else { return }
    port.account.isDenied = true
    port.account.heard = port.counters.rxFrames
  }

  private static func bytes(_ message: MessageBatchEntry) -> Int {
    var bytes = 0
    for index in 0..<Int(message.header.msg_iovlen) {
      bytes += message.header.msg_iov[index].iov_len
    }
    return bytes
  }

  /// Queries the kernel's count.
  private func observe(for port: DgramPort) {
    guard let unread = Sockets.outputQueue(fd) else { return }
    var read = total - unread
    total = unread
    if read < 0 {
      port.account.held -= read
      return
    }
    credit(&read) { !$0.account.isDenied }
    credit(&read) { $0.account.heard != $0.counters.rxFrames }
    credit(&read) { _ in true }
  }

  private func credit(_ read: inout Int, _ mayHave: (DgramPort) -> Bool) {
    guard read > 0 else { return }
    for port in ports {
      port._withUnsafeGuaranteedRef { port in
        guard read > 0, mayHave(port) else { return }
        let share = min(read, port.account.held)
        port.account.held -= share
        read -= share
      }
    }
  }
}
