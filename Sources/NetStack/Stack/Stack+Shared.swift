// SPDX-License-Identifier: Apache-2.0
//
// A stack that has its address together with the host's own kernel: which packets to that address
// are for a connection of the stack's, opened towards a guest (a forward, a connect). The ports they
// come from are not the kernel's (StackConfig.sourcePorts). Loop thread only.

import PluginAPI

extension Stack {
  /// Whether there can be any.
  @inline(__always)
  package var hasFlowsTowardGuests: Bool { tcp.flowCount > 0 || forwards.hasDatagramClients }

  /// Whether an IPv4 packet to the gateway's address, TCP or UDP without IP options, is for a flow
  /// that this stack has.
  package func awaits(_ frame: UnsafePointer<lnd_frame>, on port: lnd_port) -> Bool {
    guard let data = frame.pointee.data, frame.pointee.length >= 42 else { return false }
    let bytes = UnsafeRawPointer(data) + 14
    func word(_ offset: Int) -> UInt16 {
      UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }
    func address(_ offset: Int) -> IPAddress {
      IPAddress(
        v4: UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
    }
    // A later piece of a datagram has no ports.
    guard word(6) & 0x1fff == 0 else { return false }
    let proto = bytes.load(fromByteOffset: 9, as: UInt8.self)
    let key = FlowKey(
      link: core.link(of: port), proto: proto, guest: address(12), guestPort: word(20),
      remote: address(16), remotePort: word(22))
    switch proto {
    case IPProtocol.tcp: return tcp.table.find(key) != 0
    case IPProtocol.udp: return forwards.hasDatagramClient(key)
    default: return false
    }
  }
}
