// SPDX-License-Identifier: Apache-2.0
import DNSMessage

/// The sources of host names in their order: the line `hosts:` of nsswitch.conf(5). Tells which
/// names the host itself would ask DNS for, so that its nameservers can be asked directly, with
/// TTLs, CNAME records and SOA, and without a thread that waits.
package struct HostsOrder: Equatable, Sendable {
  /// How the address of a name is found.
  package enum Route: Equatable, Sendable {
    /// By DNS, and nothing else could know better.
    case dns
    /// By DNS; when it does not know, another source may.
    case dnsThenSystem
    /// Only the system knows; DNS may tell the rest of what it says.
    case system
  }

  private enum Source: Equatable {
    case files
    case dns
    /// Knows names below `local` only (RFC 6762 3).
    case multicast
    /// Whatever it does.
    case other
  }

  /// Before DNS and behind it; nil: DNS is not among them, or the line says more than is
  /// understood here.
  private let sources: (before: [Source], behind: [Source])?

  /// What glibc does without the file or the line.
  package static let standard = HostsOrder(parsing: Array("hosts: files dns".utf8))

  /// Every name is a matter of the system.
  package static let system = HostsOrder(sources: nil)

  private init(sources: (before: [Source], behind: [Source])?) {
    self.sources = sources
  }

  /// The last `hosts:` line counts, as in glibc.
  package init(parsing text: [UInt8]) {
    var line: ArraySlice<UInt8>?
    for candidate in text.split(separator: UInt8(ascii: "\n")) {
      let bare = candidate.prefix { $0 != UInt8(ascii: "#") }
        .drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
      if bare.starts(with: "hosts:".utf8) { line = bare.dropFirst(6) }
    }
    guard let line else {
      sources = ([.files], [])
      return
    }
    sources = Self.parse(String(decoding: line, as: UTF8.self))
  }

  private static func parse(_ line: String) -> (before: [Source], behind: [Source])? {
    var before: [Source] = []
    var behind: [Source] = []
    var hasDNS = false
    for word in line.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == "\r" }) {
      if word.hasPrefix("[") {
        // What mDNS says of its own names may be final; other actions change the order's meaning.
        guard !hasDNS, before.last == .multicast, word == "[NOTFOUND=return]" else { return nil }
        continue
      }
      let source: Source =
        switch word {
        case "files": .files
        case "dns": .dns
        case "mdns_minimal", "mdns4_minimal", "mdns6_minimal": .multicast
        default: .other
        }
      if source == .dns {
        hasDNS = true
      } else if hasDNS {
        behind.append(source)
      } else {
        before.append(source)
      }
    }
    return hasDNS ? (before, behind) : nil
  }

  /// - Parameter isInFile: the hosts file has the name.
  package func route(_ name: DNSName, isInFile: Bool) -> Route {
    guard let sources else { return .system }
    func knows(_ source: Source) -> Bool {
      switch source {
      case .files: isInFile
      case .dns: false
      case .multicast: name.isWithin(Self.local)
      case .other: true
      }
    }
    if sources.before.contains(where: knows) { return .system }
    return sources.behind.contains(where: knows) ? .dnsThenSystem : .dns
  }

  private static let local = DNSName(labels: [Array("local".utf8)]) ?? .root

  package static func == (left: HostsOrder, right: HostsOrder) -> Bool {
    left.sources?.before == right.sources?.before && left.sources?.behind == right.sources?.behind
  }
}
