// SPDX-License-Identifier: Apache-2.0
//
// TCP between guests and host sockets (RFC 9293): the guest's connection ends here, and an
// ordinary non-blocking socket carries its bytes on.
//
// Theory of operation
//   During a batch of frames, `input` only advances state: payload that is in order is kept as
//   slices of the receive buffer, flows that changed are put on the touched list. `endOfIteration`
//   walks that list once: one sendmsg per flow, what the kernel did not take is copied to the
//   flow's pending store, then data, or one ACK, goes out. Events of sockets and timers end the
//   same way. So a batch costs one system call and one ACK per flow, whatever its length.
//   Acknowledged means: the kernel or our store has it. The window offered is what
//   the store can still take, so data is never dropped for want of room.
//
// ACKs are delayed only in flows of question and answer, where they ride on the answer: a batch has
// one already, and a guest that waits for it with Nagle's algorithm must not be held up.
//
// Left out on purpose: timestamps (RFC 7323 §3-5), for a segment here cannot be older than the
// queue of the link, far younger than a wrap of the sequence numbers, and one round trip timed
// each window is enough.
//
// A connection has two halves, which are values: TCPSender and TCPReceiver. The files of this folder:
// Connect and Accept (how a flow begins), Input, Acknowledge, Reports and Receive (a segment), HostSend and
// HostReceive (the socket), Output and Segment (towards the guest), Settle (what can wait until the
// frames are out), Shares, PathMTU, GuestErrors, Timers, KeepAlive, Close, Finish, Detach, Idle. Loop
// thread only.

import LibC
import Wire

typealias FlowPointer = UnsafeMutablePointer<TCPFlow>

/// What happened so far; shown by `status`.
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
  /// Losses towards guests that were found before a timeout, once for each window of data.
  package var lossRecoveries: UInt64 = 0
  package var timeouts: UInt64 = 0
  /// Of these, the ones after which it was seen that nothing was lost.
  package var spuriousTimeouts: UInt64 = 0
  package var tailProbes: UInt64 = 0
  package var challenges: UInt64 = 0
  package var badChecksums: UInt64 = 0
  package var storeExhausted: UInt64 = 0
}

/// TCP flows of all links.
package final class TCPEngine {
  let stack: StackCore
  let transmitter: Transmitter
  let dns: DNSIntercept
  let forwards: OpenForwards
  /// For the descriptors it has.
  let udp: UDPEngine
  var flows: Slab<TCPFlow>
  var table: FlowTable
  /// What arrived out of order, and what is under way to guests; of both together as many as of one.
  var ranges: Slab<SequenceRanges>
  var scoreboards: Slab<SACKScoreboard>
  let store: SequenceStore

  package internal(set) var counters = TCPCounters()
  var timeWaitCount = 0
  /// Sockets of all connections, and connections that are half open.
  var socketCount = 0
  var halfOpenCount = 0
  var destinations: Destinations
  var exhaustionLogLimit = TokenBucket(burst: 1, interval: 10_000_000_000)
  /// Key of the initial sequence numbers (RFC 6528).
  let sequenceKey: SipHash.Key

  /// Flows that `endOfIteration` looks at.
  private var touchedHead: UInt32 = 0
  /// Chunks that one socket may fill in this iteration.
  private(set) var readShare = 1

  // The slices of this batch, and room for what goes to one sendmsg or recvmsg.
  static let sliceCapacity = 512
  let slices: UnsafeMutablePointer<BatchSlice>
  var sliceCount: Int16 = 0
  var unsettled = Unsettled()
  let vectors: UnsafeMutablePointer<iovec>
  let message: UnsafeMutablePointer<msghdr>

  /// A piece of payload in the receive buffer of this batch.
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
    // What the generator gives out later, guests see parts of: it must not lead back to the key.
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

  /// Connections of all states.
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

  /// Divides what is read in this iteration by the number of those that have something.
  @inline(__always)
  func shareReads(among count: Int) {
    let bytes = min(stack.config.readMaximum, stack.config.readPerIteration / max(1, count))
    // What one sendmsg or recvmsg, and one flow, can hold is below 64 chunks.
    readShare = max(1, min(bytes / ChunkPool.chunkSize, 60))
  }

  /// Makes `endOfIteration` look at the flow.
  @inline(__always)
  func touch(_ flow: FlowPointer, _ reason: TCPFlowFlags) {
    if !flow.pointee.flags.contains(.isTouched) {
      flow.pointee.nextTouched = touchedHead
      touchedHead = index(of: flow)
    }
    flow.pointee.flags.formUnion([reason, .isTouched])
  }

  /// See the head of this file.
  func endOfIteration() {
    takeRefused()
    while touchedHead != 0 {
      let index = touchedHead
      let flow = flows.pointer(index)
      touchedHead = flow.pointee.nextTouched
      flow.pointee.nextTouched = 0
      // It stays marked, so that what happens here does not put it on the list again. Bytes
      // that closed a hole are in the store, not among the slices.
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

  /// Frees the slots of flows that were closed in this iteration, without sending anything.
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

  /// Gives the slot back; only from `endOfIteration` and `linkReady`, when no list holds it.
  private func free(_ flow: FlowPointer) {
    guard !flow.pointee.flags.contains(.isWaiting) else { return }
    flows.remove(index(of: flow))
  }

  // MARK: Links

  /// Makes the flow wait until its link takes frames again.
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

  /// The link takes frames again: the flows that wait have their turn, in the order in which they
  /// began to, until it is full again. So a flow with much to send does not keep others from it.
  func linkReady(_ link: UInt32) {
    let state = stack.links.pointer(link)
    let last = state.pointee.lastWaiting
    while state.pointee.waitingFlows != 0, !state.pointee.isBlocked {
      let index = state.pointee.waitingFlows
      let flow = stopWaiting(index, state)
      if flow.pointee.state == .closed {
        // Its slot was kept for the list.
        touch(flow, [])
      } else {
        output(flow)
      }
      if index == last { break }
    }
  }

  /// Takes the first of the flows that wait for a link out of its list.
  private func stopWaiting(_ index: UInt32, _ link: UnsafeMutablePointer<Link>) -> FlowPointer {
    let flow = flows.pointer(index)
    link.pointee.waitingFlows = flow.pointee.nextWaiting
    if link.pointee.waitingFlows == 0 { link.pointee.lastWaiting = 0 }
    flow.pointee.nextWaiting = 0
    flow.pointee.flags.remove(.isWaiting)
    return flow
  }

  /// A link goes: nothing waits for it any more.
  private func endWaiting(_ link: UInt32) {
    let state = stack.links.pointer(link)
    while state.pointee.waitingFlows != 0 {
      touch(stopWaiting(state.pointee.waitingFlows, state), [])
    }
  }

  /// Frames that the host did not take: their bytes go out again when it can.
  @inline(__always)
  func takeRefused() {
    if transmitter.hasRefused { transmitter.takeRefused { frameRefused(flow: $0, sequence: $1) } }
  }

  /// Sends what is collected.
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
      // A probe is about what was acknowledged, and moves nothing.
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

  /// The link is gone: its flows are reset towards the host, unless the guest had said all.
  func linkDown(_ link: UInt32, _ departure: inout Departure) {
    forEachFlow { flow in
      if flow.pointee.key.link == link { guestLeft(flow, &departure) }
    }
    endWaiting(link)
    endOfIteration()
  }

  /// Stations behind a link that stays up are gone; a guest that goes on with another Ethernet address
  /// is not.
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

  /// Calls `body` for every flow that is not closed. Cold paths only.
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
    // What the kernel took is still sent, where the guest had finished.
    var departure = Departure(atOnce: .max)
    forEachFlow { guestLeft($0, &departure) }
    forEachFlow { abandon($0) }
    endOfIteration()
    _ = settle()
  }
}
