// SPDX-License-Identifier: Apache-2.0
//
// Builds and parses frames of a test guest.

import Wire

@testable import NetStack

enum Frames {
  /// An Ethernet frame from the guest with an IPv4 packet.
  static func ipv4(
    proto: UInt8, transport: [UInt8], source: IPAddress, destination: IPAddress,
    mac: MACAddress = GuestTCP.mac
  ) -> [UInt8] {
    [UInt8](capacity: 34 + transport.count) { out in
      EthernetHeader(
        destination: GuestTCP.gatewayMAC, source: mac, etherType: EtherType.ipv4
      ).emit(into: out)
      IPv4Header(
        source: source, destination: destination, protocolNumber: proto,
        payloadLength: transport.count, dontFragment: true
      ).emit(into: out.dropFirst(14))
      transport.withByteView { out.store($0, at: 34) }
      return 34 + transport.count
    }
  }

  /// The same with a packet of the addresses' family.
  static func ip(
    proto: UInt8, transport: [UInt8], source: IPAddress, destination: IPAddress,
    mac: MACAddress = GuestTCP.mac
  ) -> [UInt8] {
    guard !source.isV4 else {
      return ipv4(
        proto: proto, transport: transport, source: source, destination: destination, mac: mac)
    }
    return [UInt8](capacity: 54 + transport.count) { out in
      EthernetHeader(
        destination: destination.isMulticast ? MACAddress(group: destination) : GuestTCP.gatewayMAC,
        source: mac, etherType: EtherType.ipv6
      ).emit(into: out)
      IPv6Header(
        source: source, destination: destination, nextHeader: proto,
        payloadLength: transport.count
      ).emit(into: out.dropFirst(14))
      transport.withByteView { out.store($0, at: 54) }
      return 54 + transport.count
    }
  }

  static func tcp(
    _ header: TCPHeader, payload: [UInt8], source: IPAddress, destination: IPAddress,
    mac: MACAddress = GuestTCP.mac
  ) -> [UInt8] {
    let length = header.encodedLength + payload.count
    let transport = [UInt8](capacity: length) { out in
      payload.withByteView { view in
        let written = header.emit(
          into: out, payload: view, source: source, destination: destination)
        out.store(view, at: written)
      }
      return length
    }
    return ip(
      proto: 6, transport: transport, source: source, destination: destination, mac: mac)
  }

  struct Segment {
    var header: TCPHeader
    var payload: [UInt8]
    var isChecksumGood: Bool
  }

  /// The TCP segment in a frame to `guest` from `remote`; nil for anything else.
  static func tcp(in frame: [UInt8], to guest: Endpoint, from remote: Endpoint) -> Segment? {
    guard guest.address.isV4 else { return tcpV6(in: frame, to: guest, from: remote) }
    return frame.withByteView { view in
      guard let ethernet = EthernetPacket(checking: view), ethernet.etherType == EtherType.ipv4,
        let ip = IPv4Packet(checking: ethernet.payload), ip.protocolNumber == 6,
        ip.destination == guest.address, ip.source == remote.address,
        let tcp = TCPPacket(checking: ip.payload), tcp.destinationPort == guest.port,
        tcp.sourcePort == remote.port
      else { return nil }
      return Segment(
        header: TCPHeader(tcp), payload: tcp.payload.bytes,
        isChecksumGood: ip.isHeaderChecksumValid
          && tcp.isChecksumValid(source: ip.source, destination: ip.destination))
    }
  }

  private static func tcpV6(
    in frame: [UInt8], to guest: Endpoint, from remote: Endpoint
  ) -> Segment? {
    frame.withByteView { view in
      guard let ethernet = EthernetPacket(checking: view), ethernet.etherType == EtherType.ipv6,
        let ip = IPv6Packet(checking: ethernet.payload), ip.nextHeader == 6,
        ip.destination == guest.address, ip.source == remote.address,
        let tcp = TCPPacket(checking: ip.payload), tcp.destinationPort == guest.port,
        tcp.sourcePort == remote.port
      else { return nil }
      return Segment(
        header: TCPHeader(tcp), payload: tcp.payload.bytes,
        isChecksumGood: tcp.isChecksumValid(source: ip.source, destination: ip.destination))
    }
  }

  /// An ARP request of a guest for the gateway's address.
  static func arp(from source: IPAddress, at mac: MACAddress = GuestTCP.mac) -> [UInt8] {
    [UInt8](capacity: 42) { out in
      EthernetHeader(destination: .broadcast, source: mac, etherType: EtherType.arp).emit(into: out)
      ARPHeader(
        operation: ARPHeader.request, senderMAC: mac, senderIP: source, targetMAC: .zero,
        targetIP: Simulation.gateway
      ).emit(into: out.dropFirst(14))
      return 42
    }
  }

  /// Where a frame goes.
  static func destination(of frame: [UInt8]) -> MACAddress {
    frame.withByteView { $0.macAddress(at: 0) }
  }

  /// Type and code of the ICMP message in a frame.
  static func icmp(in frame: [UInt8]) -> (type: UInt8, code: UInt8)? {
    frame.withByteView { view in
      guard let ethernet = EthernetPacket(checking: view), ethernet.etherType == EtherType.ipv4,
        let ip = IPv4Packet(checking: ethernet.payload), ip.protocolNumber == 1,
        let icmp = ICMPv4Packet(checking: ip.payload)
      else { return nil }
      return (icmp.type, icmp.code)
    }
  }
}
