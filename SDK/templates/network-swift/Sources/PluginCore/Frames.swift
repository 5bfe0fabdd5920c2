// SPDX-License-Identifier: Apache-2.0
//
// This network's answers: ARP (RFC 826), DHCP (RFC 2131, 2132) and ICMP echo (RFC 792) for one guest. Pure functions from a
// frame to a frame. Lengths come from the guest: each is checked before use, since a trap ends the network's process.

/// Answers one frame at a time.
public struct Frames: Sendable {
  private static let mac: [UInt8] = [0x5a, 0x94, 0xef, 0, 0, 2]
  private static let cookie: [UInt8] = [99, 130, 83, 99]
  private let addresses: Addresses

  public init(_ addresses: Addresses) { self.addresses = addresses }

  /// The answer to a frame; nil if there is none.
  public func answer(_ frame: [UInt8]) -> [UInt8]? {
    guard frame.count >= 14 else { return nil }
    let payload = Array(frame[14...])
    let answer: [UInt8]?
    switch (frame[12], frame[13]) {
    case (0x08, 0x06): answer = arp(payload)
    case (0x08, 0x00): answer = ipv4(payload)
    default: answer = nil
    }
    return answer.map { frame[6..<12] + Self.mac + frame[12..<14] + $0 }
  }

  private func arp(_ arp: [UInt8]) -> [UInt8]? {
    guard arp.count >= 28, arp[6] == 0, arp[7] == 1, Array(arp[24..<28]) == addresses.gateway else {
      return nil
    }
    return arp[..<6] + [0, 2] + Self.mac + addresses.gateway + arp[8..<18]
  }

  private func ipv4(_ packet: [UInt8]) -> [UInt8]? {
    guard packet.count >= 20, packet[0] == 0x45 else { return nil }
    let total = number(packet, 2)
    guard total >= 20, total <= packet.count, number(packet, 6) & 0x3fff == 0 else { return nil }
    let payload = Array(packet[20..<total])
    switch packet[9] {
    case 1 where Array(packet[16..<20]) == addresses.gateway:
      return echoReply(payload).map { self.packet(1, to: Array(packet[12..<16]), $0) }
    case 17:
      // Checksum 0: not used (RFC 768).
      return dhcp(payload).map {
        let udp = [0, 67, 0, 68] + two(8 + $0.count) + [0, 0]
        return self.packet(17, to: [255, 255, 255, 255], udp + $0)
      }
    default: return nil
    }
  }

  private func packet(_ proto: UInt8, to: [UInt8], _ payload: [UInt8]) -> [UInt8] {
    var header = [0x45, 0] + two(20 + payload.count) + [0, 0, 0, 0, 64, proto, 0, 0]
    header += addresses.gateway + to
    header.replaceSubrange(10..<12, with: checksum(header))
    return header + payload
  }

  private func echoReply(_ icmp: [UInt8]) -> [UInt8]? {
    guard icmp.count >= 8, icmp[0] == 8 else { return nil }
    var reply = icmp
    reply.replaceSubrange(0..<4, with: [0, icmp[1], 0, 0])
    reply.replaceSubrange(2..<4, with: checksum(reply))
    return reply
  }

  private func dhcp(_ udp: [UInt8]) -> [UInt8]? {
    guard udp.count >= 8 + 240, udp[2] == 0, udp[3] == 67 else { return nil }
    let length = number(udp, 4)
    guard length >= 8 + 240, length <= udp.count else { return nil }
    let bootp = Array(udp[8..<length])
    let options = bootp[240...]
    guard bootp[0] == 1, bootp[1] == 1, bootp[2] == 6, Array(bootp[236..<240]) == Self.cookie,
      let asked = option(53, options)?.first
    else { return nil }
    // The client chose another server.
    if let server = option(54, options), server != addresses.gateway { return nil }
    let renewed = Array(bootp[12..<16])
    let kind: UInt8
    switch asked {
    case 1: kind = 2  // DISCOVER: OFFER
    case 3:  // REQUEST: ACK, or NAK
      kind = (option(50, options) ?? renewed) == addresses.guest ? 5 : 6
    default: return nil
    }
    var reply = [2] + bootp[1..<12]
    reply += kind == 5 ? renewed : [0, 0, 0, 0]
    reply += kind == 6 ? [0, 0, 0, 0] : addresses.guest
    reply += [UInt8](repeating: 0, count: 8) + bootp[28..<44]  // to the client's Ethernet address
    reply += [UInt8](repeating: 0, count: 192) + Self.cookie
    reply += [53, 1, kind, 54, 4] + addresses.gateway
    if kind != 6 {
      reply += [51, 4, 0, 1, 0x51, 0x80, 1, 4, 255, 255, 255, 0, 3, 4] + addresses.gateway
    }
    reply.append(255)
    return reply + [UInt8](repeating: 0, count: 300 - reply.count)  // the least of BOOTP (RFC 1542)
  }

  /// The value of a DHCP option.
  private func option(_ code: UInt8, _ options: ArraySlice<UInt8>) -> [UInt8]? {
    var rest = options
    while let found = rest.popFirst(), found != 255 {
      if found == 0 { continue }
      guard let length = rest.popFirst(), rest.count >= Int(length) else { return nil }
      if found == code { return Array(rest.prefix(Int(length))) }
      rest = rest.dropFirst(Int(length))
    }
    return nil
  }
}

/// Two bytes, big-endian.
private func number(_ bytes: [UInt8], _ at: Int) -> Int { Int(bytes[at]) << 8 | Int(bytes[at + 1]) }

private func two(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 0xff), UInt8(value & 0xff)] }

/// The Internet checksum (RFC 1071).
private func checksum(_ bytes: [UInt8]) -> [UInt8] {
  var sum = 0
  for (at, byte) in bytes.enumerated() { sum += at % 2 == 0 ? Int(byte) << 8 : Int(byte) }
  while sum >> 16 != 0 { sum = (sum & 0xffff) + (sum >> 16) }
  return two(~sum & 0xffff)
}
