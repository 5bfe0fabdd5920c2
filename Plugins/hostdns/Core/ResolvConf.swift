// SPDX-License-Identifier: Apache-2.0

/// The nameservers of a resolv.conf(5).
package enum ResolvConf {
  /// As many as the C library takes (MAXNS).
  package static let maximumServers = 3
  /// Octets that are read of the file.
  static let maximumLength = 64 << 10

  /// The first three usable `nameserver` lines. Lines it does not understand
  /// are skipped, as the C library does.
  package static func servers(in text: [UInt8]) -> [ServerAddress] {
    var servers: [ServerAddress] = []
    for line in text.prefix(maximumLength).split(separator: UInt8(ascii: "\n")) {
      // A comment begins the line; behind an address, glibc ignores what follows.
      let words = line.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") || $0 == 0x0D }
      guard words.count >= 2, words[0].elementsEqual("nameserver".utf8) else { continue }
      let word = String(decoding: words[1], as: UTF8.self)
      // No ports here: "192.0.2.1:53" is no address in this file.
      guard let server = ServerAddress(word), server.port == 53, !word.hasPrefix("["),
        !isPortWritten(word)
      else { continue }
      servers.append(server)
      if servers.count == maximumServers { break }
    }
    return servers
  }

  private static func isPortWritten(_ word: String) -> Bool {
    word.contains(".") && word.split(separator: ":", omittingEmptySubsequences: false).count == 2
  }
}
