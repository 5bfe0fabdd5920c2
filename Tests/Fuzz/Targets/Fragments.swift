// SPDX-License-Identifier: Apache-2.0
//
// Fragments in any order, of any length, overlapping or not: what comes out whole has the
// bytes that went in, and memory stays within its bounds.

import NetStack
import Wire

extension FuzzTarget {
  /// Steps of six bytes: flags (1 more, 2 another identification, 4 options, 8 time
  /// passes, 16 other content, 32 IPv6), offset in blocks, length.
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
      // IPv6: in order, a block that is not whole, the longest there is, and both families together.
      [33, 0, 0, 0, 8, 0, 32, 0, 1, 0, 5, 0], [33, 0, 0, 0, 9, 0], [32, 31, 255, 0, 7, 0],
      [33, 0, 0, 0, 8, 0, 1, 0, 0, 0, 8, 0, 32, 0, 1, 0, 5, 0, 0, 0, 1, 0, 5, 0],
      [33, 0, 0, 0, 8, 0, 40, 0, 1, 0, 5, 255],
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
          IPv4Packet(checking: expired.firstFragment) != nil
            || expired.firstFragment[IPv6Field.version] >> 4 == 6, "what is reported is a packet")
      }
      let identification = UInt16(flags >> 1 & 1)
      let packet = fragment(
        identification, offset: offset, length: length, more: flags & 1 != 0,
        options: flags & 4 != 0, isOther: flags & 16 != 0)
      packet.withByteView { view in
        guard let ip = IPv4Packet(checking: view) else { return }
        let piece =
          flags & 32 == 0
          ? Fragment(ip, from: SeedPackets.guestMAC)
          : fragment6(identification, offset: offset, more: flags & 1 != 0, ip.payload)
        switch reassembler.add(piece, now: now) {
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

  /// The same piece of an IPv6 packet. The header is one for all, and has no length of note.
  private static func fragment6(
    _ identification: UInt16, offset: Int, more: Bool, _ payload: ByteView
  ) -> Fragment {
    guard let packet = IPv6Packet(checking: ByteView(UnsafeRawBufferPointer(header6))) else {
      preconditionFailure("an IPv6 header")
    }
    return Fragment(
      packet,
      IPv6Fragment(
        offset: offset, moreFragments: more, identification: UInt32(identification)),
      protocolNumber: IPProtocol.udp, payload: payload, from: SeedPackets.guestMAC)
  }

  /// Never given back.
  nonisolated(unsafe) private static let header6: UnsafeMutableRawBufferPointer = {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 40, alignment: 8)
    memory.copyBytes(
      from: SeedPackets.ipv6(IPProtocol.fragment, [], to: SeedPackets.server6)[14..<54])
    return memory
  }()

  private static func check(_ whole: ByteView) {
    guard whole[IPv6Field.version] >> 4 != 6 else { return check6(whole) }
    guard let ip = IPv4Packet(checking: whole), !ip.isFragment, ip.isHeaderChecksumValid,
      ip.bytes.count == whole.count
    else { return expectFuzz(false, "a reassembled packet is whole") }
    checkContent(ip.payload)
  }

  private static func check6(_ whole: ByteView) {
    guard let ip = IPv6Packet(checking: whole), ip.bytes.count == whole.count,
      ip.nextHeader == IPProtocol.udp
    else { return expectFuzz(false, "a reassembled IPv6 packet is whole") }
    checkContent(ip.payload)
  }

  /// Each piece has one content or the other, and pieces are blocks of eight bytes.
  private static func checkContent(_ payload: ByteView) {
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
