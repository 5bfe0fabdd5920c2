// SPDX-License-Identifier: Apache-2.0
//
// The two records of UDP translation (RFC 4787).
//
//   UDPFlow   one for each {link, guest endpoint, family of the socket}: the mapping. The family is the guest's but
//             for the host's loopback (UDPEngine+Loopback). It owns the host socket,
//             which stays unconnected, so every remote sees the same port of the host
//             (endpoint-independent mapping, REQ-1) and hole punching works. The port is
//             the guest's own if that is free and one of `keptPorts`.
//   UDPPeer   one for each {flow, remote endpoint} the guest has sent to: the policy's
//             answer, and the permission to answer (address-dependent filtering, REQ-8).
//
// Both are trivial and live in Slabs; lists are slot indices, 0 ends them.

import Wire

/// Ports that are kept: those that a kernel hands out by itself (32768 and up on Linux) and that
/// are nobody's by name (RFC 6335 §6: 49152 and up). A guest gets no other, so that it cannot
/// stand in for a service of the host.
let keptPorts: ClosedRange<UInt16> = 32768...65535

/// Counted since the stack was made.
package struct UDPCounters: BitwiseCopyable, Sendable {
  package var guestDatagrams: UInt64 = 0
  package var hostDatagrams: UInt64 = 0
  /// From the outside, by somebody the guest has not spoken to.
  package var filtered: UInt64 = 0
  /// Flows that had to make room for others.
  package var evicted: UInt64 = 0
  /// Datagrams the kernel refused, and flows it gave no socket for.
  package var refused: UInt64 = 0
  /// Towards the guest, for want of room on the link.
  package var dropped: UInt64 = 0
  /// ICMP errors passed on to guests.
  package var errors: UInt64 = 0

  package init() {}
}

/// A guest's UDP endpoint and its socket on the host.
struct UDPFlow: UseListed {
  /// `remote` is unspecified, of the socket's family, and `remotePort` 0.
  var key: FlowKey
  var socket: DatagramSocket
  var timer: UInt32 = 0
  var guestMAC: MACAddress
  /// When a datagram last went either way.
  var lastUsed: UInt64
  /// Whose share it counts against, and in the list of it (ShareTable).
  var share: UInt32
  var older: UInt32 = 0
  var newer: UInt32 = 0
  var peerOrder = UseList()
  var peerCount: UInt32 = 0
  /// What waits for the end of this iteration, and the next flow with something waiting.
  var queue = DatagramQueue()
  var nextWaiting: UInt32 = 0
  /// The guest's own port, where the host's socket has it, too; else 0.
  var keptPort: UInt16 = 0
  /// All peers are port 53.
  var isDNSOnly = true
  /// The last question of such a flow has its answer.
  var isAnswered = false
  var segmentation: Bool
  /// The guest is gone, and only the socket is left (`leave`).
  var isDeparted = false

  var guest: Endpoint { Endpoint(key.guest, port: key.guestPort) }
}

/// A remote endpoint that a guest's endpoint speaks with.
struct UDPPeer: UseListed {
  /// Both endpoints as the guest knows them.
  var key: FlowKey
  var flow: UInt32
  /// In the list of its flow.
  var older: UInt32 = 0
  var newer: UInt32 = 0
  /// Where its datagrams really go.
  var target: Endpoint
  /// Reached through the gateway's address: the gateway is the host, no router lies between.
  var isLoopback: Bool

  var remote: Endpoint { Endpoint(key.remote, port: key.remotePort) }
}
