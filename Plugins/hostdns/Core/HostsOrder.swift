// SPDX-License-Identifier: Apache-2.0
import DNSMessage

/// The sources of host names in their order: the line `hosts:` of nsswitch.conf(5). Tells which
/// names the host itself would ask DNS for, so that its nameservers can be asked directly, with
/// TTLs, CNAME records and SOA, and without a thread that waits.
package struct HostsOrder: Equatable, Sendable {
  /// How the address of a name is found.
  package enum Route: Equatable, Sendable {
    /// In the hosts file.
    case file
    /// By DNS, and nothing else could know better.
    case dns
    /// By DNS; when it does not know, the hosts file does.
    case dnsThenFile
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
    /// nss-myhostname(8): the host's own name, its gateway's, localhost.
    case own
    /// May know any name: whatever comes behind it is the system's business, too.
    case other
  }

  private let sources: [Source]
  /// Each question goes through them.
  private static let maximumSources = 32

  /// What glibc does without the file or the line.
  package static let standard = HostsOrder(parsing: Array("hosts: files dns".utf8))

  /// Every name is a matter of the system.
  package static let system = HostsOrder(sources: [.other])

  private init(sources: [Source]) {
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
      sources = [.files, .dns]
      return
    }
    sources = Self.parse(String(decoding: line, as: UTF8.self))
  }

  private static func parse(_ line: String) -> [Source] {
    var sources: [Source] = []
    var words = line.split { $0 == " " || $0 == "\t" || $0 == "\r" }[...]
    while let word = words.popFirst() {
      // What a line of that many says is left to the C library.
      if sources.count == maximumSources { return sources + [.other] }
      if word.first == "[" {
        var action = [word]
        while action.last?.last != "]", let more = words.popFirst() { action.append(more) }
        guard let last = sources.last else { return [.other] }
        // What mDNS says of its own names may be final.
        if last == .multicast, action == ["[NOTFOUND=return]"] { continue }
        // An action about failures leaves what the hosts file knows; others change the meaning of
        // the source before them.
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

  /// "[NOTFOUND=return]", "[!UNAVAIL=return]": success ends the search, as without it.
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

  /// Whether the hosts file may count.
  package var usesFile: Bool { sources.contains(.files) || sources.contains(.other) }

  /// Whether nss-myhostname(8) may answer, and the host's name matters.
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

  /// Whether nss-myhostname(8) knows the name.
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
