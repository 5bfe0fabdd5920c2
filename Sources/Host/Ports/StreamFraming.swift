// SPDX-License-Identifier: Apache-2.0
//
// The encoding of the length field before each frame of a stream.

import Wire

package enum StreamFraming: Sendable {
  /// 4 bytes, big-endian (QEMU).
  case qemu
  /// 2 bytes, little-endian (HyperKit, and gvproxy's /connect).
  case hyperkit

  /// Bytes of the length field.
  @inline(__always) var size: Int { self == .qemu ? 4 : 2 }

  /// The longest frame that the length field and a port allow.
  @inline(__always) var longest: Int { self == .qemu ? PortMemory.frameMax : 65535 }

  /// The longest frame that is skipped. A larger length means that the sender is out of step or not a frame stream.
  /// QEMU's bound is NET_BUFSIZE; every 2-byte length is valid.
  @inline(__always) var longestSkipped: Int { self == .qemu ? 69_632 : 65535 }

  @inline(__always)
  func length(_ bytes: UnsafeMutablePointer<UInt8>, at offset: Int) -> UInt32 {
    switch self {
    case .qemu: ByteView(bytes + offset, count: size).uint32(at: 0)
    case .hyperkit: UInt32(bytes[offset]) | UInt32(bytes[offset &+ 1]) << 8
    }
  }

  /// Writes `length`, at most `longest`, in `size` bytes.
  @inline(__always)
  func store(_ length: Int, to bytes: UnsafeMutablePointer<UInt8>) {
    switch self {
    case .qemu:
      MutableByteView(bytes, count: size).store(UInt32(truncatingIfNeeded: length), at: 0)
    case .hyperkit:
      bytes[0] = UInt8(truncatingIfNeeded: length)
      bytes[1] = UInt8(truncatingIfNeeded: length >> 8)
    }
  }
}
