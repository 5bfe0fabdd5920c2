// SPDX-License-Identifier: Apache-2.0
//
// Base 64 (RFC 4648 section 4), for the DNS messages of the control channel.

package enum Base64 {
  private static let alphabet = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  package static func encode(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      let value = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
      for digit in 0..<4 {
        text.append(
          digit <= group.count
            ? alphabet[Int(value >> UInt32(18 - 6 * digit) & 63)] : UInt8(ascii: "="))
      }
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// Nil for anything but canonical base 64 with its padding.
  package static func decode(_ text: String) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count % 4 == 0 else { return nil }
    var bytes: [UInt8] = []
    for start in stride(from: 0, to: digits.count, by: 4) {
      var value: UInt32 = 0
      var padding = 0
      for digit in digits[start..<start + 4] {
        value <<= 6
        if digit == UInt8(ascii: "=") {
          padding += 1
        } else {
          guard padding == 0, let index = alphabet.firstIndex(of: digit) else { return nil }
          value |= UInt32(index)
        }
      }
      guard padding <= 2, padding == 0 || start + 4 == digits.count,
        value & (padding == 0 ? 0 : padding == 1 ? 0xff : 0xffff) == 0
      else { return nil }
      for index in 0..<(3 - padding) {
        bytes.append(UInt8(truncatingIfNeeded: value >> UInt32(16 - 8 * index)))
      }
    }
    return bytes
  }
}
