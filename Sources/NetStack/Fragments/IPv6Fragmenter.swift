// SPDX-License-Identifier: Apache-2.0
//
// Splits an IPv6 packet without extension headers into fragments that fit a link (RFC 8200 §4.5).

import Wire

/// The fragments' headers and payload ranges in order; allocates nothing.
package struct IPv6Fragmenter {
  private let header: IPv6Header
  private let identification: UInt32
  private let step: Int
  private var offset = 0

  /// - Parameters:
  ///   - header: of the whole packet.
  ///   - mtu: bytes of IP packet; nil below 1280, which every link carries (RFC 8200 §5).
  package init?(_ header: IPv6Header, identification: UInt32, mtu: Int) {
    guard mtu >= IPv6Header.leastMTU, header.payloadLength >= 0,
      header.payloadLength <= IPv6Header.maxPayloadLength
    else { return nil }
    self.header = header
    self.identification = identification
    step =
      (min(mtu, 65535) - IPv6Header.encodedLength - IPv6ExtensionField.minimumLength) & ~7
  }

  /// The next fragment: its headers, and the range of its payload. Nil at the end.
  package mutating func next() -> (
    header: IPv6Header, fragment: IPv6Fragment, payload: Range<Int>
  )? {
    guard offset < header.payloadLength else { return nil }
    let end = min(offset &+ step, header.payloadLength)
    var own = header
    own.nextHeader = IPProtocol.fragment
    own.payloadLength = IPv6ExtensionField.minimumLength &+ end &- offset
    let fragment = IPv6Fragment(
      offset: offset, moreFragments: end < header.payloadLength, identification: identification)
    defer { offset = end }
    return (own, fragment, offset..<end)
  }
}
