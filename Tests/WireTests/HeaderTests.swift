// SPDX-License-Identifier: Apache-2.0
//
// What is emitted is parsed back equal, for every header and any field values.

import TestSupport
import Testing

@testable import Wire

@Suite("Headers", .timeLimit(.minutes(5)))
struct HeaderTests {
  @Test("parse(emit(x)) == x for Ethernet and ARP")
  func linkLayer() throws {
    var random = SeededGenerator(seed: 10)
    for _ in 0..<2000 {
      let ethernet = EthernetHeader(
        destination: random.mac(), source: random.mac(), etherType: random.value())
      let frame = [UInt8](capacity: 14) { ethernet.emit(into: $0) }
      try frame.withByteView {
        let parsed = try #require(EthernetPacket(checking: $0))
        #expect(EthernetHeader(parsed) == ethernet)
      }
      let arp = ARPHeader(
        operation: random.value(), senderMAC: random.mac(), senderIP: random.v4(),
        targetMAC: random.mac(), targetIP: random.v4())
      let packet = [UInt8](capacity: 28) { arp.emit(into: $0) }
      try packet.withByteView {
        let parsed = try #require(ARPPacket(checking: $0))
        #expect(ARPHeader(parsed) == arp)
      }
    }
  }

  @Test("parse(emit(x)) == x for IPv4 and IPv6")
  func networkLayer() throws {
    var random = SeededGenerator(seed: 11)
    for _ in 0..<2000 {
      let length = Int.random(in: 0...100, using: &random)
      let v4 = IPv4Header(
        source: random.v4(), destination: random.v4(), protocolNumber: random.value(),
        payloadLength: length, identification: random.value(),
        dontFragment: Bool.random(using: &random), moreFragments: Bool.random(using: &random),
        fragmentOffset: Int.random(in: 0..<8192, using: &random) * 8,
        timeToLive: random.value(), trafficClass: random.value())
      let packet = [UInt8](capacity: 20 + length) { v4.emit(into: $0) + length }
      try packet.withByteView {
        let parsed = try #require(IPv4Packet(checking: $0))
        #expect(IPv4Header(parsed) == v4)
        #expect(parsed.isHeaderChecksumValid)
      }
      let v6 = IPv6Header(
        source: random.v6(), destination: random.v6(), nextHeader: random.value(),
        payloadLength: length, hopLimit: random.value(), trafficClass: random.value(),
        flowLabel: UInt32.random(in: 0..<1 << 20, using: &random))
      let packet6 = [UInt8](capacity: 40 + length) { v6.emit(into: $0) + length }
      try packet6.withByteView {
        let parsed = try #require(IPv6Packet(checking: $0))
        #expect(IPv6Header(parsed) == v6)
      }
    }
  }

  @Test("parse(emit(x)) == x for ICMP and UDP of both families, with valid checksums")
  func datagrams() throws {
    var random = SeededGenerator(seed: 12)
    for round in 0..<2000 {
      let payload = random.bytes(Int.random(in: 0...64, using: &random))
      let (source, destination) =
        round % 2 == 0 ? (random.v4(), random.v4()) : (random.v6(), random.v6())
      let icmp = ICMPHeader(type: random.value(), code: random.value(), rest: random.value())
      let icmp6 = ICMPHeader(type: random.value(), code: random.value(), rest: random.value())
      let udp = UDPHeader(
        sourcePort: random.value(), destinationPort: random.value(),
        payloadLength: payload.count)
      try payload.withByteView { payload in
        try message(payload) { icmp.emit(into: $0, payload: payload) }.withByteView {
          let parsed = try #require(ICMPv4Packet(checking: $0))
          #expect(ICMPHeader(parsed) == icmp && parsed.isChecksumValid)
        }
        try message(payload) {
          icmp6.emit(into: $0, payload: payload, source: source, destination: destination)
        }.withByteView {
          let parsed = try #require(ICMPv6Packet(checking: $0))
          #expect(ICMPHeader(parsed) == icmp6)
          #expect(parsed.isChecksumValid(source: source, destination: destination))
        }
        try message(payload) {
          udp.emit(into: $0, payload: payload, source: source, destination: destination)
        }.withByteView {
          let parsed = try #require(UDPPacket(checking: $0))
          #expect(UDPHeader(parsed) == udp)
          #expect(parsed.isChecksumValid(source: source, destination: destination))
        }
      }
    }
  }

  @Test("parse(emit(x)) == x for TCP with any options that fit, with valid checksums")
  func tcp() throws {
    var random = SeededGenerator(seed: 13)
    for round in 0..<4000 {
      let payload = random.bytes(Int.random(in: 0...64, using: &random))
      let (source, destination) =
        round % 2 == 0 ? (random.v4(), random.v4()) : (random.v6(), random.v6())
      var options = TCPOptions()
      if Bool.random(using: &random) { options.maximumSegmentSize = random.value() }
      if Bool.random(using: &random) { options.windowScale = random.value() }
      options.sackPermitted = Bool.random(using: &random)
      if Bool.random(using: &random) {
        options.timestamps = TCPTimestamps(value: random.value(), echo: random.value())
      }
      let room = (36 - options.encodedLength) / 8
      for _ in 0..<Int.random(in: 0...max(0, min(4, room)), using: &random) {
        options.sackBlocks.append(SACKBlock(start: random.value(), end: random.value()))
      }
      let header = TCPHeader(
        sourcePort: random.value(), destinationPort: random.value(), sequence: random.value(),
        acknowledgement: random.value(), flags: TCPFlags(rawValue: random.value()),
        window: random.value(), urgentPointer: random.value(), options: options)
      try payload.withByteView { payload in
        try message(payload) {
          header.emit(into: $0, payload: payload, source: source, destination: destination)
        }.withByteView {
          let parsed = try #require(TCPPacket(checking: $0))
          #expect(TCPHeader(parsed) == header)
          #expect(parsed.headerLength == header.encodedLength)
          #expect(parsed.payload.count == payload.count)
          #expect(parsed.isChecksumValid(source: source, destination: destination))
        }
      }
    }
  }

  @Test("SACK blocks without room are left out, and the header never exceeds 60 bytes")
  func sackBlocksBesideOptions() throws {
    var options = TCPOptions()
    options.timestamps = TCPTimestamps(value: 1, echo: 2)
    for index in UInt32(0)..<5 { options.sackBlocks.append(SACKBlock(start: index, end: index)) }
    #expect(options.sackBlocks.count == 4)
    #expect(options.encodedLength == 40)
    let bytes = [UInt8](capacity: 40) { options.emit(into: $0) }
    bytes.withByteView { #expect(TCPOptions($0).sackBlocks.count == 3) }
    options.maximumSegmentSize = 1460
    options.windowScale = 7
    #expect(options.encodedLength <= 40)
  }

  @Test("a partial checksum completed over header and payload is the full one")
  func partialChecksum() {
    var random = SeededGenerator(seed: 14)
    let payload = random.bytes(33)
    let (source, destination) = (random.v4(), random.v4())
    let tcp = TCPHeader(
      sourcePort: 1, destinationPort: 2, sequence: 3, acknowledgement: 4, flags: [.ack],
      window: 5)
    payload.withByteView { payload in
      let full = message(payload) {
        tcp.emit(into: $0, payload: payload, source: source, destination: destination)
      }
      var partial = message(payload) {
        tcp.emitPartialChecksum(
          into: $0, payloadLength: payload.count, source: source, destination: destination)
      }
      let sum = partial.withByteView { Checksum.of($0) }
      partial[TCPField.checksum] = UInt8(sum >> 8)
      partial[TCPField.checksum + 1] = UInt8(sum & 0xff)
      #expect(partial == full)
    }
  }

  @Test("nothing is written where there is no room")
  func noRoom() {
    for capacity in 0..<60 {
      var options = TCPOptions()
      options.timestamps = TCPTimestamps(value: 1, echo: 2)
      options.maximumSegmentSize = 1460
      let tcp = TCPHeader(
        sourcePort: 1, destinationPort: 2, sequence: 3, acknowledgement: 4, flags: [], window: 5,
        options: options)
      let written = [UInt8](capacity: capacity) { out in
        let lengths = [
          capacity < 14
            ? EthernetHeader(
              destination: .zero, source: .zero, etherType: 0
            ).emit(into: out) : 0,
          capacity < 20
            ? IPv4Header(
              source: .anyV4, destination: .anyV4, protocolNumber: 0, payloadLength: 0
            ).emit(into: out) : 0,
          capacity < tcp.encodedLength ? tcp.emit(into: out) : 0,
        ]
        return lengths.reduce(0, +)
      }
      #expect(written.isEmpty)
    }
  }
}

/// A header and its payload behind it.
private func message(_ payload: ByteView, _ emit: (MutableByteView) -> Int) -> [UInt8] {
  [UInt8](capacity: 60 + payload.count) { out in
    let length = emit(out)
    out.store(payload, at: length)
    return length + payload.count
  }
}
