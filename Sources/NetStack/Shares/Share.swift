// SPDX-License-Identifier: Apache-2.0
//
// What one guest holds of the stack's bounded resources, and what it was refused.
//
// A guest is a port of an isolated network. On a switch it is the guest's port behind which the host reports a station, or,
// if the host reports none, the station's Ethernet address. Additional IP addresses, and Ethernet addresses known to be of
// the same guest, do not add shares. A trivial type in ShareTable's Slab. Thread: loop only.

import Wire

/// A guest's share.
package struct Share: BitwiseCopyable {
  /// The first field, as FlowTable requires: the link, with the guest in `guest`.
  var key: FlowKey
  /// The first station of the guest that was seen.
  package let station: MACAddress

  // Held now:
  /// Chunks of 64 KiB.
  package var chunks: UInt32 = 0
  /// Lists of sequence ranges: out-of-order data, and SACK scoreboards.
  package var ranges: UInt32 = 0
  /// TCP connections; `halfOpen` of them are not established on both sides.
  package var flows: UInt32 = 0
  package var halfOpen: UInt32 = 0
  /// UDP sockets, and their remote endpoints.
  package var datagramFlows: UInt32 = 0
  package var peers: UInt32 = 0
  package var pings: UInt32 = 0
  /// TCP connections with a socket that the guest opened (GuestLimits).
  package var begunConnections: UInt32 = 0
  /// DNS questions in progress, and connections to the network's DNS.
  package var questions: UInt32 = 0
  package var streams: UInt32 = 0
  /// Memory of incomplete datagrams.
  package var fragmentBytes: Int = 0
  /// Packets kept to begin a flow (NewFlows).
  package var waiting: UInt32 = 0

  // Flows ordered by time of last use, for eviction.
  var flowOrder = UseList()
  /// Half-open connections ordered by time of the SYN.
  var halfOpenOrder = UseList()
  var datagramOrder = UseList()
  var pingOrder = UseList()

  // NewFlows
  /// Number of flows begun in this iteration, and when the iteration began for this guest.
  var begun: UInt32 = 0
  var turn: UInt64 = 0
  var firstWaiting: UInt32 = 0
  var lastWaiting: UInt32 = 0

  /// Tokens of GuestLimits.newFlowsPerSecond, for its value at `limitRevision`.
  var newFlowTokens = TokenBucket(burst: 1, interval: 1)
  var limitRevision: UInt32 = 0

  var icmpErrors = TokenBucket(burst: 200, interval: 1_000_000)
  /// Challenge ACKs (RFC 5961 §7).
  var challenges = TokenBucket(burst: 100, interval: 10_000_000)

  package var counters = ShareCounters()

  init(key: FlowKey, station: MACAddress) {
    self.key = key
    self.station = station
  }

  /// The guest's link; 0 for share 0.
  package var link: UInt32 { key.link }
  /// The guest's port at the host's switch; 0 if unknown.
  package var port: UInt64 { key.guest.high == 1 ? key.guest.low : 0 }

  /// Number of the host's descriptors. A connection closed by both sides has none.
  package var descriptors: UInt32 { flows &+ datagramFlows &+ pings &+ streams }

  /// The number that GuestLimits.connections limits.
  package var connections: Int { Int(begunConnections) &+ Int(datagramFlows) &+ Int(pings) }

  /// Whether nothing refers to the share.
  package var isIdle: Bool {
    chunks == 0 && ranges == 0 && flows == 0 && datagramFlows == 0 && pings == 0 && questions == 0
      && streams == 0
      && fragmentBytes == 0 && waiting == 0
  }
}

/// Counters of a guest since it was first seen.
package struct ShareCounters: BitwiseCopyable, Equatable, Sendable {
  /// Connections, UDP mappings, pings and DNS connections that were closed to make room.
  package var evicted: UInt64 = 0
  /// New ones without room, or beyond the guest's limit.
  package var refused: UInt64 = 0
  /// Packets kept because their guest began many flows at once, and packets dropped because there was no room to keep them.
  package var delayed: UInt64 = 0
  package var dropped: UInt64 = 0
  /// First packets dropped because of GuestLimits: new flows per second, and connections at a time.
  package var flowsLimited: UInt64 = 0
  package var connectionsLimited: UInt64 = 0
  /// DNS questions beyond the guest's share that could not be answered at once.
  package var questionsRefused: UInt64 = 0
  /// ICMP errors not sent because of their rate limit.
  package var errorsWithheld: UInt64 = 0

  package init() {}
}
