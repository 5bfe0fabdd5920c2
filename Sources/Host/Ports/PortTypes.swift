// SPDX-License-Identifier: Apache-2.0
//
// What a port and whoever drives it say to each other.
// Thread: loop only.

import Platform
import PluginAPI

/// Where a port puts what it receives: the two callbacks of a network plugin
/// (or of the switch), as plain C functions, so that a batch costs one call.
///
/// The signatures are those of `lnd_network_ops.rx` and `.tx_ready`, so an
/// isolated network can put the plugin's own functions here.
package struct FrameReceiver {
  package typealias Frames =
    @convention(c) (UnsafeMutableRawPointer?, lnd_port, UnsafePointer<lnd_frame>?, UInt32) -> Void
  package typealias Ready = @convention(c) (UnsafeMutableRawPointer?, lnd_port) -> Void

  /// First argument of both functions. Not retained.
  package var context: UnsafeMutableRawPointer?
  /// 1...256 frames, each of at least 14 bytes, borrowed for the call.
  package var frames: Frames
  /// The port takes frames again after a short `send`. Never called from inside `send`.
  package var ready: Ready?

  package init(
    context: UnsafeMutableRawPointer?, frames: @escaping Frames, ready: Ready? = nil
  ) {
    self.context = context
    self.frames = frames
    self.ready = ready
  }

  /// Drops everything: what a port has before it is attached.
  package static var discard: FrameReceiver {
    FrameReceiver(context: nil, frames: { _, _, _, _ in })
  }
}

/// What a port needs from the loop.
package struct PortInterest: OptionSet, Sendable {
  package let rawValue: UInt32
  package init(rawValue: UInt32) { self.rawValue = rawValue }
  package static let read = PortInterest(rawValue: 1)
  package static let write = PortInterest(rawValue: 2)
}

/// Why a port ended.
package enum PortEnd: Equatable, Sendable {
  /// The other side closed.
  case closed
  /// A length that no frame has (QEMU stream).
  case badLength(UInt32)
  /// The stream handed over by a dead network-host has no known frame boundary.
  case boundaryUnknown
  /// The kernel refused; an errno.
  case system(call: StaticString, errno: Int32)
  /// Nobody answers at the guest's address any more (unixgram).
  case unreachable
  /// What the network sent to its uplink came back by this port.
  case ring

  package static func == (a: PortEnd, b: PortEnd) -> Bool { a.description == b.description }
}

extension PortEnd: CustomStringConvertible {
  /// One line for logs and for the reason of `portGone`.
  package var description: String { words("guest") }

  /// - Parameter who: is at the other end.
  package func words(_ who: String) -> String {
    switch self {
    case .closed: "the \(who) closed its connection"
    case .badLength(let length):
      "the \(who) sent a frame length of \(length); the longest frame has \(LND_FRAME_MAX) bytes"
    case .boundaryUnknown: "the place of the next frame is not known"
    case .system(let call, let code): "\(call): \(Errno(code)) (\(Errno(code).name))"
    case .ring:
      "what is sent to the network's uplink comes back by this link: the networks behind it are a ring"
    case .unreachable: "nobody receives at the \(who)'s address any more"
    }
  }
}

/// Whoever drives ports (the reactor). All calls on the loop thread, and from
/// inside a port's methods: the port must not be closed or let go before its
/// method has returned, so `portEnded` only makes a note for the end of the turn.
package protocol PortDelegate: AnyObject {
  /// `port.interest` changed.
  func portInterestChanged(_ port: Port)
  /// Call `port.onRetry()` at or soon after `deadline` (ns, monotonic). One is
  /// outstanding per port at most.
  func portWantsRetry(_ port: Port, at deadline: UInt64)
  /// The same for `port.onGateOpens()`. Several may be outstanding.
  func portWaitsForGate(_ port: Port, at deadline: UInt64)
  /// `port.end` was set: detach it, close it, report it.
  func portEnded(_ port: Port)
}

/// What happened on a port. "rx" is what the guest sent, "tx" what it was sent.
package struct PortCounters: Sendable, Equatable {
  package var rxFrames: UInt64 = 0
  package var rxBytes: UInt64 = 0
  package var txFrames: UInt64 = 0
  package var txBytes: UInt64 = 0
  /// Shorter than an Ethernet header.
  package var rxRunt: UInt64 = 0
  /// Longer than LND_FRAME_MAX.
  package var rxOversize: UInt64 = 0
  /// Offload fields that contradict the frame.
  package var rxMalformed: UInt64 = 0
  /// Frames of a plugin or another port that make no sense.
  package var txMalformed: UInt64 = 0
  /// Forwarded frames for which the queue had no room.
  package var txQueueFull: UInt64 = 0
  /// Frames the kernel refused for good (link down, too big for the socket).
  package var txRefused: UInt64 = 0
  /// Frames for a port that has ended.
  package var txEnded: UInt64 = 0
  /// Times `send` returned a short count.
  package var txBlocked: UInt64 = 0
  /// Frames beyond the guest's limit: where its sender cannot be made to wait (unixgram).
  package var rxLimited: UInt64 = 0
  /// Times that reading from the guest, and sending to it, was put off by its limit.
  package var rxPaused: UInt64 = 0
  package var txPaused: UInt64 = 0
  /// Super-frames cut in software.
  package var txSegmented: UInt64 = 0
  /// What the switch did not let pass, of `Switch.Counters`' kinds: from another's Ethernet address, with another's address in
  /// ARP or as source, words of a DHCP server and of an IPv6 router, and what the switch follows nobody in.
  package var spoofed: UInt64 = 0
  package var arpSpoofed: UInt64 = 0
  package var ipSpoofed: UInt64 = 0
  package var dhcpServers: UInt64 = 0
  package var ipv6Routers: UInt64 = 0
  package var filtered: UInt64 = 0
  /// From an IP address that is none of the network's, and to all beyond what the guest may send (not counted as drops: they
  /// reach the plugin).
  package var ipOutside: UInt64 = 0
  package var floodsLimited: UInt64 = 0

  package init() {}

  /// All drops.
  package var drops: UInt64 {
    rxRunt &+ rxOversize &+ rxMalformed &+ rxLimited &+ txMalformed &+ txQueueFull &+ txRefused
      &+ txEnded
      &+ spoofed &+ arpSpoofed &+ ipSpoofed &+ dhcpServers &+ ipv6Routers &+ filtered &+ ipOutside
  }
}
