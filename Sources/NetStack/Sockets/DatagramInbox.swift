// SPDX-License-Identifier: Apache-2.0
//
// The buffers for the datagrams of one recvmmsg(2): shared by all sockets of a stack, valid until the next `receive`.
// Address space for 32 datagrams of 64 KiB is reserved; only touched pages use memory. Loop thread only.

import LibC
import Platform
import Wire

/// Datagrams received from one socket.
package final class DatagramInbox {
  package static let capacity = 32
  /// Maximum length of a UDP datagram, and of a UDP_GRO train.
  private static let bufferSize = 65536
  private static let controlSize = 256

  private let buffers: MappedRegion
  private let controls: UnsafeMutableRawPointer
  private let names: UnsafeMutablePointer<SocketAddress>
  private let vectors: UnsafeMutablePointer<iovec>
  private let messages: UnsafeMutablePointer<MessageBatchEntry>

  /// Datagrams of the last `receive`.
  package private(set) var count = 0

  package init() {
    let capacity = Self.capacity
    buffers = MappedRegion(byteCount: capacity * Self.bufferSize)
    controls = .allocate(byteCount: capacity * Self.controlSize, alignment: 16)
    names = .allocate(capacity: capacity)
    names.initialize(repeating: SocketAddress(), count: capacity)
    vectors = .allocate(capacity: capacity)
    messages = .allocate(capacity: capacity)
    for index in 0..<capacity {
      vectors[index] = iovec(
        iov_base: buffers.base + index * Self.bufferSize, iov_len: Self.bufferSize)
      messages[index] = MessageBatchEntry()
      messages[index].header.msg_name = UnsafeMutableRawPointer(names + index)
      messages[index].header.msg_iov = vectors + index
      messages[index].header.msg_iovlen = 1
      messages[index].header.msg_control = controls + index * Self.controlSize
    }
  }

  deinit {
    controls.deallocate()
    names.deallocate()
    vectors.deallocate()
    messages.deallocate()
  }

  /// Receives up to `capacity` datagrams. Returns their number, or -errno.
  package func receive(_ fd: Int32, _ sockets: SocketCalls) -> Int {
    prepare()
    let result = sockets.receiveMessages(
      sockets.context, fd, messages, UInt32(Self.capacity))
    count = max(0, min(Int(result), Self.capacity))
    return Int(result)
  }

  /// Reads up to `capacity` entries of the socket's error queue. Returns their number, or -errno.
  package func receiveErrors(_ fd: Int32, _ sockets: SocketCalls) -> Int {
    prepare()
    count = 0
    while count < Self.capacity {
      let length = sockets.receiveMessage(
        sockets.context, fd, &messages[count].header, SocketConstant.errorQueue)
      guard length >= 0 else { return count > 0 ? count : length }
      messages[count].length = UInt32(truncatingIfNeeded: length)
      count &+= 1
    }
    return count
  }

  private func prepare() {
    for index in 0..<Self.capacity {
      messages[index].header.msg_namelen = UInt32(MemoryLayout<sockaddr_in6>.size)
      messages[index].header.msg_controllen = Self.controlSize
      messages[index].header.msg_flags = 0
      messages[index].length = 0
    }
  }

  /// The bytes of datagram `index` (below `count`); a GRO train is contiguous.
  @inline(__always)
  package func payload(_ index: Int) -> ByteView {
    ByteView(
      buffers.base + index &* Self.bufferSize,
      count: min(Int(messages[index].length), Self.bufferSize))
  }

  /// The source; in the error queue, the destination of the datagram in error. Nil where the kernel gave none: the
  /// memory then holds an earlier address.
  @inline(__always)
  package func source(_ index: Int) -> Endpoint? {
    messages[index].header.msg_namelen > 0 ? names[index].endpoint : nil
  }

  /// Its control messages.
  @inline(__always)
  package func controls(_ index: Int) -> ControlMessages {
    let header = messages[index].header
    return ControlMessages(
      ByteView(
        controls + index &* Self.controlSize, count: min(header.msg_controllen, Self.controlSize)))
  }

  /// Whether it was truncated; never for an IPv4 datagram, which always fits the buffers.
  @inline(__always)
  package func isTruncated(_ index: Int) -> Bool {
    messages[index].header.msg_flags & SocketConstant.truncated != 0
  }
}
