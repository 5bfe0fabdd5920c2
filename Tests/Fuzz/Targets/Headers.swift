// SPDX-License-Identifier: Apache-2.0
//
// Wire formats: every getter of what passes its check, and that a header written from a
// view reads as the same header.

import NetStack
import Wire

extension FuzzTarget {
  static let headers = FuzzTarget(
    "headers",
    seeds: [
      SeedPackets.arp, SeedPackets.udp(payload: [1, 2, 3, 4]), SeedPackets.echo,
      SeedPackets.syn, SeedPackets.neighborSolicitation, SeedPackets.hopByHop, SeedPackets.echo6,
      SeedPackets.syn6,
      SeedPackets.ipv6(
        IPProtocol.hopByHop,
        [60, 0, 5, 2, 0, 0, 1, 0] + [43, 0, 0x1e, 4, 0, 0, 0, 0]
          + [44, 0, 4, 0, 0, 0, 0, 0] + [17, 0, 0, 1, 0, 0, 0, 9] + [0, 1, 0, 2, 0, 8, 0, 0]),
      SeedPackets.ipv6(60, [17, 0, 0xc2, 4, 0, 0, 0, 0]),
      SeedPackets.ipv6(43, [17, 0, 0, 1, 0, 0, 0, 0]),
    ]
  ) { bytes in
    bytes.withByteView { view in
      guard let ethernet = EthernetPacket(checking: view) else { return }
      let header = EthernetHeader(ethernet)
      let again = [UInt8](capacity: EthernetHeader.encodedLength) { header.emit(into: $0) }
      expectFuzz(Array(bytes.prefix(again.count)) == again, "Ethernet header")
      switch ethernet.etherType {
      case EtherType.arp: readARP(ethernet.payload)
      case EtherType.ipv4: readIPv4(ethernet.payload)
      case EtherType.ipv6: readIPv6(ethernet.payload)
      default: break
      }
    }
  }

  static let tcpOptions = FuzzTarget(
    "tcp-options",
    seeds: [
      [2, 4, 5, 180], [1, 3, 3, 7], [4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2],
      [1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 9], [1, 1, 1, 0, 2, 4], [5, 0], [8, 255], [2],
    ]
  ) { bytes in
    bytes.withByteView { view in
      let options = TCPOptions(view)
      let written = [UInt8](capacity: 64) { options.emit(into: $0) }
      expectFuzz(
        written.count == options.encodedLength && written.count <= 40 && written.count % 4 == 0,
        "length of TCP options")
      // Blocks without room are left out; what was written once is written again.
      let again = written.withByteView { TCPOptions($0) }
      expectFuzz(
        [UInt8](capacity: 64) { again.emit(into: $0) } == written, "TCP options read back")
    }
  }

  private static func readARP(_ bytes: ByteView) {
    guard let packet = ARPPacket(checking: bytes) else { return }
    let header = ARPHeader(packet)
    let written = [UInt8](capacity: ARPHeader.encodedLength) { header.emit(into: $0) }
    written.withByteView { view in
      expectFuzz(ARPPacket(checking: view).map { ARPHeader($0) } == header, "ARP read back")
    }
    _ = header.reply(from: .broadcast)
  }

  private static func readIPv4(_ bytes: ByteView) {
    guard let packet = IPv4Packet(checking: bytes) else { return }
    let header = IPv4Header(packet)
    expectFuzz(packet.header.count + packet.payload.count == packet.bytes.count, "IPv4 parts")
    let written = [UInt8](capacity: 20 + header.payloadLength) { out in
      expectFuzz(header.emit(into: out) == 20, "IPv4 header written")
      return out.count
    }
    written.withByteView { view in
      guard let again = IPv4Packet(checking: view) else { return expectFuzz(false, "IPv4 lost") }
      expectFuzz(IPv4Header(again) == header && again.isHeaderChecksumValid, "IPv4 read back")
    }
    _ = packet.isHeaderChecksumValid
    _ = packet.isFragment
    readTransport(
      packet.protocolNumber, packet.payload, source: packet.source,
      destination: packet.destination)
  }

  private static func readIPv6(_ bytes: ByteView) {
    guard let packet = IPv6Packet(checking: bytes) else { return }
    _ = (packet.trafficClass, packet.flowLabel, packet.hopLimit)
    readChain(packet)
    guard let layer = packet.upperLayer else { return }
    expectFuzz(layer.offset <= packet.bytes.count, "IPv6 chain of headers")
    readTransport(
      layer.protocolNumber, packet.bytes.dropFirst(layer.offset), source: packet.source,
      destination: packet.destination)
  }

  /// Extension headers as their destination reads them: what is found, or pointed to, lies in the packet.
  private static func readChain(_ packet: IPv6Packet) {
    let count = packet.bytes.count
    expectFuzz(packet.chain == packet.walk(), "IPv6 chain, the short way")
    switch packet.chain {
    case .layer(let layer):
      expectFuzz(layer.offset >= 40 && layer.offset <= count, "IPv6 layer")
      expectFuzz(
        layer.nextHeaderOffset < layer.offset
          && packet.bytes[layer.nextHeaderOffset] == layer.protocolNumber, "IPv6 next header")
      guard let fragment = layer.fragment else { return }
      expectFuzz(layer.fragmentOffset + 8 <= layer.offset, "IPv6 fragment header")
      let written = [UInt8](capacity: 8) { out in
        fragment.emit(nextHeader: packet.bytes[layer.fragmentOffset], into: out)
        return 8
      }
      written.withByteView { view in
        expectFuzz(
          view.uint16(at: 2) == packet.bytes.uint16(at: layer.fragmentOffset + 2) & 0xfff9
            && view.uint32(at: 4) == fragment.identification, "IPv6 fragment header read back")
      }
    case .refused(.problem(_, let pointer)):
      expectFuzz(pointer >= 0 && pointer < count, "IPv6 parameter problem")
    case .refused: break
    }
  }

  private static func readTransport(
    _ proto: UInt8, _ bytes: ByteView, source: IPAddress, destination: IPAddress
  ) {
    switch proto {
    case IPProtocol.tcp: readTCP(bytes, source, destination)
    case IPProtocol.udp:
      guard let packet = UDPPacket(checking: bytes) else { return }
      _ = packet.isChecksumValid(source: source, destination: destination)
      let header = UDPHeader(packet)
      let written = [UInt8](capacity: 8) {
        header.emit(into: $0, payload: packet.payload, source: source, destination: destination)
      }
      expectFuzz(written.count == 8 && Array(written[..<6]) == packet.bytes.prefix(6).bytes, "UDP")
    case IPProtocol.icmp:
      guard let packet = ICMPv4Packet(checking: bytes) else { return }
      let header = ICMPHeader(packet)
      let written = [UInt8](capacity: 8) { header.emit(into: $0, payload: packet.payload) }
      let whole = written + packet.payload.bytes
      whole.withByteView { view in
        guard let again = ICMPv4Packet(checking: view) else { return }
        expectFuzz(again.isChecksumValid && ICMPHeader(again) == header, "ICMP read back")
      }
    case IPProtocol.icmpV6:
      guard let packet = ICMPv6Packet(checking: bytes) else { return }
      _ = packet.isChecksumValid(source: source, destination: destination)
      _ = (packet.echoIdentifier, packet.echoSequence, packet.rest)
    default: break
    }
  }

  private static func readTCP(_ bytes: ByteView, _ source: IPAddress, _ destination: IPAddress) {
    guard let packet = TCPPacket(checking: bytes) else { return }
    _ = packet.isChecksumValid(source: source, destination: destination)
    expectFuzz(packet.headerLength + packet.payload.count == bytes.count, "TCP parts")
    let header = TCPHeader(packet)
    let written = [UInt8](capacity: TCPHeader.maximumLength) { out in
      header.emit(into: out, payload: packet.payload, source: source, destination: destination)
    }
    let whole = written + packet.payload.bytes
    whole.withByteView { view in
      guard let again = TCPPacket(checking: view) else { return expectFuzz(false, "TCP lost") }
      expectFuzz(
        again.isChecksumValid(source: source, destination: destination), "TCP checksum")
      expectFuzz(again.sequence == header.sequence && again.flags == header.flags, "TCP fields")
    }
  }
}
