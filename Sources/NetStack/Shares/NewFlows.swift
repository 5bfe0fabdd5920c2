// SPDX-License-Identifier: Apache-2.0
//
// Limits how many flows a guest may begin in one loop iteration.
//
// The first packet of a flow costs several system calls, about a hundred times the cost of other packets, so that a batch
// of SYNs could hold the loop for long. A few flows of each guest begin at once; the first packets of others are kept here,
// complete and in order. When the ports have been read, and in each iteration after that, a few more of each guest begin,
// in round-robin order. A single guest hardly notices, since iterations follow each other at once.
//
// A guest's limit of new flows per second (GuestLimits) is enforced here, too: packets beyond it are dropped, and the
// sender retransmits.
//
// The stack does not see the host's iterations: an iteration has ended when the timer fires that was set when a packet was
// first kept, or, with none kept, after a millisecond. Kept packets are bounded in number and size, and shared by dynamic
// thresholds; packets without room are dropped. Thread: loop only.

import Wire

/// The queue of first packets of new flows.
final class NewFlows {
  /// Maximum number of kept packets, and maximum length of one.
  private static let capacity = 1024
  private static let longest = 2048
  /// Maximum for all guests together in one iteration.
  private static let mostPerIteration = 64
  private static let turn: UInt64 = 1_000_000

  private struct Waiting: BitwiseCopyable {
    var packet: InboundPacket
    var generation: UInt32
    var next: UInt32 = 0
  }

  private let links: LinkTable
  private let table: ShareTable
  private let perIteration: UInt32
  private var slots = Slab<Waiting>(capacity: NewFlows.capacity)
  private let bytes = MappedRegion(byteCount: (NewFlows.capacity + 1) * NewFlows.longest)
  /// Slots whose packets are in use until the end of the iteration, and the highest slot since the last one.
  private var finished: [UInt32] = []
  private var highest: UInt32 = 0
  /// Shares with kept packets, in round-robin order.
  private var shares: [UInt32] = []
  /// The packet that was kept or dropped last: a GSO frame calls `admits` for each datagram in it.
  private var last: UnsafeRawPointer?
  private var isReplaying = false

  /// New flows of a guest per second; 0: unlimited.
  private var perSecond: UInt64 = 0
  private var limitRevision: UInt32 = 0

  init(links: LinkTable, shares: ShareTable, perIteration: Int) {
    self.links = links
    table = shares
    self.perIteration = UInt32(clamping: max(1, perIteration))
  }

  /// When the next flows begin, nanoseconds; nil if no packet is kept.
  private(set) var deadline: UInt64?

  /// Number of kept packets.
  var count: Int { slots.count }

  func setLimit(perSecond limit: UInt64) {
    guard limit != perSecond else { return }
    perSecond = limit
    limitRevision &+= 1
  }

  private func isWithinLimit(_ state: UnsafeMutablePointer<Share>, _ now: UInt64) -> Bool {
    if state.pointee.limitRevision != limitRevision {
      state.pointee.limitRevision = limitRevision
      state.pointee.newFlowTokens = TokenBucket(
        burst: perSecond, interval: max(1, 1_000_000_000 / perSecond))
    }
    if state.pointee.newFlowTokens.take(now: now) { return true }
    state.pointee.counters.flowsLimited &+= 1
    return false
  }

  /// Whether a flow may begin with this packet now. If not, the packet was kept or dropped.
  func admits(_ packet: InboundPacket, share: UInt32, now: UInt64) -> Bool {
    let state = table.pointer(share)
    if state.pointee.waiting == 0, now &- state.pointee.turn > Self.turn {
      state.pointee.turn = now
      state.pointee.begun = 0
    }
    if state.pointee.begun < perIteration, state.pointee.waiting == 0 || isReplaying {
      state.pointee.begun &+= 1
      return perSecond == 0 || isWithinLimit(state, now)
    }
    if last != packet.packet.base {
      last = packet.packet.base
      keep(packet, share, state, now)
    }
    return false
  }

  /// The packets of this iteration are no longer in use.
  @inline(__always)
  func endOfIteration() {
    last = nil
    if !finished.isEmpty { release() }
  }

  private func release() {
    for index in finished { slots.remove(index) }
    finished.removeAll(keepingCapacity: true)
    guard slots.count == 0 else { return }
    // Releases the memory used by a burst.
    if highest > 128 { bytes.discard(offset: 0, count: Int(highest) * Self.longest) }
    highest = 0
  }

  private func keep(
    _ packet: InboundPacket, _ share: UInt32, _ state: UnsafeMutablePointer<Share>, _ now: UInt64
  ) {
    guard packet.packet.count <= Self.longest,
      Int(state.pointee.waiting) < Self.capacity &- slots.count
    else {
      state.pointee.counters.dropped &+= 1
      return
    }
    let index = slots.insert(
      Waiting(packet: packet, generation: links.generation(packet.link)))
    guard index != 0 else {
      state.pointee.counters.dropped &+= 1
      return
    }
    state.pointee.counters.delayed &+= 1
    let place = memory(index)
    place.copyMemory(from: packet.packet.base, byteCount: packet.packet.count)
    let kept = slots.pointer(index)
    // The payload ends the packet, except for Ethernet padding.
    let offset = packet.packet.base.distance(to: packet.payload.base)
    let copy = ByteView(place, count: packet.packet.count)
    kept.pointee.packet.packet = copy
    kept.pointee.packet.payload = copy.slice(at: offset, count: packet.payload.count)
    kept.pointee.packet.guess = 0
    if state.pointee.waiting == 0 { shares.append(share) }
    append(index, to: state)
    if deadline == nil { deadline = now }
  }

  private func memory(_ index: UInt32) -> UnsafeMutableRawPointer {
    highest = max(highest, index)
    return bytes.base + Int(index) &* Self.longest
  }

  /// Begins kept flows that are due: calls `dispatch` with each packet, which is valid until the iteration ends.
  func replay(now: UInt64, _ dispatch: (InboundPacket) -> Void) {
    guard deadline != nil else { return }
    deadline = nil
    isReplaying = true
    var left = Self.mostPerIteration
    for _ in 0..<shares.count where left > 0 {
      let share = shares.removeFirst()
      let state = table.pointer(share)
      state.pointee.turn = now
      state.pointee.begun = 0
      // Packets that need no new flow any more are cheap, but not free.
      var looks = 4 &* perIteration
      while state.pointee.waiting > 0, state.pointee.begun < perIteration, looks > 0, left > 0 {
        let before = state.pointee.begun
        begin(state, dispatch)
        left &-= Int(state.pointee.begun &- before)
        looks &-= 1
      }
      if state.pointee.waiting > 0 {
        // In the next iteration its turn comes after the others; until then it begins no flow.
        state.pointee.begun = perIteration
        shares.append(share)
      }
    }
    isReplaying = false
    if !shares.isEmpty { deadline = now &+ 1 }
  }

  private func begin(_ state: UnsafeMutablePointer<Share>, _ dispatch: (InboundPacket) -> Void) {
    let index = state.pointee.firstWaiting
    let waiting = slots.pointer(index).pointee
    state.pointee.firstWaiting = waiting.next
    state.pointee.waiting &-= 1
    last = nil
    let packet = waiting.packet
    if links.isTaken(packet.link, generation: waiting.generation) { dispatch(packet) }
    finished.append(index)
  }

  /// A link was removed.
  func linkDown(_ link: UInt32) {
    shares.removeAll { share in
      let state = table.pointer(share)
      guard state.pointee.link == link else { return false }
      while state.pointee.waiting > 0 { begin(state) { _ in } }
      return true
    }
  }

  /// Stations behind a link that stays up are gone: drops their packets, and keeps those of others in order.
  func stationsDown(_ stations: Set<MACAddress>, on link: UInt32) {
    shares.removeAll { share in
      let state = table.pointer(share)
      var (index, left) = (state.pointee.firstWaiting, state.pointee.waiting)
      state.pointee.waiting = 0
      while left > 0 {
        let waiting = slots.pointer(index)
        if waiting.pointee.packet.link == link, stations.contains(waiting.pointee.packet.sourceMAC)
        {
          finished.append(index)
        } else {
          append(index, to: state)
        }
        index = waiting.pointee.next
        left &-= 1
      }
      return state.pointee.waiting == 0
    }
  }

  private func append(_ index: UInt32, to state: UnsafeMutablePointer<Share>) {
    if state.pointee.waiting == 0 {
      state.pointee.firstWaiting = index
    } else {
      slots.pointer(state.pointee.lastWaiting).pointee.next = index
    }
    state.pointee.lastWaiting = index
    state.pointee.waiting &+= 1
  }
}
