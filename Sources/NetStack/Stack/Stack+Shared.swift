// SPDX-License-Identifier: Apache-2.0
//
// A stack that has its address together with the host's own kernel: which packets to that address
// are for a connection of the stack's, opened towards a guest (a forward, a connect). The ports they
// come from are not the kernel's (StackConfig.sourcePorts). Loop thread only.

import Wire

extension Stack {
  /// Whether there can be any.
  @inline(__always)
  package var hasFlowsTowardGuests: Bool {
    tcp.flowCount > 0 || forwards.registry.hasDatagramClients
  }

  /// Whether an IPv4 packet to the gateway's address, TCP or UDP without IP options, is for a flow
  /// that this stack has.
  package func awaits(_ frame: UnsafePointer<Frame>, on port: PortID) -> Bool {
    let transport = IPv4Header.encodedLength
    guard let data = frame.pointee.data,
      frame.pointee.length >= EthernetHeader.encodedLength + transport + UDPHeader.encodedLength
    else { return false }
    let ip = ByteView(data, count: Int(frame.pointee.length))
      .dropFirst(EthernetHeader.encodedLength)
    // A later piece of a datagram has no ports.
    guard ip.uint16(at: IPv4Field.fragment) & IPv4FragmentBits.offset == 0 else { return false }
    let proto = ip[IPv4Field.protocolNumber]
    // The ports of TCP and UDP are in the same place.
    let key = FlowKey(
      link: core.link(of: port), proto: proto, guest: ip.ipv4Address(at: IPv4Field.source),
      guestPort: ip.uint16(at: transport + UDPField.sourcePort),
      remote: ip.ipv4Address(at: IPv4Field.destination),
      remotePort: ip.uint16(at: transport + UDPField.destinationPort))
    switch proto {
    case IPProtocol.tcp: return tcp.table.find(key) != 0
    case IPProtocol.udp: return forwards.registry.hasDatagramClient(key)
    default: return false
    }
  }
}
