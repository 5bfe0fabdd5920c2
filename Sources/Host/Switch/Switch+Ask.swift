// SPDX-License-Identifier: Apache-2.0
//
// Sends an ARP request to a station whose Ethernet address another port claims, after it was silent for a while. A
// guest that is still there answers (RFC 826) and keeps its address; one that has moved does not. Thread: loop only;
// rare.

import PluginAPI
import Wire

extension Switch {
  /// The guest that an Ethernet address was last seen behind; nil: unknown, or the plugin's own.
  func holder(of station: UInt64) -> lnd_port? {
    guard let index = addresses.lastPort(of: station), index >= 0, index != MACTable.plugin,
      let port = ports[Int(index)]
    else { return nil }
    return port._withUnsafeGuaranteedRef { $0.handle }
  }

  /// False if it cannot be probed, because its IP address or one to probe from is unknown.
  func ask(_ station: UInt64, behind index: Int32) -> Bool {
    guard index >= 0, let port = ports[Int(index)], let own = addressGuard.ownStation,
      let address = addressGuard.address(of: station)
    else { return false }
    Self.withRequest(for: address, to: station, from: own.mac, at: own.address) { frame in
      if port._withUnsafeGuaranteedRef({ $0.forward(frame, 1) }) { holds(Int(index)) }
    }
    return true
  }

  /// An ARP request; the frame is valid while `body` runs.
  static func withRequest(
    for target: IPAddress, to destination: UInt64, from mac: UInt64, at address: IPAddress,
    _ body: (UnsafePointer<lnd_frame>) -> Void
  ) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: EthernetHeader.shortestFrame) { frame in
      guard let base = frame.baseAddress else { return }
      frame.initialize(repeating: 0)
      let out = MutableByteView(base, count: frame.count)
      EthernetHeader(
        destination: MACAddress(destination), source: MACAddress(mac), etherType: EtherType.arp
      ).emit(into: out)
      ARPHeader(
        operation: ARPHeader.request, senderMAC: MACAddress(mac), senderIP: address,
        targetMAC: .zero, targetIP: target
      ).emit(into: out.dropFirst(EthernetHeader.encodedLength))
      var item = lnd_frame()
      item.data = UnsafePointer(base)
      item.length = UInt32(frame.count)
      item.flags = LND_FRAME_CSUM_VALID
      body(&item)
    }
  }
}
