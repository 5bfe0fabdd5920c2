// SPDX-License-Identifier: Apache-2.0
//
// The IPv6 network of a lima-netd network that was given none: a unique local one (RFC 4193), random once and kept in a
// file of one line, so that guests keep their addresses. Without a folder it lasts as long as the process.

import LimaNetdSDK
import NetStack
import Platform
import Wire

package struct PrefixFile {
  /// Folder and name; nil: nothing is kept.
  package let path: String?
  private static let maximumBytes = 256

  package init(directory: String, file: String) {
    path = directory.isEmpty ? nil : "\(directory)/\(file)"
  }

  /// - Parameter warn: told why it is not kept.
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

  /// A unique local network of 64 bits, as `prefix` writes it.
  package static func parse(_ text: String) -> CIDR? {
    guard let prefix = CIDR(text.split(whereSeparator: \.isWhitespace).first ?? ""),
      prefix.prefixLength == 64, prefix.network == prefix.address, prefix.address.isUniqueLocal
    else { return nil }
    return prefix
  }

  /// fd, 40 random bits, subnet 0 (§3.1).
  package static func random(_ random: inout some RandomNumberGenerator) -> CIDR {
    let identifier = UInt64.random(in: 1..<(1 << 40), using: &random)
    let network = IPAddress(high: 0xfd << 56 | identifier << 16, low: 0)
    // 64 bits are no longer than an address.
    return CIDR(network, prefixLength: 64).unsafelyUnwrapped
  }
}
