// SPDX-License-Identifier: Apache-2.0
//
// What comes back with an fd event or a timer: whose it is, and whether that one
// is still there. kind (8 bits) | generation (24) | slot index (32).

/// Whose event it is: one case for each engine that watches fds or sets timers.
package enum EventKind: UInt8, Sendable {
  case tcp = 1
  case udp = 2
  case icmp = 3
  case forward = 4
  case dns = 5
  case dhcp = 6
  case fragments = 7
  case neighbor = 8
  /// The stack's own housekeeping.
  case stack = 9
  /// Neighbour discovery's, and DHCPv6's.
  case ndp = 10
  case dhcpV6 = 11
  case egress = 12
}

/// The `user` value of `fd_add` and the token of a timer.
package struct EventToken: BitwiseCopyable, Equatable, Sendable {
  package var rawValue: UInt64

  @inline(__always)
  package init(rawValue: UInt64) { self.rawValue = rawValue }

  /// - Parameter generation: of the slot (see `Slab.generation`); 24 bits count.
  @inline(__always)
  package init(_ kind: EventKind, index: UInt32, generation: UInt32) {
    rawValue =
      UInt64(kind.rawValue) << 56 | UInt64(generation & 0xFF_FFFF) << 32 | UInt64(index)
  }

  @inline(__always)
  package var kind: EventKind? { EventKind(rawValue: UInt8(truncatingIfNeeded: rawValue >> 56)) }
  @inline(__always)
  package var generation: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 32) & 0xFF_FFFF }
  @inline(__always)
  package var index: UInt32 { UInt32(truncatingIfNeeded: rawValue) }
}
