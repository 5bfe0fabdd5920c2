// SPDX-License-Identifier: Apache-2.0
//
// Frames from a guest for a network plugin under test: valid and invalid ones.

enum CheckFrames {
  private static let guest: [UInt8] = [0x52, 0x55, 0x55, 1, 2, 3]
  private static let all = [UInt8](repeating: 255, count: 6)

  /// One frame each of ARP, DHCP, ping, TCP, UDP and IPv6.
  static var sensible: [[UInt8]] {
    [arp, dhcp, ipv4(1, [8, 0, 0, 0, 0, 1, 0, 1]), ipv4(6, tcp), ipv4(17, udp), neighbour]
  }

  private static var arp: [UInt8] {
    all + guest + [8, 6, 0, 1, 8, 0, 6, 4, 0, 1] + guest + [10, 0, 0, 15, 0, 0, 0, 0, 0, 0]
      + [10, 0, 0, 2]
  }

  private static var tcp: [UInt8] {
    [0x80, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0]
  }

  private static var udp: [UInt8] { [0x80, 0, 0, 53, 0, 12, 0, 0, 1, 2, 3, 4] }

  private static func ipv4(_ proto: UInt8, _ payload: [UInt8]) -> [UInt8] {
    let total = 20 + payload.count
    var header: [UInt8] = [
      0x45, 0, UInt8(total >> 8), UInt8(total & 255), 0, 0, 0, 0, 64, proto, 0, 0, 10, 0, 0, 15,
      10, 0, 0, 2,
    ]
    var sum = 0
    for at in stride(from: 0, to: 20, by: 2) { sum += Int(header[at]) << 8 | Int(header[at + 1]) }
    while sum >> 16 != 0 { sum = (sum & 0xffff) + sum >> 16 }
    header[10] = UInt8(~sum >> 8 & 255)
    header[11] = UInt8(~sum & 255)
    return all + guest + [8, 0] + header + payload
  }

  private static var dhcp: [UInt8] {
    var bootp: [UInt8] = [1, 1, 6, 0, 1, 2, 3, 4] + [UInt8](repeating: 0, count: 20) + guest
    bootp += [UInt8](repeating: 0, count: 202) + [99, 130, 83, 99, 53, 1, 1, 255]
    let length = 8 + bootp.count
    return ipv4(
      17, [0, 68, 0, 67, UInt8(length >> 8), UInt8(length & 255), 0, 0] + bootp)
  }

  private static var neighbour: [UInt8] {
    [0x33, 0x33, 0, 0, 0, 1] + guest + [0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 58, 255, 0xfe, 0x80]
      + [UInt8](repeating: 0, count: 13) + [1, 0xff, 2] + [UInt8](repeating: 0, count: 13)
      + [1, 133, 0, 0, 0, 0, 0, 0, 0]
  }

  /// A frame of `count` bytes, at least 14, with an EtherType that a stack parses.
  static func filled(_ count: Int, type: [UInt8]) -> [UInt8] {
    let start = all + guest + type + (type == [8, 0] ? [0x45] : [])
    return Array(
      (start + [UInt8](repeating: 0x41, count: max(0, count - start.count))).prefix(count))
  }

  /// A valid frame with some bytes changed, cut off, or longer than its headers say.
  static func garbage(_ numbers: inout SeededNumbers) -> [UInt8] {
    var frame = sensible.randomElement(using: &numbers) ?? arp
    for _ in 0..<Int.random(in: 1...6, using: &numbers) {
      frame[Int.random(in: 12..<frame.count, using: &numbers)] = UInt8.random(
        in: 0...255, using: &numbers)
    }
    switch Int.random(in: 0..<4, using: &numbers) {
    case 0: return Array(frame.prefix(Int.random(in: 14...frame.count, using: &numbers)))
    case 1: return frame + (0..<200).map { _ in UInt8.random(in: 0...255, using: &numbers) }
    default: return frame
    }
  }
}
