// SPDX-License-Identifier: Apache-2.0
//
// One pcap stream: a buffer of whole records and a non-blocking fd. When the reader is slower than the network,
// frames are lost but the stream stays valid: a record is buffered as a whole or counted as lost.
//
// Format: draft-ietf-opsawg-pcap, nanosecond magic, native byte order,
// LINKTYPE_ETHERNET.
//
// Thread: loop only.

import LibC
import Platform
import PluginAPI

final class CaptureSink {
  private static let capacity = 1 << 20
  /// Buffered bytes above which records are written before the end of the iteration.
  private static let eager = 256 << 10
  private static let largestSnap = 262_144

  let id: UInt64
  let fd: Int32
  private(set) var written: UInt64 = 0
  private(set) var lost: UInt64 = 0

  private let snapLength: Int
  private let buffer: UnsafeMutablePointer<UInt8>
  private var head = 0
  private var tail = 0
  private var isOpen = true
  private var isGone = false
  /// The last write was short: no further write is tried in this iteration.
  private var isStuck = false
  /// Bytes moved to make room, for tests.
  private(set) var moved = 0

  init(id: UInt64, fd: Int32, snapLength: Int) {
    self.id = id
    self.fd = fd
    self.snapLength =
      snapLength <= 0 || snapLength > Self.largestSnap ? Self.largestSnap : snapLength
    buffer = .allocate(capacity: Self.capacity)
    _ = fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK)
    let to = UnsafeMutableRawPointer(buffer)
    to.storeBytes(of: 0xa1b2_3c4d, as: UInt32.self)
    to.storeBytes(of: 2, toByteOffset: 4, as: UInt16.self)
    to.storeBytes(of: 4, toByteOffset: 6, as: UInt16.self)
    to.storeBytes(of: 0, toByteOffset: 8, as: UInt64.self)
    to.storeBytes(of: UInt32(self.snapLength), toByteOffset: 16, as: UInt32.self)
    to.storeBytes(of: 1, toByteOffset: 20, as: UInt32.self)
    tail = 24
  }

  deinit {
    close()
    buffer.deallocate()
  }

  var isBehind: Bool { head < tail }

  func record(_ frame: UnsafePointer<lnd_frame>, at nanoseconds: UInt64) {
    guard frame.shape != .malformed else { return }
    let length = Int(frame.pointee.length)
    let kept = min(length, snapLength)
    if tail + 16 + kept > Self.capacity { makeRoom() }
    guard !isGone, tail + 16 + kept <= Self.capacity else {
      lost &+= 1
      return
    }
    let to = UnsafeMutableRawPointer(buffer + tail)
    let second = UInt32(truncatingIfNeeded: nanoseconds / 1_000_000_000)
    to.storeBytes(of: second, as: UInt32.self)
    to.storeBytes(of: UInt32(nanoseconds % 1_000_000_000), toByteOffset: 4, as: UInt32.self)
    to.storeBytes(of: UInt32(kept), toByteOffset: 8, as: UInt32.self)
    to.storeBytes(of: UInt32(length), toByteOffset: 12, as: UInt32.self)
    var reader = PieceReader(frame)
    reader.copy(kept, into: buffer + tail + 16)
    tail += 16 + kept
    written &+= 1
    if tail - head >= Self.eager, !isStuck { _ = flush() }
  }

  /// Writes what the reader accepts; false when the reader has closed.
  func flush() -> Bool {
    isStuck = false
    while head < tail, !isGone {
      let n = hand(buffer + head, tail - head)
      if n > 0 {
        head += n
      } else if n == Int(-EAGAIN) {
        isStuck = true
        break
      } else if n != Int(-EINTR) {
        isGone = true
      }
    }
    if head == tail {
      head = 0
      tail = 0
    }
    return !isGone
  }

  func close() {
    guard isOpen else { return }
    isOpen = false
    _ = flush()
    _ = Sockets.close(fd)
  }

  /// Moves the buffered bytes to the front, only if they fill at most half of the buffer: a slow reader would
  /// otherwise cost a move of up to a megabyte per record.
  private func makeRoom() {
    if !isStuck { _ = flush() }
    guard head >= Self.capacity / 2 else { return }
    moved += tail - head
    memmove(buffer, buffer + head, tail - head)
    tail -= head
    head = 0
  }

  private func hand(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int {
    let n = Sockets.send(fd, bytes, count, dontWait)
    guard n == Int(-ENOTSOCK) else { return n }
    // A pipe has no MSG_NOSIGNAL; this process ignores SIGPIPE.
    let written = write(fd, bytes, count)
    return written < 0 ? Int(-errno) : written
  }
}
