// SPDX-License-Identifier: Apache-2.0
import DNSMessage

/// The sources of host names in order: the line `hosts:` of nsswitch.conf(5). Determines which names the host itself
/// would query DNS for, so that its nameservers can be queried directly, with TTLs, CNAME records and SOA, and
/// without a blocked thread.
package struct HostsOrder: Equatable, Sendable {
  /// The sources for a name's address.
  package enum Route: Equatable, Sendable {
    /// The hosts file.
    case file
    /// DNS only.
    case dns
    /// DNS; if it has no answer, the hosts file.
    case dnsThenFile
    /// DNS; if it has no answer, the system's other sources.
    case dnsThenSystem
    /// The system decides; DNS may add details to its answer.
    case system
  }

  private enum Source: Equatable {
    case files
    case dns
    /// Knows names below `local` only (RFC 6762 3).
    case multicast
    /// nss-myhostname(8): the host's own name, its gateway's, localhost.
    case own
    /// May know any name: it and the sources after it are left to the system.
    case other
  }

  private let sources: [Source]
  /// Maximum sources: each query goes through them.
  private static let maximumSources = 32

  /// glibc's default without the file or the line.
  package static let standard = HostsOrder(parsing: Array("hosts: files dns".utf8))

  /// Every name is left to the system.
  package static let system = HostsOrder(sources: [.other])

  private init(sources: [Source]) {
    self.sources = sources
  }

  /// The last `hosts:` line applies, as in glibc.
  package init(parsing text: [UInt8]) {
    var line: ArraySlice<UInt8>?
    for candidate in text.split(separator: UInt8(ascii: "\n")) {
      let bare = candidate.prefix { $0 != UInt8(ascii: "#") }
        .drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
      if bare.starts(with: "hosts:".utf8) { line = bare.dropFirst(6) }
    }
    guard let line else {
      sources = [.files, .dns]
      return
    }
    sources = Self.parse(String(decoding: line, as: UTF8.self))
  }

  private static func parse(_ line: String) -> [Source] {
    var sources: [Source] = []
    var words = line.split { $0 == " " || $0 == "\t" || $0 == "\r" }[...]
    while let word = words.popFirst() {
      // The rest of a longer line is left to the C library.
      if sources.count == maximumSources { return sources + [.other] }
      if word.first == "[" {
        var action = [word]
        while action.last?.last != "]", let more = words.popFirst() { action.append(more) }
        guard let last = sources.last else { return [.other] }
        // mDNS may be the final source for its own names.
        if last == .multicast, action == ["[NOTFOUND=return]"] { continue }
        // An action on failures does not change the result of the hosts file; others change the meaning of the
        // preceding source.
        if last != .files || !isAboutFailures(action) { sources.removeLast() }
        return sources + [.other]
      }
      switch word {
      case "files": sources.append(.files)
      case "dns": sources.append(.dns)
      case "mdns_minimal", "mdns4_minimal", "mdns6_minimal": sources.append(.multicast)
      case "myhostname": sources.append(.own)
      default: sources.append(.other)
      }
    }
    return sources
  }

  /// "[NOTFOUND=return]", "[!UNAVAIL=return]": success ends the search in any case.
  private static func isAboutFailures(_ action: [Substring]) -> Bool {
    action.allSatisfy { word in
      let text = word.lowercased().utf8.filter {
        $0 != UInt8(ascii: "[") && $0 != UInt8(ascii: "]")
      }
      return text.isEmpty
        || ["notfound", "unavail", "tryagain", "!success", "!notfound", "!unavail", "!tryagain"]
          .contains { text.elementsEqual("\($0)=return".utf8) }
    }
  }

  /// Whether the hosts file may be used.
  package var usesFile: Bool { sources.contains(.files) || sources.contains(.other) }

  /// Whether nss-myhostname(8) may answer, so that the host's name is needed.
  package var knowsOwnName: Bool { sources.contains(.own) }

  /// - Parameters:
  ///   - isInFile: the hosts file has the name.
  ///   - own: the host's name.
  package func route(_ name: DNSName, isInFile: Bool, own: DNSName? = nil) -> Route {
    var hasDNS = false
    for source in sources {
      switch source {
      case .dns: hasDNS = true
      case .files where isInFile: return hasDNS ? .dnsThenFile : .file
      case .multicast where name.isWithin(Self.local), .own where Self.isOwn(name, own), .other:
        return hasDNS ? .dnsThenSystem : .system
      case .files, .multicast, .own: break
      }
    }
    return hasDNS ? .dns : .system
  }

  /// Whether nss-myhostname(8) answers the name.
  private static func isOwn(_ name: DNSName, _ own: DNSName?) -> Bool {
    if let own, name == own { return true }
    return ownNames.contains(name)
      || [localhost, localdomain].contains { name.isWithin($0) }
  }

  private static let local = DNSName("local") ?? .root
  private static let localhost = DNSName("localhost") ?? .root
  private static let localdomain = DNSName("localhost.localdomain") ?? .root
  private static let ownNames = Set(["_gateway", "_outbound"].compactMap { DNSName($0) })
}
