// SPDX-License-Identifier: Apache-2.0
//
// Fragments in any order, of any length, overlapping or not: what comes out whole has the
// bytes that went in, and memory stays within its bounds.

import NetStack
import Wire

extension FuzzTarget {
  /// Steps of six bytes: flags (1 more, 2 another identification, 4 options, 8 time
  /// passes, 16 other content), offset in blocks, length.
  static let fragments = FuzzTarget(
    "fragments",
    seeds: [
      // In order, the wrong way round, a duplicate, an overlap, a hole, another datagram between.
      [1, 0, 0, 0, 8, 0, 0, 0, 1, 0, 5, 0],
      [0, 0, 1, 0, 5, 0, 1, 0, 0, 0, 8, 0],
      [1, 0, 0, 0, 8, 0, 1, 0, 0, 0, 8, 0, 0, 0, 1, 0, 5, 0],
      [1, 0, 0, 0, 16, 0, 0, 0, 1, 0, 16, 0],
      [1, 0, 0, 0, 8, 0, 0, 0, 9, 0, 5, 0],
      [1, 0, 0, 0, 8, 0, 3, 0, 0, 0, 8, 0, 0, 0, 1, 0, 5, 0, 2, 0, 1, 0, 5, 0],
      // Options; time runs out; the ping of death.
      [5, 0, 0, 0, 8, 0, 0, 0, 1, 0, 5, 0],
      [1, 0, 0, 0, 8, 0, 8, 0, 1, 0, 5, 255],
      [0, 31, 255, 0, 200, 0],
    ]
  ) { bytes in
    var input = FuzzInput(bytes)
    var limits = Reassembler.Limits()
    limits.datagrams = 4
    limits.bytes = 256 << 10
    let reassembler = Reassembler(limits: limits)
    var now: UInt64 = 1
    while !input.isAtEnd {
      let flags = input.byte()
      let offset = Int(input.uint16() & 0x1fff) * 8
      let length = min(Int(input.uint16()), 2048)
      if flags & 8 != 0 { now += UInt64(input.byte()) * 1_000_000_000 } else { _ = input.byte() }
      reassembler.expire(now: now) { expired in
        expectFuzz(
          IPv4Packet(checking: expired.firstFragment) != nil, "what is reported is a packet")
      }
      let identification = UInt16(flags >> 1 & 1)
      let packet = fragment(
        identification, offset: offset, length: length, more: flags & 1 != 0,
        options: flags & 4 != 0, isOther: flags & 16 != 0)
      packet.withByteView { view in
        guard let ip = IPv4Packet(checking: view) else { return }
        switch reassembler.add(Fragment(ip, from: SeedPackets.guestMAC), now: now) {
        case .complete(let whole): check(whole)
        case .incomplete, .refused: break
        }
      }
      reassembler.releaseDelivered()
      let pending = reassembler.pending
      expectFuzz(
        pending.datagrams <= limits.datagrams && pending.bytes <= limits.bytes, "bounds: \(pending)"
      )
    }
  }

  /// The byte at a place of a datagram, of two contents that agree nowhere.
  private static func content(_ place: Int, _ isOther: Bool) -> UInt8 {
    UInt8(truncatingIfNeeded: place &* 31 &+ place >> 8) ^ (isOther ? 0xff : 0)
  }

  private static func fragment(
    _ identification: UInt16, offset: Int, length: Int, more: Bool, options: Bool, isOther: Bool
  ) -> [UInt8] {
    let extra = options ? 8 : 0
    let header = IPv4Header(
      source: SeedPackets.guest, destination: SeedPackets.server,
      protocolNumber: IPProtocol.udp, payloadLength: length + extra,
      identification: identification, moreFragments: more, fragmentOffset: offset)
    var bytes = [UInt8](capacity: 20) { header.emit(into: $0) }
    bytes += [UInt8](repeating: 1, count: extra)
    if options { bytes[0] = 0x47 }
    for place in offset..<(offset + length) { bytes.append(content(place, isOther)) }
    return bytes
  }

  private static func check(_ whole: ByteView) {
    guard let ip = IPv4Packet(checking: whole), !ip.isFragment, ip.isHeaderChecksumValid,
      ip.bytes.count == whole.count
    else { return expectFuzz(false, "a reassembled packet is whole") }
    // Each piece has one content or the other, and pieces are blocks of eight bytes.
    let payload = ip.payload
    var block = 0
    while block < payload.count {
      let isOther = payload[block] == content(block, true)
      for place in block..<min(block + 8, payload.count) {
        expectFuzz(payload[place] == content(place, isOther), "byte \(place) of a datagram")
      }
      block += 8
    }
  }
}
