// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import HostProtocol
import Patterns

/// A suffix whose names are answered here, with the semantics of gvproxy's API: the first matching record, else the
/// default address, else NXDOMAIN, or not owned in a top-level domain.
struct OwnedZone {
  private struct Pattern {
    let expression: Patterns.Pattern
    let address: DNSAddress
    /// Number of records before it: the first match answers.
    let position: Int
  }

  let name: DNSName
  var defaultAddress: DNSAddress?
  /// The first record of a name, and the first of the other family.
  private var records: [DNSName: (addresses: [DNSAddress], position: Int)] = [:]
  private var patterns: [Pattern] = []
  /// Total size of all patterns, which bounds the cost of a question.
  private var patternSize = 0
  private var count = 0

  init(_ name: DNSName) {
    self.name = name
  }

  mutating func add(
    _ record: NameZone.Record, note: (DNSName, DNSAddress) -> Void
  ) throws(HostError) {
    let address = try OwnedNameSet.address(record.address, of: record.name)
    if let text = record.pattern, !text.isEmpty {
      let expression = try Self.expression(text)
      patternSize += expression.size
      guard patternSize <= Patterns.Pattern.maximumSizeTogether else {
        throw HostError(
          .limit,
          "the expressions of `\(name.displayed)` are too large together: \(Patterns.Pattern.maximumSizeTogether) characters at most"
        )
      }
      patterns.append(Pattern(expression: expression, address: address, position: count))
    } else {
      let full = try absolute(record.name)
      let known = records[full]?.addresses ?? []
      if !known.contains(where: { $0.type == address.type }) {
        records[full, default: ([], count)].addresses.append(address)
        note(full, address)
      }
    }
    count += 1
  }

  /// Case-insensitive, as names are (RFC 4343).
  private static func expression(_ text: String) throws(HostError) -> Patterns.Pattern {
    do throws(Patterns.Pattern.Failure) {
      return try Patterns.Pattern(text, ignoringCase: true)
    } catch {
      throw HostError(.invalidConfig, "the regular expression `\(text)`: \(error)")
    }
  }

  /// A record's name: relative, or "" or "@" for the zone itself.
  private func absolute(_ text: String) throws(HostError) -> DNSName {
    if text.isEmpty || text == "@" { return name }
    let relative = try OwnedNameSet.name(text)
    // As a literal name it would never be queried; the user meant a wildcard.
    if text.contains("*") {
      throw HostError(
        .invalidConfig,
        "`\(text)` in `\(name.displayed)`: `*` stands for nothing in a zone; the zone's default address, or a record with "
          + "a regular expression, is for many names")
    }
    guard let full = DNSName(labels: (relative.labels + name.labels).map { Array($0) }) else {
      throw HostError(.invalidConfig, "`\(text)` in `\(name.displayed)` is too long a name")
    }
    return full
  }

  /// The addresses of a name in the zone from the first matching record.
  func record(_ full: DNSName) -> [DNSAddress]? {
    let exact = records[full]
    guard !patterns.isEmpty else { return exact?.addresses }
    let relative = self.relative(full)
    for pattern in patterns where pattern.position < exact?.position ?? .max {
      if pattern.expression.matches(relative) { return [pattern.address] }
    }
    return exact?.addresses
  }

  private func relative(_ full: DNSName) -> String {
    let labels = full.labels.dropLast(name.labels.count)
    return labels.isEmpty
      ? "" : DNSName(labels: labels.map { Array($0) })?.displayed ?? ""
  }

  /// Names of records.
  var recordNames: some Collection<DNSName> { records.keys }

  /// Whether a record has exactly this name.
  func hasRecord(_ full: DNSName) -> Bool { records[full] != nil }

  /// Whether unmatched names are answered with NXDOMAIN. Not in a top-level domain, which Lima's zones use for a few
  /// hosts: one host in `dev` must not hide all others in `dev`, nor Lima's instances in `internal` a cloud's
  /// `metadata.google.internal`.
  var ownsMissingNames: Bool { name.labels.count > 1 }
}
