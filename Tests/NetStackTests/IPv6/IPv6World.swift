// SPDX-License-Identifier: Apache-2.0
//
// Builds and parses IPv6 packets of a DatagramWorld's guest.

import Wire

@testable import NetStack

/// Records calls of the neighbor discovery service.
final class NotedNDP: NDPService {
  var types: [UInt8] = []

  func receive(_ message: ICMPv6Packet, _ packet: InboundPacket) { types.append(message.type) }
}

/// Records calls of the DHCPv6 service.
final class NotedDHCPv6: DHCPv6Service {
  var payloads: [[UInt8]] = []

  func receive(_ payload: ByteView, from port: UInt16, _ packet: InboundPacket) {
    payloads.append(payload.bytes)
  }
}

extension DatagramWorld {
  static let guest6 = Simulation.guestAddress6
  static let gateway6 = Simulation.gateway6
  static let linkLocal = IPAddress.linkLocal(of: GuestTCP.mac)
  static let server6 = Endpoint(Simulation.server6.address, port: 7000)

  /// A frame with an IPv6 packet of the guest.
  static func ipv6(
    _ nextHeader: UInt8, _ payload: [UInt8], from source: IPAddress = guest6,
    to destination: IPAddress, hopLimit: UInt8 = 64, trafficClass: UInt8 = 0,
    mac: MACAddress = GuestTCP.mac
  ) -> [UInt8] {
    [UInt8](capacity: 54 + payload.count) { out in
      EthernetHeader(
        destination: destination.isMulticast ? MACAddress(group: destination) : GuestTCP.gatewayMAC,
        source: mac, etherType: EtherType.ipv6
      ).emit(into: out)
      IPv6Header(
        source: source, destination: destination, nextHeader: nextHeader,
        payloadLength: payload.count, hopLimit: hopLimit, trafficClass: trafficClass
      ).emit(into: out.dropFirst(14))
      payload.withByteView { out.store($0, at: 54) }
      return 54 + payload.count
    }
  }

  /// A UDP datagram, from its header on.
  static func datagram(
    from port: UInt16, to remote: Endpoint, _ payload: [UInt8], source: IPAddress = guest6
  ) -> [UInt8] {
    [UInt8](capacity: 8 + payload.count) { out in
      payload.withByteView { view in
        out.store(view, at: 8)
        UDPHeader(
          sourcePort: port, destinationPort: remote.port, payloadLength: payload.count
        ).emit(into: out, payload: view, source: source, destination: remote.address)
      }
      return 8 + payload.count
    }
  }

  func udp6(
    from port: UInt16, to remote: Endpoint, _ payload: [UInt8], hopLimit: UInt8 = 64,
    trafficClass: UInt8 = 0
  ) -> [UInt8] {
    Self.ipv6(
      IPProtocol.udp, Self.datagram(from: port, to: remote, payload), to: remote.address,
      hopLimit: hopLimit, trafficClass: trafficClass)
  }

  /// An ICMPv6 message, from its header on.
  static func message(
    _ header: ICMPHeader, _ body: [UInt8], from source: IPAddress = guest6, to remote: IPAddress
  ) -> [UInt8] {
    [UInt8](capacity: 8 + body.count) { out in
      body.withByteView { view in
        out.store(view, at: 8)
        header.emit(into: out, payload: view, source: source, destination: remote)
      }
      return 8 + body.count
    }
  }

  func echo6(
    _ id: UInt16, _ sequence: UInt16, to remote: IPAddress, hopLimit: UInt8 = 64,
    payload: [UInt8] = [1, 2, 3, 4]
  ) -> [UInt8] {
    Self.ipv6(
      IPProtocol.icmpV6,
      Self.message(
        ICMPHeader(type: ICMPv6Type.echoRequest, identifier: id, sequence: sequence), payload,
        to: remote), to: remote, hopLimit: hopLimit)
  }

  /// Takes the IPv6 packets sent to the guest: header, and the bytes after it.
  func packets6() -> [(header: IPv6Header, payload: [UInt8])] {
    var found: [(IPv6Header, [UInt8])] = []
    host.frames.removeAll { frame in
      frame.withByteView { view in
        guard let ethernet = EthernetPacket(checking: view),
          let ip = IPv6Packet(checking: ethernet.payload)
        else { return false }
        found.append((IPv6Header(ip), ip.payload.bytes))
        return true
      }
    }
    return found
  }

  /// Takes the UDP datagrams sent to the guest, with valid checksums.
  func datagrams6() -> [Datagram] {
    packets6().compactMap { ip, bytes in
      bytes.withByteView { view in
        guard ip.nextHeader == IPProtocol.udp, let udp = UDPPacket(checking: view),
          udp.isChecksumValid(source: ip.source, destination: ip.destination)
        else { return nil }
        return Datagram(
          source: Endpoint(ip.source, port: udp.sourcePort), port: udp.destinationPort,
          payload: udp.payload.bytes)
      }
    }
  }

  /// Takes the ICMPv6 messages sent to the guest, with valid checksums.
  func messages6() -> [Message] {
    packets6().compactMap { ip, bytes in
      bytes.withByteView { view in
        guard ip.nextHeader == IPProtocol.icmpV6, let icmp = ICMPv6Packet(checking: view),
          icmp.isChecksumValid(source: ip.source, destination: ip.destination)
        else { return nil }
        return Message(
          source: ip.source, header: ICMPHeader(icmp), payload: icmp.payload.bytes,
          ttl: ip.hopLimit)
      }
    }
  }
}
