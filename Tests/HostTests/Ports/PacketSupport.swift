// SPDX-License-Identifier: Apache-2.0
//
// Packets for the tests, and a checker of packets that shares no code with what
// it checks.

import PluginAPI

@testable import Host

enum TestPacket {
  enum Family { case v4, v6 }

  static func ethernet(
    to: UInt64 = 0x5a94_efe4_0cdd, from: UInt64 = 0x5255_5500_0001, type: UInt16, tag: Bool = false
  ) -> [UInt8] {
    var bytes = mac(to) + mac(from)
    if tag { bytes += [0x81, 0, 0, 7] }
    return bytes + be(type)
  }

  static func mac(_ value: UInt64) -> [UInt8] {
    (0..<6).map { UInt8(truncatingIfNeeded: value >> (40 - 8 * UInt64($0))) }
  }

  static func be(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
  static func be(_ value: UInt32) -> [UInt8] {
    be(UInt16(value >> 16)) + be(UInt16(value & 0xffff))
  }

  /// A frame of arbitrary content, as small traffic is.
  static func plain(_ length: Int, to: UInt64 = 0x5a94_efe4_0cdd, from: UInt64 = 0x5255_5500_0001)
    -> [UInt8]
  {
    let head = ethernet(to: to, from: from, type: 0x88b6)
    return head + (0..<max(0, length - head.count)).map { UInt8(truncatingIfNeeded: $0 &* 7) }
  }

  /// A TCP or UDP super-frame (or, with gsoSize 0, a frame that needs its checksum).
  static func offloaded(
    _ family: Family, udp: Bool = false, payload: [UInt8], gsoSize: Int, tag: Bool = false,
    options: Int = 12, flags: UInt8 = 0x19, id: UInt16 = 0xfff0, sequence: UInt32 = 0xffff_f000,
    ipOptions: Int = 0
  ) -> OwnedFrame {
    var bytes = ethernet(type: family == .v4 ? 0x0800 : 0x86dd, tag: tag)
    let network = bytes.count
    let transportHeader = udp ? 8 : 20 + options
    let transportLength = transportHeader + payload.count
    var pseudo: [UInt8]
    let proto: UInt8 = udp ? 17 : 6
    if family == .v4 {
      let source: [UInt8] = [192, 168, 5, 15]
      let target: [UInt8] = [93, 184, 216, 34]
      let headerLength = 20 + ipOptions
      let total = UInt16(truncatingIfNeeded: headerLength + transportLength)
      var ip =
        [0x40 | UInt8(headerLength / 4), 0] + be(total) + be(id) + [0x40, 0, 64, proto, 0, 0]
      ip += source + target + [UInt8](repeating: 1, count: ipOptions)
      let sum = ~reference(ip)
      ip[10] = UInt8(sum >> 8)
      ip[11] = UInt8(sum & 255)
      bytes += ip
      pseudo = source + target + [0, proto] + be(UInt16(truncatingIfNeeded: transportLength))
    } else {
      let source: [UInt8] = [0xfd, 0] + [UInt8](repeating: 3, count: 14)
      let target: [UInt8] = [0x20, 1] + [UInt8](repeating: 9, count: 14)
      bytes += [0x60, 0, 0, 0] + be(UInt16(truncatingIfNeeded: transportLength)) + [proto, 64]
      bytes += source + target
      pseudo = source + target + be(UInt32(transportLength)) + [0, 0, 0, proto]
    }
    let transport = bytes.count
    let partial = be(reference(pseudo))
    if udp {
      bytes += be(UInt16(50000)) + be(UInt16(53))
      bytes += be(UInt16(truncatingIfNeeded: transportLength)) + partial
    } else {
      bytes += be(UInt16(40000)) + be(UInt16(443)) + be(sequence) + be(UInt32(77))
      bytes += [UInt8((20 + options) / 4) << 4, flags] + be(UInt16(512)) + partial + [0, 0]
      bytes += [UInt8](repeating: 1, count: options)
    }
    let headers = bytes.count
    bytes += payload
    let owned = OwnedFrame(bytes, flags: UInt32(LND_FRAME_NEEDS_CSUM))
    owned.frame.csum_start = UInt16(transport)
    owned.frame.csum_offset = udp ? 6 : 16
    owned.frame.hdr_len = UInt16(headers)
    if gsoSize > 0 {
      let tcp = family == .v4 ? LND_GSO_TCPV4 : LND_GSO_TCPV6
      owned.frame.gso_type = UInt16(udp ? LND_GSO_UDP_L4 : tcp)
      owned.frame.gso_size = UInt16(gsoSize)
    }
    _ = network
    return owned
  }

  /// The one's complement sum, folded, of big-endian words.
  static func reference(_ bytes: [UInt8]) -> UInt16 {
    var sum: UInt64 = 0
    for i in stride(from: 0, to: bytes.count, by: 2) {
      sum += UInt64(bytes[i]) << 8 | UInt64(i + 1 < bytes.count ? bytes[i + 1] : 0)
    }
    while sum > 0xffff { sum = (sum & 0xffff) + (sum >> 16) }
    return UInt16(sum)
  }
}

/// What a receiver sees in a TCP or UDP frame.
struct ParsedPacket {
  var payload: [UInt8]
  var id: UInt16
  var sequence: UInt32
  var flags: UInt8
  /// Why a receiver would drop it; nil when it is in order.
  var fault: String?

  init(_ frame: [UInt8]) {
    payload = []
    id = 0
    sequence = 0
    flags = 0
    fault = parse(frame)
  }

  private mutating func parse(_ frame: [UInt8]) -> String? {
    func be16(_ at: Int) -> Int { Int(frame[at]) << 8 | Int(frame[at + 1]) }
    var network = 14
    var type = be16(12)
    if type == 0x8100 {
      network = 18
      type = be16(16)
    }
    let proto: UInt8
    let transport: Int
    let end: Int
    var pseudo: [UInt8]
    if type == 0x0800 {
      transport = network + Int(frame[network] & 15) * 4
      end = network + be16(network + 2)
      proto = frame[network + 9]
      id = UInt16(be16(network + 4))
      if TestPacket.reference(Array(frame[network..<transport])) != 0xffff { return "IP checksum" }
      pseudo = Array(frame[(network + 12)..<(network + 20)])
    } else {
      transport = network + 40
      end = transport + be16(network + 4)
      proto = frame[network + 6]
      pseudo = Array(frame[(network + 8)..<(network + 40)])
    }
    guard end == frame.count else { return "length \(end), frame \(frame.count)" }
    pseudo += [0, proto] + TestPacket.be(UInt16(end - transport))
    if TestPacket.reference(pseudo + Array(frame[transport...])) != 0xffff {
      return "transport checksum"
    }
    if proto == 17 {
      guard be16(transport + 4) == end - transport else { return "UDP length" }
      payload = Array(frame[(transport + 8)...])
    } else {
      sequence = UInt32(be16(transport + 4)) << 16 | UInt32(be16(transport + 6))
      flags = frame[transport + 13]
      payload = Array(frame[(transport + Int(frame[transport + 12] >> 4) * 4)...])
    }
    return nil
  }
}
