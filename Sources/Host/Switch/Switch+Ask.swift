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
    Self.withRequest(for: address, to: station, from: own.mac, at: own.address) { frame in
      if port._withUnsafeGuaranteedRef({ $0.forward(frame, 1) }) { holds(Int(index)) }
    }
    return true
  }

  /// A request by ARP: a frame that holds as long as `body` runs.
  static func withRequest(
    for target: UInt32, to destination: UInt64, from mac: UInt64, at address: UInt32,
    _ body: (UnsafePointer<lnd_frame>) -> Void
  ) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 60) { frame in
      guard let base = frame.baseAddress else { return }
      frame.initialize(repeating: 0)
      store(destination, 6, at: base)
      store(mac, 6, at: base + 6)
      // ARP, Ethernet, IPv4, their lengths, a request.
      store(0x0806_0001_0800_0604, 8, at: base + 12)
      store(1, 2, at: base + 20)
      store(mac, 6, at: base + 22)
      store(UInt64(address), 4, at: base + 28)
      store(UInt64(target), 4, at: base + 38)
      var item = lnd_frame()
      item.data = UnsafePointer(base)
      item.length = 60
      item.flags = LND_FRAME_CSUM_VALID
      body(&item)
    }
  }

  /// The low bytes of a number, highest first.
  private static func store(_ value: UInt64, _ count: Int, at: UnsafeMutablePointer<UInt8>) {
    for i in 0..<count { at[i] = UInt8(truncatingIfNeeded: value >> UInt64(8 * (count - 1 - i))) }
  }
}
