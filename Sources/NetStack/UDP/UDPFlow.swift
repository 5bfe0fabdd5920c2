// SPDX-License-Identifier: Apache-2.0
//
// The two records of UDP translation (RFC 4787).
//
//   UDPFlow   one for each {link, guest endpoint, family of the socket}: the mapping. The family is the guest's
//   except
//             for the host's loopback (UDPEngine+Loopback). It owns the host socket, which stays unconnected, so that
//             every remote endpoint sees the same port of the host (endpoint-independent mapping, REQ-1) and hole
//             punching works. The port is the guest's own if that is free and in `keptPorts`.
//   UDPPeer   one for each {flow, remote endpoint} to which the guest has sent: its route, and the permission
//             to answer (address-dependent filtering, REQ-8).
//
// Both are trivial and live in Slabs; lists are slot indices, 0 ends them.

import Wire

/// Ports that may be kept: the ephemeral ones, 32768 and up on Linux (RFC 6335 §6: 49152 and up). A guest gets no
/// other port, so that it cannot impersonate a service of the host.
let keptPorts: ClosedRange<UInt16> = 32768...65535

/// Counted since the stack was created.
package struct UDPCounters: BitwiseCopyable, Sendable {
  package var guestDatagrams: UInt64 = 0
  package var hostDatagrams: UInt64 = 0
  /// From the outside, from an endpoint to which the guest has not sent.
  package var filtered: UInt64 = 0
  /// Flows that were closed to make room.
  package var evicted: UInt64 = 0
  /// Datagrams that the kernel refused, and flows without a socket.
  package var refused: UInt64 = 0
  /// Datagrams to the guest, dropped because the link was full.
  package var dropped: UInt64 = 0
  /// ICMP errors sent to guests.
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
  /// Time of the last datagram in either direction.
  var lastUsed: UInt64
  /// The share to which it is charged, and its neighbours in that share's list (ShareTable).
  var share: UInt32
  var older: UInt32 = 0
  var newer: UInt32 = 0
  var peerOrder = UseList()
  var peerCount: UInt32 = 0
  /// Datagrams queued in this iteration, and the next flow with queued ones.
  var queue = DatagramQueue()
  var nextWaiting: UInt32 = 0
  /// The guest's own port, if the host's socket has the same; else 0.
  var keptPort: UInt16 = 0
  /// All peers are port 53.
  var isDNSOnly = true
  /// The last query of such a flow was answered.
  var isAnswered = false
  var segmentation: Bool
  /// The guest is gone; the socket is closed later (`leave`).
  var isDeparted = false

  var guest: Endpoint { Endpoint(key.guest, port: key.guestPort) }
}

/// A remote endpoint with which a guest's endpoint exchanges datagrams.
struct UDPPeer: UseListed {
  /// Both endpoints as the guest sees them.
  var key: FlowKey
  var flow: UInt32
  /// Its neighbours in the list of its flow.
  var older: UInt32 = 0
  var newer: UInt32 = 0
  /// The real destination of its datagrams.
  var target: Endpoint
  /// Reached through the gateway's address: the gateway is the host itself, so the hop limit is not decremented.
  var isLoopback: Bool

  var remote: Endpoint { Endpoint(key.remote, port: key.remotePort) }
}
