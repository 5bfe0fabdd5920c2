// SPDX-License-Identifier: Apache-2.0
//
// Tests of the pool and the packets, without lima-netd.

import Testing

@testable import LabCore

@Suite(.timeLimit(.minutes(1))) struct LabTests {
  private let gateway: [UInt8] = [10, 98, 0, 1]
  private let guest: [UInt8] = [0x52, 0x55, 0x55, 1, 2, 3]

  private func udp(to port: UInt8, _ payload: [UInt8]) -> [UInt8] {
    let length = 8 + payload.count
    let udp: [UInt8] = [0xc0, 1, 0, port, UInt8(length >> 8), UInt8(length & 255), 0, 0]
    let total = 20 + length
    let ip: [UInt8] = [0x45, 0, UInt8(total >> 8), UInt8(total & 255), 0, 0, 0, 0, 64, 17, 0, 0]
    return Packets.mac + guest + [8, 0] + ip + [10, 98, 0, 2] + gateway + udp + payload
  }

  @Test
  func `each station has an address of its own, the same again, and the gateway's is nobody's`() {
    var pool = Pool(gateway: gateway)
    let stations = (0..<254).compactMap { MAC([2, 0, 0, 0, 0, UInt8($0)]) }
    let addresses = stations.map { pool.lease($0) }
    #expect(Set(addresses.compactMap { $0 }).count == 253 && addresses.last == .some(nil))
    #expect(!addresses.contains(gateway))
    #expect(pool.lease(stations[7]) == addresses[7])
    pool.release(stations[7])
    #expect(pool.lease(stations[253]) == addresses[7])
  }

  @Test func `a group's address is no station's`() {
    #expect(
      MAC([1, 0, 0x5e, 0, 0, 1]) == nil && MAC([0, 0, 0, 0, 0, 0]) == nil && MAC([2]) == nil)
  }

  @Test func `a question of DNS is read with where it came from`() {
    let message = [UInt8](1...12)
    let read = Packets(gateway: gateway).read(udp(to: 53, message))
    #expect(read?.from == MAC(guest))
    #expect(read?.asked == .dns(from: [10, 98, 0, 2], port: 0xc001, message: message))
  }

  @Test func `options of DHCP are read, and the answer has the address and the domain`() {
    let bootp =
      [1, 1, 6] + [UInt8](repeating: 0, count: 25) + guest + [UInt8](repeating: 0, count: 202)
    let packets = Packets(gateway: gateway)
    let read = packets.read(udp(to: 67, bootp + [99, 130, 83, 99, 53, 1, 1, 0, 50, 2, 7, 8, 255]))
    #expect(read?.asked == .dhcp(bootp: bootp, options: [53: [1], 50: [7, 8]]))
    let offer = packets.dhcpReply(2, to: bootp, address: [10, 98, 0, 9], domain: "lab")
    #expect(Array(offer[58..<62]) == [10, 98, 0, 9] && offer.contains(where: { $0 == 15 }))
    #expect(offer.count == 42 + 300)
  }

  @Test func `frames that end anywhere, and lengths that lie, are nothing`() {
    let packets = Packets(gateway: gateway)
    let whole = udp(
      to: 67, [1, 1, 6] + [UInt8](repeating: 0, count: 233) + [99, 130, 83, 99, 53, 9])
    for end in 0...whole.count {
      var cut = Array(whole[..<end])
      #expect(packets.read(cut) == nil)
      guard end > 20 else { continue }
      cut[16] = UInt8(max(0, end - 14) >> 8)
      cut[17] = UInt8(max(0, end - 14) & 255)
      _ = packets.read(cut)
    }
  }
}
