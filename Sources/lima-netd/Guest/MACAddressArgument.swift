// SPDX-License-Identifier: Apache-2.0
//
// MACAddressArgument: a MAC address on the command line.

import ArgumentParser

struct MACAddressArgument: Hashable, CustomStringConvertible {
  /// Six bytes.
  let bytes: [UInt8]

  /// Parses "52:55:55:12:34:56", also with dashes.
  /// - Throws: `ValidationError` for invalid text, and for an address that no interface can have: a group address (bit 0 of
  ///   the first byte), or zero.
  init(_ text: String) throws {
    let parts = text.split(
      separator: text.contains("-") ? "-" : ":", omittingEmptySubsequences: false)
    let bytes = parts.compactMap { $0.utf8.count <= 2 ? UInt8($0, radix: 16) : nil }
    guard parts.count == 6, bytes.count == 6 else {
      throw ValidationError("six bytes in hexadecimal are taken, as 52:55:55:12:34:56")
    }
    guard bytes[0] & 1 == 0 else {
      throw ValidationError("a group has this address (the first byte is odd), no interface")
    }
    guard bytes.contains(where: { $0 != 0 }) else {
      throw ValidationError("no interface has the address of zeros")
    }
    self.bytes = bytes
  }
  /// "52:55:55:12:34:56"
  var description: String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
  }
}
