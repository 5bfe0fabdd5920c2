// SPDX-License-Identifier: Apache-2.0
//
// The host's search domains, for guests of a network whose configuration has none: the last `search` or `domain` line of
// resolv.conf(5). The file is read again when it has changed, which is checked with one stat for each DHCP request. Thread:
// loop only.

import Platform

/// The search domains of the host's resolv.conf.
package final class HostSearchDomains {
  /// Maximum number of domains for a guest.
  private static let limit = 32
  private static let maximumBytes = 1 << 16

  private let path: String
  private var stamp: FileStamp?
  private var domains: [String] = []

  package init(path: String = "/etc/resolv.conf") { self.path = path }

  package var current: [String] {
    let now = FileStamp(of: path)
    guard now != stamp else { return domains }
    stamp = now
    do throws(SystemError) {
      domains = Self.parse(
        String(decoding: try Files.read(path, limit: Self.maximumBytes), as: UTF8.self))
    } catch {
      // No file: no domains. It is looked for again the next time.
      domains = []
    }
    return domains
  }

  /// Invalid domain names and the root are ignored. As in the C library a keyword is at the start of its line, and one
  /// without a domain has no effect.
  package static func parse(_ text: String) -> [String] {
    var domains: [String] = []
    for line in text.split(whereSeparator: \.isNewline) {
      let words = line.split { $0 == " " || $0 == "\t" }
      guard let keyword = words.first, keyword == "search" || keyword == "domain",
        keyword.startIndex == line.startIndex, words.count > 1
      else { continue }
      domains = []
      for word in words.dropFirst().prefix(keyword == "domain" ? 1 : .max) {
        let name = word.hasSuffix(".") ? String(word.dropLast()) : String(word)
        let isNew = !domains.contains { $0.lowercased() == name.lowercased() }
        if GatewayOptions.isDomain(name), isNew { domains.append(name) }
      }
    }
    return Array(domains.prefix(limit))
  }
}
