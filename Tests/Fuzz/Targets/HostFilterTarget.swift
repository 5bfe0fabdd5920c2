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
