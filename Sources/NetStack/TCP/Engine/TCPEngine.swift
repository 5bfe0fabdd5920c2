// SPDX-License-Identifier: Apache-2.0
//
// TCP between guests and host sockets (RFC 9293). A guest's connection ends in the engine; a non-blocking socket of the
// host carries its bytes to and from the peer.
//
// Theory of operation
//   For each segment of a batch `input` only changes state: in-order payload becomes slices of the receive
//   buffer, and changed flows are put on a list. `endOfIteration` walks that list once: for each flow one
//   sendmsg; bytes that the kernel does not take are copied to the flow's store; then data, or a single ACK,
//   goes to the guest. Socket events and timers end the same way. So a batch costs one system call and one ACK
//   per flow, whatever its length.
//   A byte is acknowledged when the kernel or the store has it. The advertised window is the room left in the
//   store, so that no data is dropped for lack of room.
//
// ACKs are delayed only in request-response flows, where they go with the response. Elsewhere a batch has a single ACK
// already, and a guest that waits for it because of Nagle's algorithm must not be delayed.
//
// Timestamps (RFC 7323 §3-5) are not implemented: a segment is never older than the link's queue, which is far less than a
// wrap of the sequence numbers, and one round-trip sample per window is sufficient.
//
// The halves of a connection are values: TCPSender and TCPReceiver. The files of this folder: Connect and Accept (opening),
// Input, Acknowledge, Reports and Receive (a segment), HostSend and HostReceive (the socket), Output and Segment (frames to
// the guest), Settle (deferred work), Shares, PathMTU, GuestErrors, Timers, KeepAlive, Close, Finish, Detach, Idle. Thread:
// loop only.

import LibC
import Wire

typealias FlowPointer = UnsafeMutablePointer<TCPFlow>

/// Counters since the start; shown by `status`.
package struct TCPCounters: Sendable {
  package var opened: UInt64 = 0
  package var openedTowardGuest: UInt64 = 0
  package var refused: UInt64 = 0
  package var unreachable: UInt64 = 0
  package var resetByGuest: UInt64 = 0
  package var resetByHost: UInt64 = 0
  package var timedOut: UInt64 = 0
  package var evicted: UInt64 = 0
  package var bytesToHost: UInt64 = 0
  package var bytesToGuest: UInt64 = 0
  package var segmentsIn: UInt64 = 0
  package var outOfOrder: UInt64 = 0
  package var retransmits: UInt64 = 0
  /// Losses towards guests that were detected before a timeout, once for each window of data.
  package var lossRecoveries: UInt64 = 0
  package var timeouts: UInt64 = 0
  /// Timeouts after which it turned out that nothing was lost.
  package var spuriousTimeouts: UInt64 = 0
  package var tailProbes: UInt64 = 0
  package var challenges: UInt64 = 0
  package var badChecksums: UInt64 = 0
  package var storeExhausted: UInt64 = 0
}

/// The TCP flows of all links of a stack. Thread: loop only.
package final class TCPEngine {
  let stack: StackCore
  let transmitter: Transmitter
  let dns: DNSIntercept
  let forwards: OpenForwards
  /// Shares the number of descriptors with TCP.
  let udp: UDPEngine
  var flows: Slab<TCPFlow>
  var table: FlowTable
  /// Lists of out-of-order ranges, and scoreboards. The sum of both is limited to the size of one.
  var ranges: Slab<SequenceRanges>
  var scoreboards: Slab<SACKScoreboard>
  let store: SequenceStore

  package internal(set) var counters = TCPCounters()
  var timeWaitCount = 0
  /// Number of connections with a socket, and of half-open connections.
  var socketCount = 0
  var halfOpenCount = 0
  var destinations: Destinations
  var exhaustionLogLimit = TokenBucket(burst: 1, interval: 10_000_000_000)
  /// Key of the hash for initial sequence numbers (RFC 6528).
  let sequenceKey: SipHash.Key

  /// List of the flows that `endOfIteration` visits.
  private var touchedHead: UInt32 = 0
  /// Maximum number of chunks that one socket may fill in this iteration.
  private(set) var readShare = 1

  // The slices of this batch, and the vectors of one sendmsg or recvmsg.
  static let sliceCapacity = 512
  let slices: UnsafeMutablePointer<BatchSlice>
  var sliceCount: Int16 = 0
  var unsettled = Unsettled()
  let vectors: UnsafeMutablePointer<iovec>
  let message: UnsafeMutablePointer<msghdr>

  /// A piece of payload in the batch's receive buffer.
  struct BatchSlice: BitwiseCopyable {
    var data: UnsafeRawPointer
    var count: UInt32
    var next: Int16
  }

  init(stack: StackCore, dns: DNSIntercept, forwards: OpenForwards, udp: UDPEngine) {
    self.stack = stack
    self.dns = dns
    self.forwards = forwards
    self.udp = udp
    transmitter = stack.transmitter
    flows = Slab(capacity: stack.config.maximumFlows)
    table = FlowTable(slab: flows, seed: stack.random.next())
    destinations = Destinations(
      capacity: stack.config.maximumFlows, seed: stack.random.next())
    ranges = Slab(capacity: max(1024, stack.config.maximumFlows / 4))
    scoreboards = Slab(capacity: ranges.capacity)
    store = SequenceStore(stack: stack, capacity: stack.config.maximumFlows * 2)
    // Guests see parts of the generator's later output, from which the key must not be derivable.
    sequenceKey = SipHash.Key(low: stack.random.next(), high: stack.random.next())
    var later = SipHash(key: sequenceKey)
    stack.random = RandomSource(seed: later.finish())
    slices = .allocate(capacity: Self.sliceCapacity)
    vectors = .allocate(capacity: Self.sliceCapacity + 128)
    vectors.initialize(repeating: iovec(), count: Self.sliceCapacity + 128)
    message = .allocate(capacity: 1)
    message.initialize(to: msghdr())
  }

  deinit {
    slices.deallocate()
    vectors.deallocate()
    message.deallocate()
  }

  /// Number of connections in any state.
  package var flowCount: Int { table.count }

  /// Slot index of a flow.
  @inline(__always)
  func index(of flow: FlowPointer) -> UInt32 {
    UInt32(truncatingIfNeeded: flow - flows.baseAddress)
  }

  @inline(__always)
  func token(of flow: FlowPointer) -> EventToken {
    let index = index(of: flow)
    return EventToken(.tcp, index: index, generation: flows.generation(index))
  }

  // MARK: Iterations

  /// Divides the bytes read in this iteration among the sockets with data.
  @inline(__always)
  func shareReads(among count: Int) {
    let bytes = min(stack.config.readMaximum, stack.config.readPerIteration / max(1, count))
    // One sendmsg or recvmsg, and one flow, hold less than 64 chunks.
    readShare = max(1, min(bytes / ChunkPool.chunkSize, 60))
  }

  /// Adds the flow to the list that `endOfIteration` visits.
  @inline(__always)
  func touch(_ flow: FlowPointer, _ reason: TCPFlowFlags) {
    if !flow.pointee.flags.contains(.isTouched) {
      flow.pointee.nextTouched = touchedHead
      touchedHead = index(of: flow)
    }
    flow.pointee.flags.formUnion([reason, .isTouched])
  }

  /// Sends everything that this iteration's segments, events and timers have made due.
  func endOfIteration() {
    takeRefused()
    while touchedHead != 0 {
      let index = touchedHead
      let flow = flows.pointer(index)
      touchedHead = flow.pointee.nextTouched
      flow.pointee.nextTouched = 0
      // The flow stays marked, so that it is not added to the list again meanwhile. Bytes that filled a hole are in the
      // store, not in slices.
      if flow.pointee.receiver.batchHead >= 0 || flow.pointee.receiver.pendingCount > 0
        || flow.pointee.receiver.flags.contains(.finSeen)
      {
        flushToHost(flow)
      }
      if flow.pointee.state != .closed { output(flow) }
      flow.pointee.flags.remove(.isTouched)
      if flow.pointee.state == .closed { free(flow) }
    }
    sliceCount = 0
  }

  /// Frees the slots of flows that were closed in this iteration; sends nothing.
  func freeClosed() {
    var previous: UInt32 = 0
    var index = touchedHead
    while index != 0 {
      let flow = flows.pointer(index)
      let next = flow.pointee.nextTouched
      if flow.pointee.state == .closed {
        if previous == 0 {
          touchedHead = next
        } else {
          flows.pointer(previous).pointee.nextTouched = next
        }
        flow.pointee.flags.remove(.isTouched)
        free(flow)
      } else {
        previous = index
      }
      index = next
    }
  }

  /// Frees the slot; called only from `endOfIteration` and `linkReady`, when the flow is on no list.
  private func free(_ flow: FlowPointer) {
    guard !flow.pointee.flags.contains(.isWaiting) else { return }
    flows.remove(index(of: flow))
  }

  // MARK: Links

  /// Adds the flow to the list of those that wait until the link takes frames.
  func waitForLink(_ flow: FlowPointer) {
    guard !flow.pointee.flags.contains(.isWaiting), stack.links.isTaken(flow.pointee.key.link)
    else { return }
    let link = stack.links.pointer(flow.pointee.key.link)
    let index = index(of: flow)
    flow.pointee.nextWaiting = 0
    if link.pointee.waitingFlows == 0 {
      link.pointee.waitingFlows = index
    } else {
      flows.pointer(link.pointee.lastWaiting).pointee.nextWaiting = index
    }
    link.pointee.lastWaiting = index
    flow.pointee.flags.insert(.isWaiting)
  }

  /// The link takes frames again: waiting flows send in the order in which they began to wait, until the link is full. A
  /// flow with much data does not starve others.
  func linkReady(_ link: UInt32) {
    let state = stack.links.pointer(link)
    let last = state.pointee.lastWaiting
    while state.pointee.waitingFlows != 0, !state.pointee.isBlocked {
      let index = state.pointee.waitingFlows
      let flow = stopWaiting(index, state)
      if flow.pointee.state == .closed {
        // The slot of a closed flow was kept because of the list.
        touch(flow, [])
      } else {
        output(flow)
      }
      if index == last { break }
    }
  }

  /// Removes the first flow that waits for a link from the list.
  private func stopWaiting(_ index: UInt32, _ link: UnsafeMutablePointer<Link>) -> FlowPointer {
    let flow = flows.pointer(index)
    link.pointee.waitingFlows = flow.pointee.nextWaiting
    if link.pointee.waitingFlows == 0 { link.pointee.lastWaiting = 0 }
    flow.pointee.nextWaiting = 0
    flow.pointee.flags.remove(.isWaiting)
    return flow
  }

  /// A link was removed: empties its list.
  private func endWaiting(_ link: UInt32) {
    let state = stack.links.pointer(link)
    while state.pointee.waitingFlows != 0 {
      touch(stopWaiting(state.pointee.waitingFlows, state), [])
    }
  }

  /// Handles frames that the host refused: their bytes are sent again later.
  @inline(__always)
  func takeRefused() {
    if transmitter.hasRefused { transmitter.takeRefused { frameRefused(flow: $0, sequence: $1) } }
  }

  /// Passes the queued frames to the host.
  func flush() {
    transmitter.flush()
    takeRefused()
  }

  private func frameRefused(flow index: UInt32, sequence: UInt32) {
    guard flows.isTaken(index) else { return }
    let flow = flows.pointer(index)
    switch flow.pointee.state {
    case .closed, .detached: return
    case .synSent, .synReceived:
      flow.pointee.flags.insert(.synDue)
    default:
      // A probe is about acknowledged bytes and needs no correction.
      if Sequence32.lessOrEqual(flow.pointee.sender.unacknowledged, sequence),
        Sequence32.less(sequence, flow.pointee.sender.next), takeBack(flow, sequence)
      {
        flow.pointee.sender.next = sequence
      }
      flow.pointee.flags.insert(.ackDue)
    }
    flow.pointee.flags.insert(.outputDue)
    flow.pointee.sender.flags.remove(.isTiming)
    waitForLink(flow)
  }

  /// A link was removed: its flows are reset towards the host, unless the guest had sent its FIN.
  func linkDown(_ link: UInt32, _ departure: inout Departure) {
    forEachFlow { flow in
      if flow.pointee.key.link == link { guestLeft(flow, &departure) }
    }
    endWaiting(link)
    endOfIteration()
  }

  /// Stations behind a link were removed, and the link stays. Flows of a guest that continues with another Ethernet address
  /// are kept.
  func stationsDown(
    _ stations: Set<MACAddress>, on link: UInt32, _ departure: inout Departure
  ) {
    forEachFlow { flow in
      guard flow.pointee.key.link == link else { return }
      let mac = stack.currentMAC(flow.pointee.guestMAC, of: flow.pointee.key.guest, on: link)
      if stations.contains(mac) { guestLeft(flow, &departure) }
    }
    endOfIteration()
  }

  /// Calls `body` for every flow that is not closed. Its cost is that of the whole table.
  func forEachFlow(_ body: (FlowPointer) -> Void) {
    var index: UInt32 = 1
    while index < flows.endIndex {
      if flows.isTaken(index), flows.pointer(index).pointee.state != .closed {
        body(flows.pointer(index))
      }
      index &+= 1
    }
  }

  func shutDown() {
    // If the guest had finished, bytes in the kernel are still sent.
    var departure = Departure(atOnce: .max)
    forEachFlow { guestLeft($0, &departure) }
    forEachFlow { abandon($0) }
    endOfIteration()
    _ = settle()
  }
}
