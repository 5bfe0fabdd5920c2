// SPDX-License-Identifier: Apache-2.0
//
// Splits an IPv4 datagram into fragments that fit a link (RFC 791 §3.2). The caller checks Don't Fragment.

import Wire

/// The fragments' headers and payload ranges in order; allocates nothing.
package struct Fragmenter {
  private let header: IPv4Header
  private let step: Int
  private var offset = 0

  /// - Parameters:
  ///   - header: of the whole datagram, with an identification that is unique for its receiver (RFC 6864 §4.3).
  ///   - mtu: bytes of IP packet; nil below 68, which every link carries (RFC 791 §3.2).
  package init?(_ header: IPv4Header, mtu: Int) {
    guard mtu >= 68, header.payloadLength >= 0,
      header.payloadLength <= IPv4Header.maxPayloadLength
    else { return nil }
    self.header = header
    step = (min(mtu, 65535) - IPv4Header.encodedLength) & ~7
  }

  /// The next fragment: its header, and the range of its payload. Nil at the end.
  package mutating func next() -> (header: IPv4Header, payload: Range<Int>)? {
    guard offset < header.payloadLength else { return nil }
    let end = min(offset &+ step, header.payloadLength)
    var fragment = header
    fragment.payloadLength = end &- offset
    fragment.fragmentOffset = header.fragmentOffset &+ offset
    fragment.moreFragments = header.moreFragments || end < header.payloadLength
    defer { offset = end }
    return (fragment, offset..<end)
  }
}
