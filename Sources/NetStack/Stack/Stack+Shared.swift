// SPDX-License-Identifier: Apache-2.0
//
// A stack that shares its address with the host's own kernel: which packets to that address belong to a connection
// that the stack opened to a guest (a forward, a connect). Their ports are not among the kernel's
// (StackConfig.sourcePorts). Loop thread only.

import Wire

extension Stack {
  /// Whether there can be such a packet.
  @inline(__always)
  package var hasFlowsTowardGuests: Bool {
    tcp.flowCount > 0 || forwards.registry.hasDatagramClients
  }

  /// Whether a packet to one of the stack's addresses, TCP or UDP without IP options or extension headers, belongs to
  /// a flow of this stack.
  package func awaits(_ frame: UnsafePointer<Frame>, on port: PortID) -> Bool {
    guard let data = frame.pointee.data,
      let ethernet = EthernetPacket(checking: ByteView(data, count: Int(frame.pointee.length))),
      var key = Self.key(of: ethernet)
    else { return false }
    key.link = core.link(of: port)
    switch UInt8(truncatingIfNeeded: key.proto) {
    case IPProtocol.tcp: return tcp.table.find(key) != 0
    case IPProtocol.udp: return forwards.registry.hasDatagramClient(key)
    default: return false
    }
  }

  private static func key(of ethernet: EthernetPacket) -> FlowKey? {
    let ip = ethernet.payload
    let isV4 = ethernet.etherType == EtherType.ipv4
    let transport = isV4 ? IPv4Header.encodedLength : IPv6Header.encodedLength
    guard isV4 || ethernet.etherType == EtherType.ipv6,
      ip.count >= transport + UDPHeader.encodedLength
    else { return nil }
    // Only the first fragment of a datagram has ports.
    if isV4, ip.uint16(at: IPv4Field.fragment) & IPv4FragmentBits.offset != 0 { return nil }
    // TCP and UDP have their ports at the same offset.
    return FlowKey(
      link: 0, proto: ip[isV4 ? IPv4Field.protocolNumber : IPv6Field.nextHeader],
      guest: isV4
        ? ip.ipv4Address(at: IPv4Field.source) : ip.ipv6Address(at: IPv6Field.source),
      guestPort: ip.uint16(at: transport + UDPField.sourcePort),
      remote: isV4
        ? ip.ipv4Address(at: IPv4Field.destination) : ip.ipv6Address(at: IPv6Field.destination),
      remotePort: ip.uint16(at: transport + UDPField.destinationPort))
  }
}
