// SPDX-License-Identifier: Apache-2.0
//
// Good packets to begin from, of the guest that every target knows.

import NetStack
import Wire

enum SeedPackets {
  static let guestMAC = MACAddress(0x52, 0x55, 0x55, 0x12, 0x34, 0x56)
  static let gatewayMAC = MACAddress(0x5a, 0x94, 0xef, 0xe4, 0x0c, 0xdd)
  static let guest = IPAddress(192, 168, 5, 15)
  static let gateway = IPAddress(192, 168, 5, 2)
  static let dns = IPAddress(192, 168, 5, 3)
  static let server = IPAddress(10, 1, 2, 3)

  static func ethernet(_ type: UInt16, _ payload: [UInt8]) -> [UInt8] {
    [UInt8](capacity: 14) {
      EthernetHeader(destination: gatewayMAC, source: guestMAC, etherType: type).emit(into: $0)
    } + payload
  }

  static func ipv4(
    _ proto: UInt8, _ payload: [UInt8], to destination: IPAddress = server, ttl: UInt8 = 64,
    offset: Int = 0, more: Bool = false
  ) -> [UInt8] {
    ethernet(
      EtherType.ipv4,
      [UInt8](capacity: 20) {
        IPv4Header(
          source: guest, destination: destination, protocolNumber: proto,
          payloadLength: payload.count, identification: 7, moreFragments: more,
          fragmentOffset: offset, timeToLive: ttl
        ).emit(into: $0)
      } + payload)
  }

  static func udp(
    from port: UInt16 = 40000, to destination: IPAddress = server, _ remote: UInt16 = 7000,
    payload: [UInt8]
  ) -> [UInt8] {
    let header = payload.withByteView { view in
      [UInt8](capacity: 8) {
        UDPHeader(sourcePort: port, destinationPort: remote, payloadLength: payload.count)
          .emit(into: $0, payload: view, source: guest, destination: destination)
      }
    }
    return ipv4(IPProtocol.udp, header + payload, to: destination)
  }

  static func tcp(
    _ flags: TCPFlags, sequence: UInt32, acknowledgement: UInt32 = 0, to remote: UInt16 = 80,
    window: UInt16 = 65535, options: TCPOptions = TCPOptions(), payload: [UInt8] = []
  ) -> [UInt8] {
    let header = payload.withByteView { view in
      [UInt8](capacity: TCPHeader.maximumLength) {
        TCPHeader(
          sourcePort: 40001, destinationPort: remote, sequence: sequence,
          acknowledgement: acknowledgement, flags: flags, window: window, options: options
        ).emit(into: $0, payload: view, source: guest, destination: server)
      }
    }
    return ipv4(IPProtocol.tcp, header + payload)
  }

  static var syn: [UInt8] {
    var options = TCPOptions()
    options.maximumSegmentSize = 1460
    options.windowScale = 7
    options.sackPermitted = true
    return tcp(.syn, sequence: 1000, options: options)
  }

  static var echo: [UInt8] { echo(to: gateway) }

  static func echo(to destination: IPAddress, ttl: UInt8 = 64) -> [UInt8] {
    let data: [UInt8] = [1, 2, 3, 4]
    let header = data.withByteView { view in
      [UInt8](capacity: 8) {
        ICMPHeader(type: ICMPv4Type.echoRequest, identifier: 9, sequence: 1)
          .emit(into: $0, payload: view)
      }
    }
    return ipv4(IPProtocol.icmp, header + data, to: destination, ttl: ttl)
  }

  static var arp: [UInt8] {
    ethernet(
      EtherType.arp,
      [UInt8](capacity: ARPHeader.encodedLength) {
        ARPHeader(
          operation: ARPHeader.request, senderMAC: guestMAC, senderIP: guest, targetMAC: .zero,
          targetIP: gateway
        ).emit(into: $0)
      })
  }

  /// An IPv6 header without addresses of note, then what is given.
  static func ipv6(_ next: UInt8, _ payload: [UInt8]) -> [UInt8] {
    let address: [UInt8] = [0xfe, 0x80] + [UInt8](repeating: 0, count: 13)
    let length = UInt16(payload.count)
    return ethernet(
      EtherType.ipv6,
      [0x60, 0, 0, 0, UInt8(length >> 8), UInt8(length & 255), next, 255] + address + [1] + address
        + [2] + payload)
  }

  static let guest6 = IPAddress(high: 0xfd00_0005 << 32, low: 0x15)
  static let gateway6 = IPAddress(high: 0xfd00_0005 << 32, low: 2)
  static let dns6 = IPAddress(high: 0xfd00_0005 << 32, low: 3)
  static let server6 = IPAddress(high: 0x2001_0db8 << 32, low: 3)

  /// An IPv6 packet of the guest.
  static func ipv6(_ next: UInt8, _ payload: [UInt8], to destination: IPAddress) -> [UInt8] {
    ethernet(
      EtherType.ipv6,
      [UInt8](capacity: 40) {
        IPv6Header(
          source: guest6, destination: destination, nextHeader: next, payloadLength: payload.count
        ).emit(into: $0)
      } + payload)
  }

  static func udp6(to destination: IPAddress = server6, _ port: UInt16 = 7000, payload: [UInt8])
    -> [UInt8]
  {
    let header = payload.withByteView { view in
      [UInt8](capacity: 8) {
        UDPHeader(sourcePort: 40000, destinationPort: port, payloadLength: payload.count)
          .emit(into: $0, payload: view, source: guest6, destination: destination)
      }
    }
    return ipv6(IPProtocol.udp, header + payload, to: destination)
  }

  static var syn6: [UInt8] {
    let header = [UInt8](capacity: TCPHeader.maximumLength) {
      TCPHeader(
        sourcePort: 40001, destinationPort: 80, sequence: 1000, acknowledgement: 0, flags: .syn,
        window: 65535
      ).emit(into: $0, payload: .empty, source: guest6, destination: gateway6)
    }
    return ipv6(IPProtocol.tcp, header, to: gateway6)
  }

  static var echo6: [UInt8] {
    let header = [UInt8](capacity: 8) {
      ICMPHeader(type: ICMPv6Type.echoRequest, identifier: 9, sequence: 1)
        .emit(into: $0, payload: .empty, source: guest6, destination: gateway6)
    }
    return ipv6(IPProtocol.icmpV6, header, to: gateway6)
  }

  static var neighborSolicitation: [UInt8] {
    ipv6(IPProtocol.icmpV6, [135, 0, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 1, count: 16))
  }

  static var hopByHop: [UInt8] {
    ipv6(
      IPProtocol.hopByHop,
      [44, 0, 1, 4, 0, 0, 0, 0] + [17, 0, 0, 1, 0, 0, 0, 9] + [0, 1, 0, 2, 0, 8, 0, 0])
  }

  /// DHCPDISCOVER or DHCPREQUEST.
  static func dhcp(_ type: UInt8, options: [UInt8] = []) -> [UInt8] {
    let mac: [UInt8] = [0x52, 0x55, 0x55, 0x12, 0x34, 0x56]
    let start: [UInt8] = [1, 1, 6, 0, 1, 2, 3, 4]
    let addresses = [UInt8](repeating: 0, count: 20)
    let names = [UInt8](repeating: 0, count: 10 + 64 + 128)
    return start + addresses + mac + names + [99, 130, 83, 99, 53, 1, type] + options + [255]
  }

  /// A question for the address of "a.b".
  static let question: [UInt8] =
    [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0x61, 1, 0x62, 0, 0, 1, 0, 1]
}
