// SPDX-License-Identifier: Apache-2.0
//
// The types between a port, its receiver and the reactor's owner.
// Thread: loop only.

import Platform
import PluginAPI

/// The receiver of a port's frames: the two callbacks of a network plugin (or of the switch), as plain C functions,
/// so that a batch costs one call.
///
/// The signatures are those of `lnd_network_ops.rx` and `.tx_ready`, so that an isolated network can set the plugin's
/// own functions here.
package struct FrameReceiver {
  package typealias Frames =
    @convention(c) (UnsafeMutableRawPointer?, lnd_port, UnsafePointer<lnd_frame>?, UInt32) -> Void
  package typealias Ready = @convention(c) (UnsafeMutableRawPointer?, lnd_port) -> Void

  /// First argument of both functions. Not retained.
  package var context: UnsafeMutableRawPointer?
  /// 1...256 frames, each of at least 14 bytes, borrowed for the call.
  package var frames: Frames
  /// The port accepts frames again after a short `send`. Never called from inside `send`.
  package var ready: Ready?

  package init(
    context: UnsafeMutableRawPointer?, frames: @escaping Frames, ready: Ready? = nil
  ) {
    self.context = context
    self.frames = frames
    self.ready = ready
  }

  /// Drops everything: the receiver of a port that is not attached.
  package static var discard: FrameReceiver {
    FrameReceiver(context: nil, frames: { _, _, _, _ in })
  }
}

/// The events a port polls for.
package struct PortInterest: OptionSet, Sendable {
  package let rawValue: UInt32
  package init(rawValue: UInt32) { self.rawValue = rawValue }
  package static let read = PortInterest(rawValue: 1)
  package static let write = PortInterest(rawValue: 2)
}

/// Why a port ended.
package enum PortEnd: Equatable, Sendable {
  /// The peer closed the link.
  case closed
  /// An impossible frame length (QEMU stream).
  case badLength(UInt32)
  /// The frame boundary of a stream taken over from a dead network process is unknown.
  case boundaryUnknown
  /// A system call failed with this errno.
  case system(call: StaticString, errno: Int32)
  /// No process listens at the guest's address any more (unixgram).
  case unreachable
  /// The network's loop probe came back through this port.
  case ring

  package static func == (a: PortEnd, b: PortEnd) -> Bool { a.description == b.description }
}

extension PortEnd: CustomStringConvertible {
  /// One line for logs and for the reason of `portGone`.
  package var description: String { words("guest") }

  /// - Parameter who: a noun for the peer.
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

/// The owner of ports (the reactor's). All calls come on the loop thread from inside a port's methods: the port must
/// not be closed or released before its method has returned, so `portEnded` only records it for the end of the
/// iteration.
package protocol PortDelegate: AnyObject {
  /// `port.interest` changed.
  func portInterestChanged(_ port: Port)
  /// Call `port.onRetry()` at or soon after `deadline` (ns, monotonic). At most one is outstanding per port.
  func portWantsRetry(_ port: Port, at deadline: UInt64)
  /// The same for `port.onGateOpens()`. Several may be outstanding.
  func portWaitsForGate(_ port: Port, at deadline: UInt64)
  /// `port.end` was set: detach it, close it, report it.
  func portEnded(_ port: Port)
}

/// Counters of a port. "rx": frames from the guest, "tx": frames to it.
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
  /// Frames from a plugin or another port that violate the rules of lnd_frame.
  package var txMalformed: UInt64 = 0
  /// Forwarded frames for which the queue had no room.
  package var txQueueFull: UInt64 = 0
  /// Frames that the kernel refused permanently (link down, too big for the socket).
  package var txRefused: UInt64 = 0
  /// Not sent because the guest's interface was not up yet: before its first frame. No drop that a user has to know of.
  package var txEarly: UInt64 = 0
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
  /// Frames that the switch dropped, by `Switch.Counters`' kinds: a source Ethernet address of another station,
  /// another station's IP address in ARP or as source, messages of a DHCP server or an IPv6 router, and frames that
  /// the guard cannot parse.
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
