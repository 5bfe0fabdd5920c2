// SPDX-License-Identifier: Apache-2.0
//
// The token of an fd event or a timer: its engine, its slot, and the slot's generation, which detects a stale event:
// kind (8 bits) | generation (24) | slot index (32).

/// The engine of an event: one case for each that watches fds or sets timers.
package enum EventKind: UInt8, Sendable {
  case tcp = 1
  case udp = 2
  case icmp = 3
  case forward = 4
  case dns = 5
  case dhcp = 6
  case fragments = 7
  case neighbor = 8
  /// The stack's own periodic work.
  case stack = 9
  /// Neighbor Discovery's, and DHCPv6's.
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
