// SPDX-License-Identifier: Apache-2.0
//
// Deferred work: socket options, changes of epoll interest, closing of descriptors. It is done after the iteration's frames
// have been sent, so that the guest can process them meanwhile. Several changes of a flow's interest cost one system call,
// or none.

import LibC

/// Flows and descriptors with deferred work; memory of fixed size.
struct Unsettled: ~Copyable {
  static let capacity = 256
  fileprivate let flows = UnsafeMutablePointer<UInt32>.allocate(capacity: capacity)
  fileprivate let descriptors = UnsafeMutablePointer<Int32>.allocate(capacity: capacity)
  fileprivate var flowCount = 0
  fileprivate var descriptorCount = 0

  deinit {
    flows.deallocate()
    descriptors.deallocate()
  }
}

extension TCPEngine {
  /// Sets the events to be watched from the end of this iteration on.
  @inline(__always)
  func setInterest(_ flow: FlowPointer, _ interest: FDEvents) {
    guard interest != flow.pointee.interest else { return }
    flow.pointee.interest = interest
    settleLater(flow)
  }

  /// Schedules the flow for `settle`.
  @inline(__always)
  func settleLater(_ flow: FlowPointer) {
    guard !flow.pointee.flags.contains(.isUnsettled) else { return }
    if unsettled.flowCount == Unsettled.capacity { settleFlows() }
    flow.pointee.flags.insert(.isUnsettled)
    unsettled.flows[unsettled.flowCount] = index(of: flow)
    unsettled.flowCount &+= 1
  }

  /// Closes a socket in order, with deferred work.
  /// - Parameter resetsOnClose: SO_LINGER is set and must be cleared first.
  func closeLater(_ fd: Int32, resetsOnClose: Bool) {
    if unsettled.descriptorCount == Unsettled.capacity { closeDescriptors() }
    unsettled.descriptors[unsettled.descriptorCount] = resetsOnClose ? ~fd : fd
    unsettled.descriptorCount &+= 1
  }

  /// Does the deferred work. Called after `endOfIteration` and after the frames have been sent. Flows whose socket cannot
  /// be watched are reset. True if there are such flows, and frames to send.
  func settle() -> Bool {
    let isAnyLost = unsettled.flowCount > 0 && settleFlows()
    closeDescriptors()
    return isAnyLost
  }

  @discardableResult
  private func settleFlows() -> Bool {
    var isAnyLost = false
    let count = unsettled.flowCount
    unsettled.flowCount = 0
    for place in 0..<count {
      let index = unsettled.flows[place]
      guard flows.isTaken(index) else { continue }
      let flow = flows.pointer(index)
      guard flow.pointee.flags.contains(.isUnsettled) else { continue }
      flow.pointee.flags.remove(.isUnsettled)
      if !watch(flow) {
        if exhaustionLogLimit.take(now: stack.now) {
          stack.host.log(.error, "tcp: a socket cannot be watched")
        }
        resetGuest(flow)
        isAnyLost = true
      }
    }
    return isAnyLost
  }

  private func closeDescriptors() {
    while unsettled.descriptorCount > 0 {
      unsettled.descriptorCount &-= 1
      var fd = unsettled.descriptors[unsettled.descriptorCount]
      if fd < 0 {
        fd = ~fd
        stack.calls.setResetOnClose(fd, false)
      }
      _ = stack.calls.close(stack.calls.context, fd)
    }
  }

  /// Applies `interest` to the watch; false if the host refuses. Without interest the watch is removed: EPOLLHUP would
  /// otherwise be reported in each iteration.
  private func watch(_ flow: FlowPointer) -> Bool {
    let interest = flow.pointee.interest
    guard flow.pointee.fd >= 0 else { return true }
    if flow.pointee.flags.contains([.resetsOnClose, .hostShut]) {
      flow.pointee.flags.remove(.resetsOnClose)
      stack.calls.setResetOnClose(flow.pointee.fd, false)
    }
    if interest.isEmpty {
      stack.host.unwatch(flow.pointee.watch)
      flow.pointee.watch = 0
    } else if flow.pointee.watch == 0 {
      // Options are set once, not each time reading pauses.
      if flow.pointee.flags.insert(.isPrepared).inserted {
        stack.calls.prepareStream(flow.pointee.fd)
        if !flow.pointee.flags.contains(.hostShut) {
          flow.pointee.flags.insert(.resetsOnClose)
          stack.calls.setResetOnClose(flow.pointee.fd, true)
        }
      }
      flow.pointee.watch = stack.host.watch(
        flow.pointee.fd, events: interest, token: token(of: flow))
      return flow.pointee.watch != 0
    } else {
      stack.host.modify(flow.pointee.watch, events: interest)
    }
    return true
  }

  /// Flags of a flow whose socket comes from a listener that `prepareListener` has set up.
  static let accepted: TCPFlowFlags = [.isPrepared, .resetsOnClose, .isKeptAlive]
}
