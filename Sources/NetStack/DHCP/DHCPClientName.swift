// SPDX-License-Identifier: Apache-2.0
//
// Option 81, Client FQDN (RFC 4702): the client's name, and which side registers it in DNS. The server answers it to
// a client that sends it. The server's role does not depend on the client's preference: where the network's DNS
// registers guests' names, the server updates the address record (S) and its reverse, elsewhere neither (N). Cold
// path.

struct DHCPClientName: Hashable, Sendable {
  /// §2.1; other bits are zero.
  struct Flags: OptionSet, Hashable, Sendable {
    let rawValue: UInt8

    /// S: the server updates the address record.
    static let serverUpdates = Flags(rawValue: 0x01)
    /// O: the server's S differs from the client's.
    static let overridden = Flags(rawValue: 0x02)
    /// E: the name is in DNS wire format; else in ASCII.
    static let wireFormat = Flags(rawValue: 0x04)
    /// N: the server makes no updates.
    static let noUpdates = Flags(rawValue: 0x08)
  }

  let flags: Flags
  /// Labels separated by dots, without a final dot. Empty: absent or invalid.
  let name: String
  /// It has a name that is invalid.
  let isUnusable: Bool

  private static let header = 3

  /// Nil when the bytes are not an option 81.
  init?(_ option: [UInt8]) {
    guard option.count >= Self.header else { return nil }
    flags = Flags(rawValue: option[0])
    let name = option.dropFirst(Self.header)
    if flags.contains(.wireFormat) {
      self.name = Self.name(wire: name)
    } else {
      self.name = DHCPServer.hostname(
        Array(name.last == UInt8(ascii: ".") ? name.dropLast() : name))
    }
    isUnusable = self.name.isEmpty && !name.allSatisfy { $0 == 0 }
  }

  /// Decodes labels with length bytes; a partial name has no root label (§2.3.1).
  static func name(wire: ArraySlice<UInt8>) -> String {
    var labels: [[UInt8]] = []
    var rest = wire
    while let length = rest.popFirst(), length > 0 {
      guard length <= 63, rest.count >= Int(length) else { return "" }
      labels.append(Array(rest.prefix(Int(length))))
      rest = rest.dropFirst(Int(length))
    }
    return DHCPServer.hostname(Array(labels.joined(separator: [UInt8(ascii: ".")])))
  }

  /// The server's option (§4), in the client's encoding. Its RCODE fields, which are deprecated, are 255 (§2.2).
  /// - Parameters:
  ///   - registered: the client's full name in the network's DNS; nil: the server makes no updates for it.
  ///   - hostname: the client's name otherwise; may be empty.
  func answer(registered: String?, hostname: String) -> [UInt8] {
    var answer: Flags = registered == nil ? .noUpdates : .serverUpdates
    if answer.contains(.serverUpdates) != flags.contains(.serverUpdates) {
      answer.insert(.overridden)
    }
    let name = registered ?? hostname
    guard flags.contains(.wireFormat) else {
      return [answer.rawValue, 255, 255] + name.utf8
    }
    answer.insert(.wireFormat)
    return [answer.rawValue, 255, 255] + Self.wire(name, isFull: registered != nil)
  }

  /// Empty for a name that DNS cannot encode.
  private static func wire(_ name: String, isFull: Bool) -> [UInt8] {
    if name.isEmpty { return [] }
    let labels = name.split(separator: ".", omittingEmptySubsequences: false)
    guard labels.allSatisfy({ (1...63).contains($0.utf8.count) }) else { return [] }
    let wire = labels.flatMap { [UInt8(truncatingIfNeeded: $0.utf8.count)] + $0.utf8 }
    // A single label that is not registered stays partial: its domain is unknown.
    return isFull || labels.count > 1 ? wire + [0] : wire
  }
}
