// SPDX-License-Identifier: Apache-2.0
import DNSMessage

/// The fields that make two questions equal: the name without case, type, class, and the bits that can change the
/// answer: RD, AD, CD and DO.
struct DNSCacheKey: Hashable {
  /// Name in lower case, type, class, bits.
  private let bytes: [UInt8]

  private static let recursionDesired: UInt8 = 1

  init(_ question: DNSQuestion, _ query: DNSClientQuery) {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(question.name.wire.count + 5)
    question.name.appendFolded(to: &bytes)
    for value in [question.type.rawValue, question.dnsClass.rawValue] {
      bytes.append(UInt8(value >> 8))
      bytes.append(UInt8(value & 255))
    }
    let header = query.header
    bytes.append(
      (header.recursionDesired ? Self.recursionDesired : 0) | (header.authenticData ? 2 : 0)
        | (header.checkingDisabled ? 4 : 0) | (query.edns?.dnssecOK == true ? 8 : 0))
    self.bytes = bytes
  }

  private init(bytes: [UInt8]) { self.bytes = bytes }

  /// Whether recursion was desired; only such answers are cached.
  var wantsRecursion: Bool { bytes[bytes.count - 1] & Self.recursionDesired != 0 }

  /// The key under which the answer is cached: a question without RD gets cached answers, too.
  var kept: DNSCacheKey {
    if wantsRecursion { return self }
    var bytes = bytes
    bytes[bytes.count - 1] |= Self.recursionDesired
    return DNSCacheKey(bytes: bytes)
  }

  var count: Int { bytes.count }

  /// Whether it asks about one of these names, each in wire form and lower case.
  func isAbout(_ names: [[UInt8]]) -> Bool {
    let end = bytes.count - 5
    return names.contains { $0.count == end && bytes.starts(with: $0) }
  }

  var question: DNSQuestion {
    let end = bytes.count - 5
    return DNSQuestion(
      name: DNSName(wire: Array(bytes[..<end])) ?? .root,
      type: DNSType(rawValue: UInt16(bytes[end]) << 8 | UInt16(bytes[end + 1])),
      dnsClass: DNSClass(rawValue: UInt16(bytes[end + 2]) << 8 | UInt16(bytes[end + 3])))
  }

  /// "ad cd do", those that are set.
  var flags: String {
    let bits = bytes[bytes.count - 1]
    return [(2, "ad"), (4, "cd"), (8, "do")].filter { bits & $0.0 != 0 }.map { $0.1 }
      .joined(separator: " ")
  }

  func hash(into hasher: inout Hasher) {
    bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
  }
}
