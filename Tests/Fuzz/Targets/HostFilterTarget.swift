// SPDX-License-Identifier: Apache-2.0
//
// What may cross between guests and the host: whatever the bytes, only the gateway's address is reached.

import SocketVMNetCore
import Wire

extension FuzzTarget {
  /// The filter's own addresses are made of the input, so that most of it gets past the first check.
  static let hostFilter = FuzzTarget(
    "host-filter",
    seeds: [
      SeedPackets.arp, SeedPackets.udp(payload: [1, 2, 3, 4]), SeedPackets.echo, SeedPackets.syn,
      SeedPackets.neighborSolicitation,
    ]
  ) { bytes in
    guard bytes.count >= 14 else { return }
    let mac = bytes.prefix(6).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    func address(_ at: Int) -> UInt32 {
      bytes.count < at + 4 ? 0 : bytes[at..<at + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }
    expectIPv6(bytes, mac)
    for gateway in [address(30), address(26), address(38)] {
      let filter = HostFilter(
        mac: mac, gateway: gateway, prefixLength: Int(bytes[0] % 23) + 8, servesDNS: true)
      bytes.withUnsafeBytes { buffer in
        let frame = ByteView(buffer)
        let way = filter.fromGuest(frame)
        if way == .host || way == .both, mac & 0x0100_0000_0000 == 0 {
          let isARP = bytes[12] == 8 && bytes[13] == 6
          expectFuzz(address(isARP ? 38 : 30) == gateway, "to another address than the gateway's")
          expectFuzz(address(isARP ? 28 : 26) != gateway, "from the gateway's own address")
        }
        let sender = bytes[6..<12].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let host = HostFilter(
          mac: sender, gateway: gateway, prefixLength: Int(bytes[0] % 23) + 8, servesDNS: false)
        if host.fromHost(frame) {
          let isARP = bytes[13] == 6
          expectFuzz(address(isARP ? 28 : 26) == gateway, "from another address than the gateway's")
        }
      }
    }
  }
}

/// The same of IPv6, with the gateway's address where the packet goes, where it comes from, and what discovery is about.
private func expectIPv6(_ bytes: [UInt8], _ mac: UInt64) {
  func address(_ at: Int) -> IPAddress {
    func half(_ at: Int) -> UInt64 {
      bytes.count < at + 8 ? 0 : bytes[at..<at + 8].reduce(0) { $0 << 8 | UInt64($1) }
    }
    return IPAddress(high: half(at), low: half(at + 8))
  }
  guard bytes.count >= 54, bytes[12] == 0x86, bytes[13] == 0xdd else { return }
  let (source, destination) = (address(22), address(38))
  for gateway in [destination, source, address(62)] {
    let filter = HostFilter(
      mac: mac, gateway: 0, prefixLength: 24, servesDNS: true, gateway6: gateway)
    let sender = bytes[6..<12].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let host = HostFilter(
      mac: sender, gateway: 0, prefixLength: 24, servesDNS: false, gateway6: gateway)
    let own = [gateway, IPAddress.linkLocal(of: MACAddress(mac))]
    let hosts = [gateway, IPAddress.linkLocal(of: MACAddress(sender))]
    bytes.withUnsafeBytes { buffer in
      let frame = ByteView(buffer)
      let way = filter.fromGuest(frame)
      if way == .host || way == .both {
        expectFuzz(
          own.contains(destination) || destination.high >> 48 == 0xff02,
          "to another address than the gateway's")
        expectFuzz(source != gateway, "from the gateway's own address")
        expectFuzz(
          destination != own[1] || way == .both && bytes[20] == IPProtocol.icmpV6,
          "to the link-local address, and not discovery")
        let isRouters =
          bytes.count > 54 && bytes[20] == IPProtocol.icmpV6
          && [ICMPv6Type.routerAdvertisement, ICMPv6Type.redirect].contains(bytes[54])
        expectFuzz(!isRouters, "the words of a router")
      }
      if host.fromHost(frame) {
        expectFuzz(hosts.contains(source), "from another address than the gateway's")
      }
    }
  }
}
