// SPDX-License-Identifier: Apache-2.0

/// The supported part of resolv.conf(5): the nameservers, and the options for querying them. `ndots` and the search
/// list are ignored, because names are absolute here, and `single-request`, because each query is sent separately
/// anyway.
package struct ResolvConf: Equatable, Sendable {
  package struct Options: Equatable, Sendable {
    /// Seconds to wait for each server and attempt; nil: not set.
    package var timeout: UInt32?
    package var attempts: UInt32?
    /// Each query begins with the next server.
    package var rotates = false
    /// Over TCP from the start.
    package var usesTCP = false
    /// With EDNS, even if the client has none.
    package var usesEDNS = false
    /// No queries for IPv6 addresses.
    package var noAAAA = false

    package init() {}
  }

  /// The C library's maximum (MAXNS).
  package static let maximumServers = 3
  /// Maximum octets read.
  static let maximumLength = 64 << 10
  /// The C library's maxima (RES_MAXRETRANS, RES_MAXRETRY).
  private static let maximumTimeout: UInt32 = 30
  private static let maximumAttempts: UInt32 = 5

  /// The first three usable `nameserver` lines.
  package private(set) var servers: [ServerAddress] = []
  /// Of all `options` lines together.
  package private(set) var options = Options()

  /// Unknown lines and options are skipped, as by the C library.
  package init(parsing text: [UInt8]) {
    for line in text.prefix(Self.maximumLength).split(separator: UInt8(ascii: "\n")) {
      // A keyword or comment is at the start of a line; glibc ignores text after an address.
      guard line.first != UInt8(ascii: " "), line.first != UInt8(ascii: "\t") else { continue }
      let words = line.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") || $0 == 0x0D }
      guard words.count >= 2 else { continue }
      if words[0].elementsEqual("nameserver".utf8) {
        if servers.count < Self.maximumServers, let server = Self.server(words[1]) {
          servers.append(server)
        }
      } else if words[0].elementsEqual("options".utf8) {
        for word in words.dropFirst() { set(String(decoding: word, as: UTF8.self)) }
      }
    }
  }

  private static func server(_ bytes: ArraySlice<UInt8>) -> ServerAddress? {
    let word = String(decoding: bytes, as: UTF8.self)
    // The file has no ports: "192.0.2.1:53" is not a valid address in it.
    guard let server = ServerAddress(word), server.port == 53, !word.hasPrefix("["),
      !isPortWritten(word)
    else { return nil }
    return server
  }

  private static func isPortWritten(_ word: String) -> Bool {
    word.contains(".") && word.split(separator: ":", omittingEmptySubsequences: false).count == 2
  }

  private mutating func set(_ option: String) {
    switch option {
    case "rotate": options.rotates = true
    case "use-vc", "usevc": options.usesTCP = true
    case "edns0": options.usesEDNS = true
    case "no-aaaa": options.noAAAA = true
    default:
      if let value = Self.number(option, "timeout:") {
        options.timeout = min(max(value, 1), Self.maximumTimeout)
      } else if let value = Self.number(option, "attempts:") {
        options.attempts = min(max(value, 1), Self.maximumAttempts)
      }
    }
  }

  private static func number(_ option: String, _ name: String) -> UInt32? {
    guard option.hasPrefix(name) else { return nil }
    let digits = option.utf8.dropFirst(name.utf8.count).prefix { $0 &- 0x30 < 10 }
    return digits.isEmpty ? nil : UInt32(String(decoding: digits, as: UTF8.self)) ?? .max
  }
}
