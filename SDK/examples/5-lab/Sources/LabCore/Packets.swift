// SPDX-License-Identifier: Apache-2.0
//
// The packets that the gateway parses and creates: ARP (RFC 826), ICMP echo (RFC 792), DHCP (RFC 2131, 2132) and UDP (RFC
// 768). Pure functions. Lengths from a guest are checked before use, since a trap ends the network's process.

/// A guest's request to the gateway.
public enum Asked: Equatable, Sendable {
  case arp(of: [UInt8])
  case ping(from: [UInt8], icmp: [UInt8])
  /// A BOOTP message: its 236 fixed bytes, and its options.
  case dhcp(bootp: [UInt8], options: [UInt8: [UInt8]])
  case dns(from: [UInt8], port: Int, message: [UInt8])
}

public struct Packets: Sendable {
  public static let mac: [UInt8] = [0x5a, 0x94, 0xef, 0, 0, 5]
  private static let broadcast = [UInt8](repeating: 255, count: 6)
  private static let cookie: [UInt8] = [99, 130, 83, 99]
  public let gateway: [UInt8]

  public init(gateway: [UInt8]) { self.gateway = gateway }

  // MARK: From a frame

  /// Nil if the frame is not for the gateway, or of an unknown kind.
  public func read(_ frame: [UInt8]) -> (from: MAC, asked: Asked)? {
    guard frame.count >= 34, let from = MAC(frame[6..<12]) else { return nil }
    guard Array(frame[..<6]) == Self.mac || Array(frame[..<6]) == Self.broadcast else { return nil }
    let payload = Array(frame[14...])
    switch (frame[12], frame[13]) {
    case (0x08, 0x06): return arp(payload).map { (from, $0) }
    case (0x08, 0x00): return ipv4(payload).map { (from, $0) }
    default: return nil
    }
  }

  private func arp(_ arp: [UInt8]) -> Asked? {
    guard arp.count >= 28, arp[6] == 0, arp[7] == 1, Array(arp[24..<28]) == gateway else {
      return nil
    }
    return .arp(of: Array(arp[14..<18]))
  }

  private func ipv4(_ packet: [UInt8]) -> Asked? {
    let total = two(packet, 2)
    guard packet[0] == 0x45, total >= 28, total <= packet.count, two(packet, 6) & 0x3fff == 0 else {
      return nil
    }
    let from = Array(packet[12..<16])
    let payload = Array(packet[20..<total])
    let isOurs = Array(packet[16..<20]) == gateway
    switch packet[9] {
    case 1 where isOurs && payload[0] == 8: return .ping(from: from, icmp: payload)
    case 17:
      let length = two(payload, 4)
      guard length >= 8, length <= payload.count else { return nil }
      let message = Array(payload[8..<length])
      switch two(payload, 2) {
      case 67: return dhcp(message)
      case 53 where isOurs && message.count >= 12:
        return .dns(from: from, port: two(payload, 0), message: message)
      default: return nil
      }
    default: return nil
    }
  }

  private func dhcp(_ message: [UInt8]) -> Asked? {
    guard message.count >= 240, message[..<3] == [1, 1, 6],
      Array(message[236..<240]) == Self.cookie
    else { return nil }
    var options: [UInt8: [UInt8]] = [:]
    var rest = message[240...]
    while let code = rest.popFirst(), code != 255 {
      if code == 0 { continue }
      guard let length = rest.popFirst(), rest.count >= Int(length) else { return nil }
      options[code] = Array(rest.prefix(Int(length)))
      rest = rest.dropFirst(Int(length))
    }
    return .dhcp(bootp: Array(message[..<236]), options: options)
  }

  // MARK: To a frame

  public func arpReply(to mac: MAC, at address: [UInt8]) -> [UInt8] {
    mac.bytes + Self.mac + [8, 6, 0, 1, 8, 0, 6, 4, 0, 2] + Self.mac + gateway + mac.bytes + address
  }

  public func pong(to mac: MAC, at address: [UInt8], icmp: [UInt8]) -> [UInt8] {
    var reply = icmp
    reply.replaceSubrange(0..<4, with: [0, icmp[1], 0, 0])
    reply.replaceSubrange(2..<4, with: checksum(reply))
    return packet(1, to: mac.bytes, at: address, reply)
  }

  public func udp(
    from: Int, to mac: [UInt8], at address: [UInt8], port: Int, _ payload: [UInt8]
  ) -> [UInt8] {
    // Checksum 0: not used.
    let header = bytes(from) + bytes(port) + bytes(8 + payload.count) + [0, 0]
    return packet(17, to: mac, at: address, header + payload)
  }

  /// - Parameters:
  ///   - kind: 2 OFFER, 5 ACK, 6 NAK.
  ///   - address: the guest's; nil in a NAK.
  public func dhcpReply(
    _ kind: UInt8, to bootp: [UInt8], address: [UInt8]?, domain: String
  ) -> [UInt8] {
    var reply: [UInt8] = [2] + bootp[1..<12] + [0, 0, 0, 0]
    reply += (address ?? [0, 0, 0, 0]) + [UInt8](repeating: 0, count: 8) + bootp[28..<44]
    reply += [UInt8](repeating: 0, count: 192) + Self.cookie + [53, 1, kind, 54, 4] + gateway
    if address != nil {
      let name = Array(domain.utf8)
      reply += [51, 4, 0, 1, 0x51, 0x80, 1, 4, 255, 255, 255, 0, 6, 4] + gateway
      reply += [15, UInt8(name.count)] + name  // no router: the lab leads nowhere
    }
    reply.append(255)
    // The minimum length of BOOTP (RFC 1542 §2.1).
    reply += [UInt8](repeating: 0, count: max(0, 300 - reply.count))
    return udp(from: 67, to: Self.broadcast, at: [255, 255, 255, 255], port: 68, reply)
  }

  private func packet(
    _ proto: UInt8, to mac: [UInt8], at address: [UInt8], _ payload: [UInt8]
  ) -> [UInt8] {
    var header = [0x45, 0] + bytes(20 + payload.count) + [0, 0, 0, 0, 64, proto, 0, 0]
    header += gateway + address
    header.replaceSubrange(10..<12, with: checksum(header))
    return mac + Self.mac + [8, 0] + header + payload
  }
}

/// Two bytes, big-endian.
private func two(_ bytes: [UInt8], _ at: Int) -> Int { Int(bytes[at]) << 8 | Int(bytes[at + 1]) }

private func bytes(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 0xff), UInt8(value & 0xff)] }

/// The Internet checksum (RFC 1071).
private func checksum(_ bytes: [UInt8]) -> [UInt8] {
  var sum = 0
  for (at, byte) in bytes.enumerated() { sum += at % 2 == 0 ? Int(byte) << 8 : Int(byte) }
  while sum >> 16 != 0 { sum = (sum & 0xffff) + (sum >> 16) }
  return [UInt8(~sum >> 8 & 0xff), UInt8(~sum & 0xff)]
}
