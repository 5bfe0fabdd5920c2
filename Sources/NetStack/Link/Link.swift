// SPDX-License-Identifier: Apache-2.0
//
// A link: a port of the host, behind which is one guest (isolated network) or the switch with all of them.
//
// The hot part is a trivial struct in a Slab; `LinkServices` is the rest.

import Wire

/// The state that every frame of a link needs. Its address is stable while the link is up.
package struct Link: BitwiseCopyable {
  /// The host's port.
  package var port: PortID
  /// The guest that sent last; zero before the first frame.
  package var guestMAC: MACAddress
  /// The source address of that guest's last packet; unspecified before the first. The default target of forwards.
  package var guestAddress: IPAddress
  /// The same for IPv6.
  package var guestMAC6 = MACAddress.zero
  package var guestAddress6 = IPAddress.anyV6
  /// The link's MTU, bytes of IP packet.
  package var mtu: Int32
  /// Whether the host gave `mtu`; otherwise it is the one that DHCP announces, which the guest may ignore.
  package var isMTUKnown: Bool
  package var offloads: Offloads
  package var kind: LinkKind
  /// A send was short; nothing is sent until `txReady`.
  package var isBlocked: Bool
  /// First and last of the TCP flows that wait for `txReady`; 0: none.
  package var waitingFlows: UInt32
  package var lastWaiting: UInt32
  package var counters: LinkCounters
}

/// Counted per link since it came up. Frames and bytes as the stack sees them (a GSO frame is one).
package struct LinkCounters: BitwiseCopyable {
  package var receivedFrames: UInt64 = 0
  package var receivedBytes: UInt64 = 0
  package var sentFrames: UInt64 = 0
  package var sentBytes: UInt64 = 0
  /// Malformed frames.
  package var malformed: UInt64 = 0
  /// Frames of a protocol or to an address that is not served.
  package var ignored: UInt64 = 0
  /// Packets and ARP with the address of another guest.
  package var spoofed: UInt64 = 0
  /// Frames dropped because the link to the guest was full.
  package var sendDrops: UInt64 = 0
}

extension Link {
  /// Records the last sender.
  @inline(__always)
  mutating func spoke(_ address: IPAddress, at mac: MACAddress) {
    if address.isV4 {
      guestMAC = mac
      guestAddress = address
    } else {
      guestMAC6 = mac
      guestAddress6 = address
    }
  }

  /// The Ethernet address of the last sender, if it used this address; else nil.
  @inline(__always)
  func lastMAC(of address: IPAddress) -> MACAddress? {
    if address == guestAddress { return guestMAC }
    return address == guestAddress6 && !address.isUnspecified ? guestMAC6 : nil
  }

  /// Drops the recorded sender if it has this address, or is one of these stations.
  mutating func forget(_ address: IPAddress) {
    if guestAddress == address {
      guestAddress = .anyV4
      guestMAC = .zero
    }
    if guestAddress6 == address {
      guestAddress6 = .anyV6
      guestMAC6 = .zero
    }
  }

  mutating func forget(_ stations: Set<MACAddress>) {
    if stations.contains(guestMAC) { forget(guestAddress) }
    if stations.contains(guestMAC6) { forget(guestAddress6) }
  }
}

/// All links of a stack.
package final class LinkTable {
  private var slab: Slab<Link>

  init(capacity: Int) { slab = Slab(capacity: capacity) }

  func insert(_ link: Link) -> UInt32 { slab.insert(link) }
  func remove(_ link: UInt32) { slab.remove(link) }

  /// Whether the link is up; false for any number out of range.
  @inline(__always)
  package func isTaken(_ link: UInt32) -> Bool { slab.isTaken(link) }
  @inline(__always)
  package func isTaken(_ link: UInt32, generation: UInt32) -> Bool {
    slab.isTaken(link, generation: generation)
  }
  @inline(__always)
  package func generation(_ link: UInt32) -> UInt32 { slab.generation(link) }
  /// Precondition: the link is up.
  @inline(__always)
  package func pointer(_ link: UInt32) -> UnsafeMutablePointer<Link> { slab.pointer(link) }
}

/// The cold part of a link.
package final class LinkServices {
  package var name: String
  package let neighbors: NeighborTable

  init(name: String) {
    self.name = name
    neighbors = NeighborTable()
  }
}
