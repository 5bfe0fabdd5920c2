// SPDX-License-Identifier: Apache-2.0
//
// Ancillary data of sendmsg and recvmsg (cmsg(3)), encoded and decoded here because the CMSG macros do not exist in
// Swift. Lengths in received data come from the kernel and are checked nevertheless.

import LibC
import Wire

/// A control message: level, type and the bytes behind its header.
package struct ControlMessage {
  package var level: Int32
  package var type: Int32
  package var data: ByteView
}

/// Layout of `struct cmsghdr` and the padding between messages.
private enum Layout {
  static let header = MemoryLayout<cmsghdr>.size
  /// The alignment of messages.
  #if os(Linux)
    static let alignment = MemoryLayout<Int>.size
  #else
    static let alignment = 4
  #endif

  @inline(__always)
  static func aligned(_ length: Int) -> Int { (length &+ alignment &- 1) & ~(alignment &- 1) }
}

/// Iterates over the control messages that recvmsg wrote.
package struct ControlMessages: Sequence, IteratorProtocol {
  private let bytes: ByteView
  private var offset = 0

  /// - Parameter bytes: `msg_control`, cut to the returned `msg_controllen`.
  package init(_ bytes: ByteView) { self.bytes = bytes }

  @inline(__always)
  package mutating func next() -> ControlMessage? {
    guard bytes.count &- offset >= Layout.header else { return nil }
    let header = (bytes.base + offset).loadUnaligned(as: cmsghdr.self)
    let length = Int(truncatingIfNeeded: header.cmsg_len)
    guard length >= Layout.header, length <= bytes.count &- offset else { return nil }
    let data = bytes.slice(at: offset &+ Layout.header, count: length &- Layout.header)
    offset = Swift.min(bytes.count, offset &+ Layout.aligned(length))
    return ControlMessage(level: header.cmsg_level, type: header.cmsg_type, data: data)
  }
}

/// Writes control messages in sequence.
package struct ControlWriter {
  private let base: UnsafeMutableRawPointer
  private let capacity: Int
  /// Bytes written so far: `msg_controllen`.
  package private(set) var count = 0

  package init(_ base: UnsafeMutableRawPointer, capacity: Int) {
    self.base = base
    self.capacity = capacity
  }

  /// Appends a message; false when there is no room.
  @inline(__always) @discardableResult
  package mutating func append<Value: BitwiseCopyable>(
    level: Int32, type: Int32, _ value: Value
  ) -> Bool {
    let length = Layout.header &+ MemoryLayout<Value>.size
    let space = Layout.aligned(length)
    guard capacity &- count >= space else { return false }
    var header = cmsghdr()
    header.cmsg_len = numericCast(length)
    header.cmsg_level = level
    header.cmsg_type = type
    (base + count).storeBytes(of: header, as: cmsghdr.self)
    (base + count + Layout.header).storeBytes(of: value, as: Value.self)
    count &+= space
    return true
  }
}
