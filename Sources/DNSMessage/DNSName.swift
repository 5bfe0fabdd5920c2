// SPDX-License-Identifier: Apache-2.0

/// A domain name (RFC 1035 3.1): its labels in wire form, never compressed,
/// with the root label at the end.
///
/// The case of letters is preserved; comparison and hashing ignore it for ASCII letters only (RFC 4343). Labels may
/// contain any octets (RFC 2181 11).
///
/// Invariant: `wire` is well-formed, 1...255 octets, each label 1...63.
package struct DNSName: Sendable {
  /// Longest name in octets, with length octets and root (RFC 1035 2.3.4).
  package static let maximumLength = 255
  /// Longest label in octets.
  package static let maximumLabel = 63

  /// Length-prefixed labels and the final zero octet.
  package let wire: [UInt8]

  /// Precondition: `wire` meets the invariant.
  init(checked wire: [UInt8]) {
    self.wire = wire
  }

  package static let root = DNSName(checked: [0])

  /// A complete uncompressed name in wire form; nil for anything else.
  package init?(wire: [UInt8]) {
    guard wire.count <= Self.maximumLength else { return nil }
    var offset = 0
    while offset < wire.count {
      let length = Int(wire[offset])
      if length == 0 {
        guard offset == wire.count - 1 else { return nil }
        self.wire = wire
        return
      }
      guard length <= Self.maximumLabel else { return nil }
      offset += 1 + length
    }
    return nil
  }

  /// From labels, the leftmost first; nil when one is empty or too long, or the name is too long.
  package init?(labels: [[UInt8]]) {
    var wire: [UInt8] = []
    for label in labels {
      guard (1...Self.maximumLabel).contains(label.count) else { return nil }
      wire.append(UInt8(label.count))
      wire += label
    }
    wire.append(0)
    guard wire.count <= Self.maximumLength else { return nil }
    self.wire = wire
  }

  package var isRoot: Bool { wire.count == 1 }

  /// The labels, the leftmost first, without the root.
  package var labels: [ArraySlice<UInt8>] {
    var result: [ArraySlice<UInt8>] = []
    var offset = 0
    while wire[offset] != 0 {
      let end = offset + 1 + Int(wire[offset])
      result.append(wire[offset + 1..<end])
      offset = end
    }
    return result
  }

  /// Without the leftmost label; the root is its own parent.
  package var parent: DNSName {
    isRoot ? self : DNSName(checked: Array(wire[(1 + Int(wire[0]))...]))
  }

  /// Whether it is `ancestor` or lies below it.
  package func isWithin(_ ancestor: DNSName) -> Bool {
    guard wire.count >= ancestor.wire.count else { return false }
    let tail = wire.count - ancestor.wire.count
    var offset = 0
    while offset < tail {
      offset += 1 + Int(wire[offset])
    }
    return offset == tail && wire[tail...].elementsEqual(ancestor.wire) { fold($0) == fold($1) }
  }

  /// Appends the lower-case wire form, which can be compared as bytes.
  package func appendFolded(to bytes: inout [UInt8]) {
    for octet in wire { bytes.append(fold(octet)) }
  }

  /// Lower case: the canonical form of RFC 4034, which can be compared as bytes.
  package var lowercased: DNSName {
    DNSName(checked: wire.map(fold))
  }
}

extension DNSName: Hashable {
  /// RFC 4343 3. Length octets are below 64, so folding never touches them.
  package static func == (left: DNSName, right: DNSName) -> Bool {
    left.wire.count == right.wire.count
      && left.wire.elementsEqual(right.wire) { fold($0) == fold($1) }
  }

  package func hash(into hasher: inout Hasher) {
    // Eight octets at a time: Hasher takes about as long for one.
    var word: UInt64 = 0
    var count = 0
    for octet in wire {
      word = word << 8 | UInt64(fold(octet))
      count &+= 1
      if count & 7 == 0 { hasher.combine(word) }
    }
    // Equal names have equal lengths.
    hasher.combine(word)
  }
}

/// Lower case of an ASCII letter; every other octet as it is.
@inline(__always)
func fold(_ octet: UInt8) -> UInt8 {
  octet &- 0x41 < 26 ? octet | 0x20 : octet
}
