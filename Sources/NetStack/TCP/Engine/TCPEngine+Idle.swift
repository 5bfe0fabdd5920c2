// SPDX-License-Identifier: Apache-2.0
//
// The order of connections by last use, for eviction.

extension TCPEngine {
  /// Records that the flow was used now.
  @inline(__always)
  func noteUse(_ flow: FlowPointer) {
    if UseList.isStale(flow.pointee.lastActivity, now: stack.now) { noteUseInShare(flow) }
    flow.pointee.lastActivity = stack.now
  }

  private func noteUseInShare(_ flow: FlowPointer) {
    guard !flow.pointee.flags.contains(.isHalfOpen) else { return }
    stack.shares.pointer(flow.pointee.share).pointee.flowOrder.touch(index(of: flow), in: flows)
  }
}
