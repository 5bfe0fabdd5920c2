// SPDX-License-Identifier: Apache-2.0
//
// DNSFrames: DNS messages on a stream, each behind its length in two bytes (RFC 1035 4.2.2). Consumes arbitrary
// pieces, returns complete messages. No I/O.

struct DNSFrames {
  private var bytes: [UInt8] = []
  /// Offset of the first message not yet removed.
  private var begin = 0

  /// Octets not yet removed.
  var count: Int { bytes.count - begin }

  mutating func append(_ piece: UnsafeRawBufferPointer) {
    bytes.append(contentsOf: piece)
  }

  /// The first message, if it is complete. It stays until `removeFirst`.
  var first: [UInt8]? {
    guard hasFirst, let length else { return nil }
    return Array(bytes[begin + 2..<begin + 2 + length])
  }

  /// Whether the first message is complete.
  var hasFirst: Bool { length.map { count >= 2 + $0 } ?? false }

  mutating func removeFirst() {
    guard hasFirst, let length else { return }
    begin += 2 + length
    // A stream rarely holds more than a few messages, so little is moved.
    if begin == bytes.count {
      bytes.removeAll(keepingCapacity: bytes.capacity <= 4096)
      begin = 0
    } else if begin >= 16384 {
      bytes.removeFirst(begin)
      begin = 0
    }
  }

  private var length: Int? {
    count < 2 ? nil : Int(bytes[begin]) << 8 | Int(bytes[begin + 1])
  }

  /// Appends a message with its length field. Precondition: at most 65535 octets.
  static func append(_ message: [UInt8], to stream: inout [UInt8]) {
    guard message.count <= 65535 else { return }
    stream.append(UInt8(message.count >> 8))
    stream.append(UInt8(message.count & 255))
    stream.append(contentsOf: message)
  }
}
