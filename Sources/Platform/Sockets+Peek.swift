// SPDX-License-Identifier: Apache-2.0
//
// Peeking at a stream's first bytes, and short answers to it. Control paths.

import LibC

private let peekFlags = Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)

extension Sockets {
  /// Copies the available bytes without consuming them: bytes, 0 at the end of the stream, or -errno.
  package static func peek(_ fd: Int32, _ buffer: inout [UInt8]) -> Int {
    buffer.withUnsafeMutableBytes {
      recv(fd, $0.baseAddress, $0.count, peekFlags)
    }
  }

  /// Sends a few bytes, which fit into an empty socket buffer; false when not all were sent.
  package static func sendAll(_ fd: Int32, _ bytes: [UInt8]) -> Bool {
    bytes.withUnsafeBytes { send(fd, $0.baseAddress, $0.count, 0) } == bytes.count
  }
}
