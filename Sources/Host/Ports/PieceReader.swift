// SPDX-License-Identifier: Apache-2.0
//
// Reads the bytes of a frame with a valid shape, contiguous or in slices. Precondition: counts do not exceed the
// remaining bytes; callers know the frame's length.

import LibC
import PluginAPI
import Wire

struct PieceReader {
  private var at: UnsafePointer<UInt8>
  private var left: Int
  private var rest: UnsafePointer<lnd_slice>?
  private var restCount: Int

  /// - Precondition: `frame.shape` is not `malformed`, so `data` is not nil.
  @inline(__always) init(_ frame: UnsafePointer<lnd_frame>) {
    // `shape` has checked it; nil would be a bug of this module.
    let data = frame.pointee.data.unsafelyUnwrapped
    if frame.pointee.flags & LND_FRAME_SLICES != 0 {
      at = data
      left = 0
      rest = UnsafeRawPointer(data).assumingMemoryBound(to: lnd_slice.self)
      restCount = Int(frame.pointee.slices)
    } else {
      at = data
      left = Int(frame.pointee.length)
      rest = nil
      restCount = 0
    }
  }

  /// The next contiguous part, at most `limit` bytes; nil at the end.
  @inline(__always) private mutating func stretch(
    _ limit: Int
  ) -> (bytes: UnsafePointer<UInt8>, count: Int)? {
    while left == 0 {
      guard restCount > 0, let slices = rest else { return nil }
      if slices.pointee.length > 0, let data = slices.pointee.data {
        at = data
        left = Int(slices.pointee.length)
      }
      rest = slices + 1
      restCount &-= 1
    }
    let count = left < limit ? left : limit
    defer {
      at += count
      left &-= count
    }
    return (at, count)
  }

  mutating func skip(_ count: Int) {
    var wanted = count
    while wanted > 0, let (_, n) = stretch(wanted) { wanted &-= n }
  }

  mutating func copy(_ count: Int, into out: UnsafeMutablePointer<UInt8>) {
    var done = 0
    while done < count, let (bytes, n) = stretch(count &- done) {
      memcpy(out + done, bytes, n)
      done &+= n
    }
  }

  /// Copies a whole frame and pads it with zeros to the minimum length (RFC 1042).
  mutating func copyPadded(_ count: Int, into out: UnsafeMutablePointer<UInt8>) {
    copy(count, into: out)
    if count < PortMemory.shortest { memset(out + count, 0, PortMemory.shortest &- count) }
  }

  /// Adds iovecs for `count` bytes; returns how many (64 at most).
  @inline(__always)
  mutating func refer(_ count: Int, into out: UnsafeMutablePointer<iovec>) -> Int {
    var wanted = count
    var pieces = 0
    while wanted > 0, let (bytes, n) = stretch(wanted) {
      out[pieces] = iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes), iov_len: n)
      pieces &+= 1
      wanted &-= n
    }
    return pieces
  }

  /// Adds iovecs for `count` bytes and the bytes to a checksum.
  @inline(__always)
  mutating func refer(
    _ count: Int, into out: UnsafeMutablePointer<iovec>, sum: inout Checksum
  ) -> Int {
    var done = 0
    var pieces = 0
    while done < count, let (bytes, n) = stretch(count &- done) {
      out[pieces] = iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes), iov_len: n)
      pieces &+= 1
      sum.add(ByteView(bytes, count: n))
      done &+= n
    }
    return pieces
  }
}
