// SPDX-License-Identifier: Apache-2.0
//
// A stable address of a station, without stored state: the interface identifier is a hash of the network's prefix and
// the station's Ethernet address, as in RFC 7217 §5.

import Wire

package enum StableAddress {
  /// - Parameters:
  ///   - prefix: a /64.
  ///   - attempt: number of its addresses that the station has found in use.
  package static func of(
    _ mac: MACAddress, in prefix: CIDR, excluding: Set<IPAddress> = [], attempt: UInt8 = 0
  ) -> IPAddress {
    // The prefix distinguishes networks; it is not secret, and neither are guests' addresses.
    var hash = SipHash(key: SipHash.Key(low: prefix.network.high, high: 0x6c69_6d61_6e65_7464))
    hash.absorb(mac.rawValue)
    hash.absorb(UInt64(attempt))
    var identifier = hash.finish()
    while isReserved(identifier)
      || excluding.contains(prefix.network.with(interfaceIdentifier: identifier))
    {
      identifier &+= 0x1_0000_0001
    }
    return prefix.network.with(interfaceIdentifier: identifier)
  }

  /// RFC 5453, and small numbers, which users assign manually.
  private static func isReserved(_ identifier: UInt64) -> Bool {
    identifier < 0x1_0000
      || identifier >= 0xfdff_ffff_ffff_ff80 && identifier <= 0xfdff_ffff_ffff_ffff
  }
}
