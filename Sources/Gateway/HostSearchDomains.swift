// SPDX-License-Identifier: Apache-2.0
//
// The search domains of the host, which guests get where the configuration names none: the last
// `search` or `domain` line of resolv.conf(5), read anew when the file changes. Looking costs one
// stat; it is done when a guest asks by DHCP. Loop thread.

import Platform

/// See the head of this file.
package final class HostSearchDomains {
  /// Domains that a guest is given at most.
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
      // No such file: no domains. It is looked for again when there is one.
      domains = []
    }
    return domains
  }

  /// What is no domain name is left out, and so is the root. As in the C library a keyword begins its line,
  /// and one without a domain changes nothing.
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
