// SPDX-License-Identifier: Apache-2.0
//
// One attachment at the Ethernet level: a port of the host, behind which is one guest
// (isolated network) or the switch with all of them.
//
// The hot part is a trivial struct in a Slab; `LinkServices` holds the rest.

import Wire

/// What every frame of a link needs. The address of a Link is stable while the link is up.
package struct Link: BitwiseCopyable {
  /// The host's port.
  package var port: PortID
  /// The guest that spoke last; zero before the first frame.
  package var guestMAC: MACAddress
  /// The address that guest used last; unspecified before its first packet. The
  /// default target of forwards.
  package var guestAddress: IPAddress
  /// The same of IPv6: who spoke last, from which address.
  package var guestMAC6 = MACAddress.zero
  package var guestAddress6 = IPAddress.anyV6
  /// Bytes of IP packet the link carries.
  package var mtu: Int32
  /// The host said so; otherwise `mtu` is what DHCP announces, and the guest decides.
  package var isMTUKnown: Bool
  package var offloads: Offloads
  package var kind: LinkKind
  /// A send came back short; until `txReady` nothing is sent.
  package var isBlocked: Bool
  /// First and last of the TCP flows that wait for `txReady`; 0 is none.
  package var waitingFlows: UInt32
  package var lastWaiting: UInt32
  package var counters: LinkCounters
}

/// Counted per link, since the link came up. Frames and bytes as the stack sees them
/// (a GSO frame is one).
package struct LinkCounters: BitwiseCopyable {
  package var receivedFrames: UInt64 = 0
  package var receivedBytes: UInt64 = 0
  package var sentFrames: UInt64 = 0
  package var sentBytes: UInt64 = 0
  /// Frames that could not be understood or broke a rule.
  package var malformed: UInt64 = 0
  /// Frames to a protocol or address nobody serves.
  package var ignored: UInt64 = 0
  /// Packets and ARP with the address of another guest.
  package var spoofed: UInt64 = 0
  /// Frames that found no room towards the guest.
  package var sendDrops: UInt64 = 0
}

extension Link {
  /// Notes who spoke last.
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

  /// The Ethernet address of whoever spoke last from an address; nil when it was another.
  @inline(__always)
  func lastMAC(of address: IPAddress) -> MACAddress? {
    if address == guestAddress { return guestMAC }
    return address == guestAddress6 && !address.isUnspecified ? guestMAC6 : nil
  }

  /// What was noted of an address, or of stations, is not so any more.
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
  /// The link must be up.
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
