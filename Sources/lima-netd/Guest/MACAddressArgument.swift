// SPDX-License-Identifier: Apache-2.0
//
// MACAddressArgument: a hardware address on the command line.

import ArgumentParser

struct MACAddressArgument: ExpressibleByArgument, Hashable, CustomStringConvertible {
  /// Six.
  let bytes: [UInt8]

  /// Takes "52:55:55:12:34:56", also with dashes. Nil for anything else, and for an address that no interface can
  /// have: a group's (bit 0 of the first byte), or zero.
  init?(argument: String) {
    let parts = argument.split(
      separator: argument.contains("-") ? "-" : ":", omittingEmptySubsequences: false)
    let bytes = parts.compactMap { $0.utf8.count <= 2 ? UInt8($0, radix: 16) : nil }
    guard parts.count == 6, bytes.count == 6, bytes[0] & 1 == 0, bytes.contains(where: { $0 != 0 })
    else { return nil }
    self.bytes = bytes
  }
  /// "52:55:55:12:34:56"
  var description: String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
  }
}
