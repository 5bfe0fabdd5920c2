// SPDX-License-Identifier: Apache-2.0
//
// The ping sockets of guests, with their owners and idle times. ICMPEngine opens them and transfers their messages.
// Loop thread only.

import Wire

/// A guest's echo identifier and its ping socket.
struct ICMPFlow: UseListed {
  /// `guestPort` is the identifier; `remote` is unspecified.
  var key: FlowKey
  var socket: DatagramSocket
  var timer: UInt32 = 0
  var guestMAC: MACAddress
  var lastUsed: UInt64
  /// Sequence number of the last request.
  var lastSequence: UInt16 = 0
  /// The share to which it is charged, and its neighbours in that share's list (ShareTable).
  var share: UInt32
  var older: UInt32 = 0
  var newer: UInt32 = 0
  /// The guest is gone; the socket is closed later (`leave`).
  var isDeparted = false
}

/// Ping sockets of all links.
final class PingSockets {
  private let stack: StackCore
  private let config: ICMPConfig
  var flows: Slab<ICMPFlow>
  var table: FlowTable

  init(stack: StackCore) {
    self.stack = stack
    config = stack.config.icmp
    flows = Slab(capacity: config.maximumFlows)
    table = FlowTable(slab: flows, seed: stack.random.next())
  }

  /// Records a request or a reply.
  func touch(_ index: UInt32) {
    let flow = flows.pointer(index)
    flow.pointee.lastUsed = stack.now
    stack.shares.pointer(flow.pointee.share).pointee.pingOrder.touch(index, in: flows)
  }

  /// Closes the longest idle ping socket of the guest with the most; false when there is none.
  func makeRoom(for share: UInt32) -> Bool {
    evictOldest(of: stack.shares.busiest(preferring: share) { $0.pointee.pings })
  }

  /// Closes the longest idle socket of a guest; false when there is none.
  func evictOldest(of share: UInt32) -> Bool {
    let state = stack.shares.pointer(share)
    let oldest = state.pointee.pingOrder.oldest
    guard oldest != 0 else { return false }
    state.pointee.counters.evicted &+= 1
    close(oldest)
    return true
  }

  /// The guest of a flow is gone. Its socket is closed now or a little later, and counts as the guest's until then.
  private func leave(_ index: UInt32, _ departure: inout Departure) {
    guard !departure.endsNow() else { return close(index) }
    let flow = flows.pointer(index)
    table.remove(index)
    flow.pointee.isDeparted = true
    flow.pointee.key.link = 0
    stack.timers.reschedule(flow.pointee.timer, at: stack.now &+ departure.delay())
  }

  func close(_ index: UInt32) {
    let flow = flows.pointer(index)
    stack.timers.cancel(flow.pointee.timer)
    flow.pointee.socket.close(stack.host, stack.calls)
    // Ignored if it was removed before.
    table.remove(index)
    let share = stack.shares.pointer(flow.pointee.share)
    share.pointee.pings &-= 1
    share.pointee.pingOrder.remove(index, in: flows)
    flows.remove(index)
  }

  func onTimer(_ token: EventToken) {
    guard flows.isTaken(token.index, generation: token.generation) else { return }
    let flow = flows.pointer(token.index)
    flow.pointee.timer = 0
    let deadline = flow.pointee.lastUsed &+ config.idleTime
    if flow.pointee.isDeparted || deadline <= stack.now {
      close(token.index)
    } else {
      flow.pointee.timer = stack.timers.schedule(at: deadline, token: token.rawValue)
    }
  }

  func linkDown(_ link: UInt32, _ departure: inout Departure) {
    for index in 1..<max(flows.endIndex, 1)
    where flows.isTaken(index) && flows.pointer(index).pointee.key.link == link {
      leave(index, &departure)
    }
  }

  /// Stations behind a link that stays up are gone.
  func stationsDown(
    _ stations: Set<MACAddress>, on link: UInt32, _ departure: inout Departure
  ) {
    for index in 1..<max(flows.endIndex, 1) where flows.isTaken(index) {
      let flow = flows.pointer(index)
      guard flow.pointee.key.link == link, stations.contains(flow.pointee.guestMAC) else {
        continue
      }
      leave(index, &departure)
    }
  }

  func shutDown() {
    for index in 1..<max(flows.endIndex, 1) where flows.isTaken(index) { close(index) }
  }
}
