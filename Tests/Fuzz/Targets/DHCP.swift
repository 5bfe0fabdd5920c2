// SPDX-License-Identifier: Apache-2.0
//
// DHCP messages of several clients to one server: answers are well formed, and no address
// is two clients' at a time.

import NetStack
import Wire

extension FuzzTarget {
  /// Steps: seconds that pass, the client, a message behind its length.
  static let dhcp = FuzzTarget(
    "dhcp",
    seeds: [
      step(0, SeedPackets.dhcp(1)),
      step(0, SeedPackets.dhcp(1))
        + step(0, SeedPackets.dhcp(3, options: [50, 4, 192, 168, 5, 15])),
      step(1, SeedPackets.dhcp(3, options: [50, 4, 10, 0, 0, 1])),
      step(0, SeedPackets.dhcp(8)), step(0, SeedPackets.dhcp(4)), step(0, SeedPackets.dhcp(7)),
      step(0, SeedPackets.dhcp(1, options: [12, 3, 0x61, 0x62, 0x63, 61, 3, 0, 1, 2])),
      step(0, SeedPackets.dhcp(1, options: [52, 1, 3, 57, 2, 2, 64, 55, 3, 1, 3, 6])),
      step(0, SeedPackets.dhcp(1, options: [51, 4, 0, 0, 0, 1, 0, 0])),
    ]
  ) { bytes in
    var input = FuzzInput(bytes)
    guard let subnet = CIDR(SeedPackets.gateway, prefixLength: 24) else { return }
    var configuration = DHCPServer.Configuration(
      serverAddress: SeedPackets.gateway, subnet: subnet)
    configuration.router = SeedPackets.gateway
    configuration.nameServers = [SeedPackets.dns]
    configuration.mtu = 1500
    configuration.searchDomains = ["lan.example", "example"]
    var server = DHCPServer(
      configuration: configuration,
      policy: .pool(
        DHCPPool(first: IPAddress(192, 168, 5, 15), last: IPAddress(192, 168, 5, 20))))
    var now: UInt64 = 1_000_000_000
    while !input.isAtEnd {
      now += UInt64(input.byte()) * 60_000_000_000
      let mac = MACAddress(0x52, 0x55, 0x55, 0x12, 0x34, input.byte())
      let message = input.chunk()
      message.withByteView { view in
        if let parsed = DHCPMessage(checking: view) { readBack(parsed) }
        guard let reply = server.handle(view, receivedFrom: mac, now: now) else { return }
        check(reply)
      }
      let addresses = server.leases(now: now).map(\.address)
      expectFuzz(Set(addresses).count == addresses.count, "an address that is two clients'")
    }
  }

  static func step(_ minutes: UInt8, _ message: [UInt8]) -> [UInt8] {
    [minutes, 0x56, UInt8(message.count >> 8), UInt8(message.count & 255)] + message
  }

  private static func readBack(_ message: DHCPMessage) {
    let length = message.encodedLength
    guard length <= DHCPMessage.maximumLength else { return }
    let written = [UInt8](capacity: length) { message.emit(into: $0) }
    guard written.count == length else { return }
    written.withByteView { view in
      expectFuzz(
        DHCPMessage(checking: view)?.options.messageType == message.options.messageType,
        "DHCP read back")
    }
  }

  private static func check(_ reply: DHCPReply) {
    let frame = [UInt8](capacity: reply.frameLength) {
      reply.emitFrame(into: $0, sourceMAC: SeedPackets.gatewayMAC)
    }
    frame.withByteView { view in
      guard let ethernet = EthernetPacket(checking: view),
        let ip = IPv4Packet(checking: ethernet.payload), ip.isHeaderChecksumValid,
        let udp = UDPPacket(checking: ip.payload),
        udp.isChecksumValid(source: ip.source, destination: ip.destination),
        let message = DHCPMessage(checking: udp.payload)
      else { return expectFuzz(false, "a DHCP answer is a packet") }
      expectFuzz(message.operation == .reply, "a DHCP answer is a reply")
    }
  }
}
