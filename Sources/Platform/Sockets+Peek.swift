// SPDX-License-Identifier: Apache-2.0
//
// Looking at a stream's first bytes, and short answers to it. Control paths.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

private let peekFlags = Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)

extension Sockets {
  /// Copies what is to be read, without taking it: bytes, 0 at the end of the stream, or -errno.
  package static func peek(_ fd: Int32, _ buffer: inout [UInt8]) -> Int {
    buffer.withUnsafeMutableBytes {
      recv(fd, $0.baseAddress, $0.count, peekFlags)
    }
  }

  /// Sends a few bytes, which have room in an empty socket; false when they do not go all at once.
  package static func sendAll(_ fd: Int32, _ bytes: [UInt8]) -> Bool {
    bytes.withUnsafeBytes { send(fd, $0.baseAddress, $0.count, 0) } == bytes.count
  }
}
