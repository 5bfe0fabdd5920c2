// SPDX-License-Identifier: Apache-2.0
//
// The generated IPv6 prefix of a network without a configured one: a random unique local prefix (RFC 4193), kept in a file
// of one line, so that guests keep their addresses. Without a directory it lasts as long as the process.

import LimaNetdSDK
import NetStack
import Platform
import Wire

package struct PrefixFile {
  /// Path of the file; nil: not kept.
  package let path: String?
  private static let maximumBytes = 256

  package init(directory: String, file: String) {
    path = directory.isEmpty ? nil : "\(directory)/\(file)"
  }

  /// - Parameter warn: called with the reason if the file cannot be used.
  package func prefix(
    _ random: inout some RandomNumberGenerator, warn: (String) -> Void
  ) -> CIDR {
    if let kept = read(warn) { return kept }
    let made = Self.random(&random)
    guard let path else { return made }
    do throws(SystemError) {
      try Files.write(Array("\(made)\n".utf8), to: path, mode: 0o644)
    } catch {
      warn("guests will have another IPv6 network the next time: \(error)")
    }
    return made
  }

  private func read(_ warn: (String) -> Void) -> CIDR? {
    guard let path, Files.exists(path) else { return nil }
    do throws(SystemError) {
      let bytes = try Files.read(path, limit: Self.maximumBytes)
      if let prefix = Self.parse(String(decoding: bytes, as: UTF8.self)) { return prefix }
      warn("\(path) has no IPv6 network of 64 bits: guests get another one")
    } catch {
      warn("guests get another IPv6 network: \(error)")
    }
    return nil
  }

  /// A unique local /64 as `prefix` writes it.
  package static func parse(_ text: String) -> CIDR? {
    guard let prefix = CIDR(text.split(whereSeparator: \.isWhitespace).first ?? ""),
      prefix.prefixLength == 64, prefix.network == prefix.address, prefix.address.isUniqueLocal
    else { return nil }
    return prefix
  }

  /// fd, 40 random bits, subnet 0 (RFC 4193 §3.1).
  package static func random(_ random: inout some RandomNumberGenerator) -> CIDR {
    let identifier = UInt64.random(in: 1..<(1 << 40), using: &random)
    let network = IPAddress(high: 0xfd << 56 | identifier << 16, low: 0)
    // 64 bits are a valid length of an IPv6 prefix.
    return CIDR(network, prefixLength: 64).unsafelyUnwrapped
  }
}
