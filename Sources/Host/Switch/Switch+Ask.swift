// SPDX-License-Identifier: Apache-2.0
//
// Asks a station whether it is still where it was: another port claims its Ethernet address, and
// it has not been heard of for a moment. A guest that is only quiet answers ARP (RFC 826), and
// keeps its address; one that was moved elsewhere does not. Thread: loop only, and seldom.

import PluginAPI

extension Switch {
  /// False when there is nothing to ask it: nobody knows its IP address or one to ask from.
  func ask(_ station: UInt64, behind index: Int32) -> Bool {
    guard index >= 0, let port = ports[Int(index)], let own = addressGuard.ownStation,
      let address = addressGuard.address(of: station)
    else { return false }
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 60) { frame in
      guard let base = frame.baseAddress else { return }
      frame.initialize(repeating: 0)
      Self.store(station, 6, at: base)
      Self.store(own.mac, 6, at: base + 6)
      // ARP, Ethernet, IPv4, their lengths, a request.
      Self.store(0x0806_0001_0800_0604, 8, at: base + 12)
      Self.store(1, 2, at: base + 20)
      Self.store(own.mac, 6, at: base + 22)
      Self.store(UInt64(own.address), 4, at: base + 28)
      Self.store(UInt64(address), 4, at: base + 38)
      var item = lnd_frame()
      item.data = UnsafePointer(base)
      item.length = 60
      item.flags = LND_FRAME_CSUM_VALID
      if port._withUnsafeGuaranteedRef({ $0.forward(&item, 1) }) { holds(Int(index)) }
    }
    return true
  }

  /// The low bytes of a number, highest first.
  private static func store(_ value: UInt64, _ count: Int, at: UnsafeMutablePointer<UInt8>) {
    for i in 0..<count { at[i] = UInt8(truncatingIfNeeded: value >> UInt64(8 * (count - 1 - i))) }
  }
}
