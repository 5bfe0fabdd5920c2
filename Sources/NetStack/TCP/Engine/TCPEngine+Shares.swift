// SPDX-License-Identifier: Apache-2.0
//
// Limits of connections per guest, and the choice of the connection that is closed for a new one (ShareTable).
//
// - Half-open connections: a fixed number per guest, and four times that in total. At the total the oldest of the guest
//   with the most is closed if it is older than a second (RFC 4987 §3.4); otherwise the new SYN is dropped, and the guest
//   retransmits it.
// - Lists of sequence ranges (loss): a dynamic threshold; a guest may take one more while it holds fewer than are free.
// - All connections: limited by slots and descriptors. At the limit the connection idle for the longest time of the guest
//   with the most is closed.
// - Connections to one remote endpoint: see Destinations.

import Wire

extension TCPEngine {
  /// Maximum number of connections without a socket that eviction skips.
  private static let mostPassedOver = 256
  /// Minimum idle time, nanoseconds, of a connection that is closed for another one, unless its guest has more than twice
  /// as many.
  private static let idleTime: UInt64 = 1_000_000_000

  // MARK: Belonging

  func joinShare(_ flow: FlowPointer, _ share: UInt32) {
    let index = index(of: flow)
    let state = stack.shares.pointer(share)
    flow.pointee.share = share
    state.pointee.flows &+= 1
    if flow.pointee.state == .connecting {
      flow.pointee.flags.insert(.isHalfOpen)
      state.pointee.halfOpen &+= 1
      halfOpenCount &+= 1
      state.pointee.halfOpenOrder.append(index, in: flows)
    } else {
      state.pointee.flowOrder.append(index, in: flows)
    }
  }

  func leaveShare(_ flow: FlowPointer) {
    let state = stack.shares.pointer(flow.pointee.share)
    if flow.pointee.flags.contains(.isHalfOpen) {
      leaveHalfOpen(flow, state)
    } else {
      state.pointee.flowOrder.remove(index(of: flow), in: flows)
    }
    state.pointee.flows &-= 1
    leaveDestination(flow)
  }

  /// The flow's socket is closed, and no longer occupies a local port number of the host.
  func leaveDestination(_ flow: FlowPointer) {
    guard flow.pointee.flags.contains(.isCounted) else { return }
    flow.pointee.flags.remove(.isCounted)
    destinations.gave(flow.pointee.share, flow.pointee.key)
    stack.shares.pointer(flow.pointee.share).pointee.begunConnections &-= 1
  }

  private func leaveHalfOpen(_ flow: FlowPointer, _ state: UnsafeMutablePointer<Share>) {
    flow.pointee.flags.remove(.isHalfOpen)
    state.pointee.halfOpen &-= 1
    halfOpenCount &-= 1
    state.pointee.halfOpenOrder.remove(index(of: flow), in: flows)
  }

  /// The connection is established on both sides and no longer half open.
  func shareAccepted(_ flow: FlowPointer) {
    guard flow.pointee.flags.contains(.isHalfOpen) else { return }
    let state = stack.shares.pointer(flow.pointee.share)
    leaveHalfOpen(flow, state)
    state.pointee.flowOrder.append(index(of: flow), in: flows)
  }

  /// Moves the flow to the share of its guest's station, which was unknown when the connection was opened.
  func moveShare(_ flow: FlowPointer, to station: MACAddress) {
    let share = stack.shares.of(flow.pointee.key.link, station)
    guard share != flow.pointee.share, flow.pointee.sender.table == 0,
      flow.pointee.receiver.table == 0
    else { return }
    leaveShare(flow)
    joinShare(flow, share)
  }

  // MARK: Having one more

  /// Whether a guest's SYN may create a connection; closes another one if needed.
  func admits(_ share: UInt32, _ key: FlowKey) -> Bool {
    let state = stack.shares.pointer(share)
    guard admitsHalfOpen(share, state) else {
      state.pointee.counters.refused &+= 1
      return false
    }
    guard destinations.admits(share, key, limit: stack.config.maximumPerDestination) else {
      state.pointee.counters.refused &+= 1
      if exhaustionLogLimit.take(now: stack.now) {
        stack.host.log(
          .warning,
          "tcp: a guest has as many connections to one address and port as it may have; "
            + "new ones are not answered")
      }
      return false
    }
    return hasRoom(for: share)
  }

  private func admitsHalfOpen(_ share: UInt32, _ state: UnsafeMutablePointer<Share>) -> Bool {
    let limit = stack.config.maximumHalfOpen
    guard Int(state.pointee.halfOpen) < limit else {
      return dropHalfOpen(state, olderThan: Self.idleTime)
    }
    if halfOpenCount / 4 < limit { return true }
    let victim = stack.shares.pointer(
      stack.shares.busiest(preferring: share) { $0.pointee.halfOpen })
    let isForced = victim.pointee.halfOpen > 2 &* state.pointee.halfOpen &+ 1
    return dropHalfOpen(victim, olderThan: isForced ? 0 : Self.idleTime)
  }

  /// Whether connections and forwards' listeners use all descriptors available to TCP.
  var isFull: Bool { socketCount &+ forwards.listeners.count >= stack.descriptors.tcp }

  /// Whether a connection may be opened; closes another one if needed.
  func hasRoom(for share: UInt32) -> Bool {
    if !isFull || makeRoom(for: share) { return true }
    stack.shares.pointer(share).pointee.counters.refused &+= 1
    return false
  }

  // MARK: Lists of ranges

  /// Whether the guest may hold one more list, of either kind (ShareTable). Without one, out-of-order data is dropped, or
  /// SACK blocks are ignored (recovery by RFC 6582): the guest's own losses take longer to repair, and other guests are not
  /// affected.
  private func mayTakeList(_ share: UnsafeMutablePointer<Share>) -> Bool {
    Int(share.pointee.ranges) < ranges.capacity &- ranges.count &- scoreboards.count
  }

  /// Allocates an empty list of out-of-order ranges; 0 if there is none.
  func takeRanges(_ flow: FlowPointer) -> UInt32 {
    let share = stack.shares.pointer(flow.pointee.share)
    guard mayTakeList(share) else { return 0 }
    let slot = ranges.insert(SequenceRanges())
    if slot != 0 { share.pointee.ranges &+= 1 }
    return slot
  }

  /// Allocates a scoreboard, which the caller initialises; 0 if there is none.
  func takeScoreboard(_ flow: FlowPointer) -> UInt32 {
    let share = stack.shares.pointer(flow.pointee.share)
    guard mayTakeList(share) else { return 0 }
    let slot = scoreboards.take()
    if slot != 0 { share.pointee.ranges &+= 1 }
    return slot
  }

  /// Frees the list of out-of-order ranges, if any.
  func giveRanges(_ flow: FlowPointer) {
    guard flow.pointee.receiver.reassembly != 0 else { return }
    ranges.remove(flow.pointee.receiver.reassembly)
    flow.pointee.receiver.reassembly = 0
    stack.shares.pointer(flow.pointee.share).pointee.ranges &-= 1
  }

  /// Frees the scoreboard: the sender then has the time of the last burst only.
  func giveScoreboard(_ flow: FlowPointer) {
    flow.pointee.sender.flags.remove(.isMarked)
    guard flow.pointee.sender.scoreboard != 0 else { return }
    scoreboards.remove(flow.pointee.sender.scoreboard)
    flow.pointee.sender.scoreboard = 0
    stack.shares.pointer(flow.pointee.share).pointee.ranges &-= 1
  }

  // MARK: Making room

  /// Closes a connection of the guest with the most connections. False if none may be closed.
  func makeRoom(for share: UInt32) -> Bool {
    let victim = stack.shares.busiest(preferring: share) { $0.pointee.flows }
    let state = stack.shares.pointer(victim)
    let isForced = state.pointee.flows > 2 &* stack.shares.pointer(share).pointee.flows &+ 1
    if dropHalfOpen(state, olderThan: isForced ? 0 : Self.idleTime) { return true }
    var index = state.pointee.flowOrder.oldest
    var passed = 0
    while index != 0, passed < Self.mostPassedOver {
      let flow = flows.pointer(index)
      guard isForced || stack.now &- flow.pointee.lastActivity > Self.idleTime else { return false }
      if flow.pointee.fd >= 0 || flow.pointee.state == .timeWait {
        evict(flow)
        return true
      }
      index = flow.pointee.newer
      passed &+= 1
    }
    return false
  }

  private func dropHalfOpen(_ state: UnsafeMutablePointer<Share>, olderThan age: UInt64) -> Bool {
    let oldest = state.pointee.halfOpenOrder.oldest
    guard oldest != 0, stack.now &- flows.pointer(oldest).pointee.lastActivity >= age else {
      return false
    }
    counters.evicted &+= 1
    state.pointee.counters.evicted &+= 1
    abandon(flows.pointer(oldest))
    return true
  }

  private func evict(_ flow: FlowPointer) {
    counters.evicted &+= 1
    stack.shares.pointer(flow.pointee.share).pointee.counters.evicted &+= 1
    if exhaustionLogLimit.take(now: stack.now) {
      stack.host.log(
        .warning,
        "tcp: out of file descriptors or flows; of the guest with the most connections those idle "
          + "longest are closed (\(counters.evicted) so far)")
    }
    resetGuest(flow)
  }
}
