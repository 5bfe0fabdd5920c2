// SPDX-License-Identifier: Apache-2.0
//
// What one guest holds of the stack's bounded resources, and what it was denied.
//
// A guest is the port of an isolated network, and on a switch the guest's port that a station's
// Ethernet address is behind, or that address alone where the host does not say. Its IP addresses
// and, as far as they are known to be one guest's, its Ethernet addresses make no difference.
// Trivial, in ShareTable's Slab. Loop thread only.

import Wire

/// See the head of this file.
package struct Share: BitwiseCopyable {
  /// First, for FlowTable: the link, and the guest in `guest`.
  var key: FlowKey
  /// The station that was seen first.
  package let station: MACAddress

  // Held now.
  /// Chunks of 64 KiB.
  package var chunks: UInt32 = 0
  /// Lists of ranges of sequence numbers: of what arrived out of order, of what the guest reported.
  package var ranges: UInt32 = 0
  /// TCP connections, of which `halfOpen` have not been accepted by both sides yet.
  package var flows: UInt32 = 0
  package var halfOpen: UInt32 = 0
  /// UDP sockets, and the remote endpoints of all of them.
  package var datagramFlows: UInt32 = 0
  package var peers: UInt32 = 0
  package var pings: UInt32 = 0
  /// TCP connections that the guest began and that have a socket (GuestLimits).
  package var begunConnections: UInt32 = 0
  /// Questions under way to the network's DNS, and connections to it.
  package var questions: UInt32 = 0
  package var streams: UInt32 = 0
  /// Memory of unfinished datagrams.
  package var fragmentBytes: Int = 0
  /// Packets that wait for their turn to begin a flow (NewFlows).
  package var waiting: UInt32 = 0

  // Who goes first: by time of use.
  var flowOrder = UseList()
  /// By time of the SYN.
  var halfOpenOrder = UseList()
  var datagramOrder = UseList()
  var pingOrder = UseList()

  // NewFlows
  /// Flows begun in this iteration, and when it began for this guest.
  var begun: UInt32 = 0
  var turn: UInt64 = 0
  var firstWaiting: UInt32 = 0
  var lastWaiting: UInt32 = 0

  /// GuestLimits.newFlowsPerSecond, as it was at `limitRevision`.
  var newFlowTokens = TokenBucket(burst: 1, interval: 1)
  var limitRevision: UInt32 = 0

  var icmpErrors = TokenBucket(burst: 200, interval: 1_000_000)
  /// RFC 5961 §7.
  var challenges = TokenBucket(burst: 100, interval: 10_000_000)

  package var counters = ShareCounters()

  init(key: FlowKey, station: MACAddress) {
    self.key = key
    self.station = station
  }

  /// The link of the guest; 0 for those that found no place in the table.
  package var link: UInt32 { key.link }
  /// The guest's port at the host's switch; 0 when it is not known.
  package var port: UInt64 { key.guest.high == 1 ? key.guest.low : 0 }

  /// Descriptors of the host. (A connection that both sides have closed has none.)
  package var descriptors: UInt32 { flows &+ datagramFlows &+ pings &+ streams }

  /// What GuestLimits.connections counts.
  package var connections: Int { Int(begunConnections) &+ Int(datagramFlows) &+ Int(pings) }

  /// Holds nothing that refers to it.
  package var isIdle: Bool {
    chunks == 0 && ranges == 0 && flows == 0 && datagramFlows == 0 && pings == 0 && questions == 0
      && streams == 0
      && fragmentBytes == 0 && waiting == 0
  }
}

/// Counted for each guest since it was first seen.
package struct ShareCounters: BitwiseCopyable, Equatable, Sendable {
  /// Connections, UDP mappings, pings and DNS connections that made room for others.
  package var evicted: UInt64 = 0
  /// New ones that found no room, or were more than the guest may have.
  package var refused: UInt64 = 0
  /// Packets that had to wait to begin a flow, for their guest began many at once; and those for
  /// which there was no place to wait.
  package var delayed: UInt64 = 0
  package var dropped: UInt64 = 0
  /// Packets that would have begun a flow beyond GuestLimits, in a second and at a time.
  package var flowsLimited: UInt64 = 0
  package var connectionsLimited: UInt64 = 0
  /// DNS questions beyond the guest's share that could not be answered at once.
  package var questionsRefused: UInt64 = 0
  /// ICMP errors that were not sent, for there were many.
  package var errorsWithheld: UInt64 = 0

  package init() {}
}
