// SPDX-License-Identifier: Apache-2.0
//
// The send buffer of a datagram socket that many guests are sent to from.
//
// On Linux what a guest has not read counts against the sender's socket, and a guest that is
// connected to that socket, as vfkit's is, is not held to net.unix.max_dgram_qlen: one that stops
// reading (a paused VM) would fill the buffer, and the others would get nothing. Nobody else may send
// to a connected guest, so that each cannot have a socket of its own. Instead it is counted here what
// each guest has been sent, and a guest may be sent more while it holds fewer bytes than are free
// (as ShareTable has it).
//
// The kernel tells what all of them together have not read (SIOCOUTQ), which is asked for only when
// a guest is at its bound: the difference to what was counted has been read by somebody. It is put
// down first to guests that are being sent to, then to those that were denied and have been heard of
// since, and only what is more than those had to the ones that are silent. So the sum is always
// right, and a guest that does not read never gets more than its share.
//
// On other systems datagrams count against the receiver. Thread: loop only.

import CPlatform
import Platform

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

final class SharedSendBuffer {
  private let fd: Int32
  private let limit: Int
  /// What all guests hold.
  private(set) var total = 0
  private var ports: [Unmanaged<DgramPort>] = []

  /// What a guest holds, in memory of the kernel.
  struct Account {
    fileprivate(set) var held = 0
    /// It was full, and how many frames had come from it by then.
    fileprivate var isDenied = false
    fileprivate var heard: UInt64 = 0
  }

  /// Nil where it is not needed.
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

  /// The port is gone. Idempotent.
  func remove(_ port: DgramPort) {
    ports.removeAll { $0.toOpaque() == Unmanaged.passUnretained(port).toOpaque() }
    total -= port.account.held
    port.account = Account()
  }

  /// What a datagram takes of the kernel's memory: its head, and the bytes with what follows them,
  /// in blocks of powers of two.
  static func cost(_ bytes: Int) -> Int {
    let block = bytes + 320
    return 256 + (block <= 4096 ? 1 << (Int.bitWidth - (block - 1).leadingZeroBitCount) : block)
  }

  /// How many of these messages the guest may be sent now.
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

  /// The guest, or the socket, takes no more.
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

  /// Asks the kernel.
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
