// SPDX-License-Identifier: Apache-2.0
//
// Views of real frames, of frames with one thing wrong, and of noise.

import TestSupport
import Testing

@testable import Wire

@Suite("Packets", .timeLimit(.minutes(5)))
struct PacketTests {
  private let mac = MACAddress(0x52, 0x55, 0x55, 0x12, 0x34, 0x56)
  private let guest = IPAddress(192, 168, 5, 15)
  private let gateway = IPAddress(192, 168, 5, 2)

  @Test("an ARP request is read through its padding, and answered")
  func arp() throws {
    try PacketFixtures.arpRequest.withByteView {
      let ethernet = try #require(EthernetPacket(checking: $0))
      #expect(ethernet.destination == .broadcast && ethernet.source == mac)
      #expect(ethernet.etherType == EtherType.arp)
      let request = ARPHeader(try #require(ARPPacket(checking: ethernet.payload)))
      #expect(request.operation == ARPHeader.request)
      #expect(request.senderIP == guest && request.targetIP == gateway)
      let ours = MACAddress(1)
      let reply = request.reply(from: ours)
      #expect(
        reply
          == ARPHeader(
            operation: ARPHeader.reply, senderMAC: ours, senderIP: gateway, targetMAC: mac,
            targetIP: guest))
    }
  }

  @Test("ARP for anything but IPv4 over Ethernet is refused")
  func otherARP() {
    for offset in [15, 16, 18, 19] {
      var bytes = PacketFixtures.arpRequest
      bytes[offset] = 0x77
      bytes.withByteView { #expect(ARPPacket(checking: $0.dropFirst(14)) == nil) }
    }
  }

  @Test("a SYN is read with all its options")
  func tcp() throws {
    try PacketFixtures.tcpSYN.withByteView {
      let ip = try #require(IPv4Packet(checking: $0.dropFirst(14)))
      #expect(ip.isHeaderChecksumValid && ip.dontFragment && !ip.isFragment)
      #expect(ip.source == guest && ip.destination == gateway)
      #expect(ip.timeToLive == 64 && ip.trafficClass == 0x10 && ip.identification == 0x1c46)
      let tcp = try #require(TCPPacket(checking: ip.payload))
      #expect(tcp.isChecksumValid(source: guest, destination: gateway))
      #expect(tcp.sourcePort == 54321 && tcp.destinationPort == 80)
      #expect(tcp.sequence == 0x1234_5678 && tcp.acknowledgement == 0)
      #expect(tcp.flags == .syn && tcp.window == 64240 && tcp.payload.isEmpty)
      let options = tcp.options
      #expect(options.maximumSegmentSize == 1460 && options.windowScale == 7)
      #expect(options.sackPermitted && options.sackBlocks.isEmpty)
      #expect(options.timestamps == TCPTimestamps(value: 0x112233, echo: 0))
      // Linux's layout is ours.
      let written = [UInt8](capacity: 40) { TCPHeader(tcp).emit(into: $0) }
      #expect(written.count == 40)
      #expect(written[20...] == PacketFixtures.tcpSYN[54...])
    }
  }

  @Test("an echo request is read, and its header written byte by byte the same")
  func icmp() throws {
    try PacketFixtures.icmpEcho.withByteView {
      let ip = try #require(IPv4Packet(checking: $0.dropFirst(14)))
      #expect(ip.isHeaderChecksumValid)
      let icmp = try #require(ICMPv4Packet(checking: ip.payload))
      #expect(icmp.isChecksumValid && icmp.type == ICMPv4Type.echoRequest && icmp.code == 0)
      #expect(icmp.echoIdentifier == 0x1234 && icmp.echoSequence == 1)
      #expect(icmp.payload.bytes == Array("abcdefgh".utf8))
      let header = ICMPHeader(
        type: ICMPv4Type.echoRequest, identifier: 0x1234, sequence: 1)
      let bytes = [UInt8](capacity: 8) { header.emit(into: $0, payload: icmp.payload) }
      #expect(bytes == icmp.bytes.prefix(8).bytes)
    }
  }

  @Test("the extension headers of IPv6 are walked to the transport")
  func ipv6() throws {
    try PacketFixtures.udpV6.withByteView {
      let ip = try #require(IPv6Packet(checking: $0.dropFirst(14)))
      #expect(ip.source.description == "fd00::f" && ip.destination.description == "fd00::2")
      let layer = try #require(ip.upperLayer)
      #expect(layer == IPv6UpperLayer(protocolNumber: IPProtocol.udp, offset: 56, fragment: nil))
      let udp = try #require(UDPPacket(checking: ip.bytes.dropFirst(layer.offset)))
      #expect(udp.isChecksumValid(source: ip.source, destination: ip.destination))
      #expect(udp.sourcePort == 53 && udp.payload.bytes == [1, 2, 3, 4])
    }
  }

  @Test("an IPv6 chain that is cut off, too long or out of order ends in nothing")
  func badChains() {
    func upper(_ next: UInt8, _ extensions: [UInt8]) -> IPv6UpperLayer? {
      let packet = [UInt8](capacity: 40 + extensions.count) { out in
        IPv6Header(
          source: .loopbackV6, destination: .loopbackV6, nextHeader: next,
          payloadLength: extensions.count
        ).emit(into: out)
        extensions.withByteView { out.store($0, at: 40) }
        return 40 + extensions.count
      }
      return packet.withByteView { IPv6Packet(checking: $0)?.upperLayer }
    }
    let pad: [UInt8] = [0, 1, 4, 0, 0, 0, 0]
    #expect(upper(0, [17] + pad)?.protocolNumber == 17)
    #expect(upper(0, [17, 1] + pad.dropFirst()) == nil)  // longer than the packet
    #expect(upper(0, []) == nil)
    #expect(upper(60, [0] + pad + [17] + pad) == nil)  // hop-by-hop not first
    #expect(upper(60, (0..<9).flatMap { _ in [60] + pad } + [17]) == nil)
    #expect(
      upper(44, [17, 0, 0, 9, 0, 0, 0, 5])?.fragment
        == IPv6Fragment(
          offset: 8, moreFragments: true, identification: 5))
    #expect(upper(44, [44, 0, 0, 1, 0, 0, 0, 5, 17, 0, 0, 1, 0, 0, 0, 5]) == nil)
    #expect(upper(59, [])?.protocolNumber == IPProtocol.noNextHeader)
  }

  @Test("IPv4-mapped addresses in an IPv6 header are refused")
  func mapped() {
    for offset in [8, 24] {
      var bytes = Array(PacketFixtures.udpV6[14...])
      bytes.replaceSubrange(
        offset..<offset + 16, with: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1])
      bytes.withByteView { #expect(IPv6Packet(checking: $0) == nil) }
    }
  }

  @Test("every truncation of a packet is refused by the layer that misses bytes")
  func truncations() {
    let ip = Array(PacketFixtures.tcpSYN[14...])
    for length in 0..<ip.count {
      Array(ip[..<length]).withByteView { #expect(IPv4Packet(checking: $0) == nil) }
    }
    let tcp = Array(PacketFixtures.tcpSYN[34...])
    for length in 0..<tcp.count {
      Array(tcp[..<length]).withByteView { #expect(TCPPacket(checking: $0) == nil) }
    }
    let udp = Array(PacketFixtures.udpV6[70...])
    for length in 0..<udp.count {
      Array(udp[..<length]).withByteView { #expect(UDPPacket(checking: $0) == nil) }
    }
  }

  @Test(
    "length fields that lie are refused",
    arguments: [
      (0, 0x44), (0, 0x65), (0, 0x40), (2, 0xff), (3, 19), (3, 0x3d),
    ])
  func lyingIPv4(offset: Int, value: Int) {
    var bytes = Array(PacketFixtures.tcpSYN[14...])
    bytes[offset] = UInt8(value)
    bytes.withByteView { #expect(IPv4Packet(checking: $0) == nil) }
  }

  @Test("an IPv4 datagram may have no UDP checksum, an IPv6 datagram must")
  func udpWithoutChecksum() throws {
    try ([0, 1, 0, 2, 0, 9, 0, 0, 7] as [UInt8]).withByteView {
      let udp = try #require(UDPPacket(checking: $0))
      #expect(udp.isChecksumValid(source: guest, destination: gateway))
      #expect(!udp.isChecksumValid(source: .loopbackV6, destination: .loopbackV6))
    }
  }

  @Test("a flipped bit anywhere breaks a checksum")
  func flippedBits() {
    for bit in 0..<(PacketFixtures.tcpSYN.count - 34) * 8 {
      var bytes = Array(PacketFixtures.tcpSYN[34...])
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
      bytes.withByteView {
        if let tcp = TCPPacket(checking: $0) {
          #expect(!tcp.isChecksumValid(source: guest, destination: gateway))
        }
      }
    }
  }

  @Test(
    "malformed TCP options end the list and keep what came before",
    arguments: [
      [2, 4, 5, 0xb4, 3] as [UInt8], [2, 4, 5, 0xb4, 3, 0], [2, 4, 5, 0xb4, 3, 1],
      [2, 4, 5, 0xb4, 8, 10, 0, 0], [2, 4, 5, 0xb4, 0, 3, 3, 7], [2, 4, 5, 0xb4, 3, 4, 7, 7],
      [2, 4, 5, 0xb4, 8, 3, 1], [2, 4, 5, 0xb4, 254, 3, 1], [2, 4, 5, 0xb4, 5, 6, 1, 1, 1, 1],
    ])
  func malformedOptions(bytes: [UInt8]) {
    bytes.withByteView {
      var expected = TCPOptions()
      expected.maximumSegmentSize = 1460
      #expect(TCPOptions($0) == expected)
    }
  }

  @Test(
    "the two addresses of a frame are found in two loads, and the groups that no bridge passes on")
  func addresses() {
    PacketFixtures.tcpSYN.withByteView { frame in
      let both = EthernetPacket.addresses(frame)
      #expect(both.destination == frame.macAddress(at: EthernetField.destination))
      #expect(both.source == frame.macAddress(at: EthernetField.source))
    }
    #expect(MACAddress(0x0180_c200_0000).isBridgeGroup && MACAddress.nearestBridge.isBridgeGroup)
    #expect(!MACAddress(0x0180_c200_0010).isBridgeGroup && !MACAddress.broadcast.isBridgeGroup)
  }

  @Test("RFC 1042: an Ethernet type in a SNAP header, of organization 0 alone")
  func snap() {
    let header: [UInt8] = [0xaa, 0xaa, 3, 0, 0, 0, 8, 6]
    #expect(header.withByteView { SNAPHeader.etherType($0) } == EtherType.arp)
    #expect(header.dropLast().map { $0 }.withByteView { SNAPHeader.etherType($0) } == nil)
    for index in 0..<6 {
      var other = header
      other[index] ^= 1
      #expect(other.withByteView { SNAPHeader.etherType($0) } == nil)
    }
  }

  @Test("100,000 random and mutated frames: no view traps or reads outside")
  func garbage() {
    var random = SeededGenerator(seed: 50)
    for round in 0..<100_000 {
      let bytes =
        round % 2 == 0
        ? random.bytes(Int.random(in: 0...120, using: &random))
        : random.mutation(of: PacketFixtures.all[round / 2 % PacketFixtures.all.count])
      // Exactly as long as it is, so that a sanitizer sees a byte too far.
      bytes.withByteView { view in
        guard let ethernet = EthernetPacket(checking: view) else { return }
        _ = EthernetHeader(ethernet)
        let payload = ethernet.payload
        touchNetworkLayer(payload)
        touchTransport(payload, guest, gateway)
      }
    }
  }

  private func touchNetworkLayer(_ bytes: ByteView) {
    if let arp = ARPPacket(checking: bytes) { _ = ARPHeader(arp) }
    if let ip = IPv4Packet(checking: bytes) {
      _ = (IPv4Header(ip), ip.isHeaderChecksumValid, ip.isFragment)
      touchTransport(ip.payload, ip.source, ip.destination)
    }
    if let ip = IPv6Packet(checking: bytes) {
      _ = IPv6Header(ip)
      guard let layer = ip.upperLayer else { return }
      touchTransport(ip.bytes.dropFirst(layer.offset), ip.source, ip.destination)
    }
  }

  private func touchTransport(_ bytes: ByteView, _ source: IPAddress, _ destination: IPAddress) {
    if let tcp = TCPPacket(checking: bytes) {
      let header = TCPHeader(tcp)
      let emitted = [UInt8](capacity: 60) { header.emit(into: $0) }
      #expect(emitted.count == header.encodedLength && emitted.count <= 60)
      _ = (tcp.isChecksumValid(source: source, destination: destination), tcp.payload.bytes)
    }
    if let udp = UDPPacket(checking: bytes) {
      _ = (UDPHeader(udp), udp.isChecksumValid(source: source, destination: destination))
    }
    if let icmp = ICMPv4Packet(checking: bytes) {
      _ = (ICMPHeader(icmp), icmp.isChecksumValid, icmp.echoSequence)
    }
    if let icmp = ICMPv6Packet(checking: bytes) {
      _ = icmp.isChecksumValid(source: source, destination: destination)
    }
  }
}
