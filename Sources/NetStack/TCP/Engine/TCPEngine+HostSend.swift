// SPDX-License-Identifier: Apache-2.0
//
// Guest to host: one sendmsg per flow and iteration, the rest waits in the store.

import LibC
import Wire

extension TCPEngine {
  /// Sends what this batch brought, and deals with the guest's FIN. The slices are invalid after.
  func flushToHost(_ flow: FlowPointer) {
    guard flow.pointee.state != .closed else {
      flow.pointee.receiver.batchHead = -1
      flow.pointee.receiver.batchTail = -1
      return
    }
    if flow.pointee.receiver.batchHead >= 0 {
      sendSlices(flow)
    } else if flow.pointee.receiver.pendingCount > 0,
      !flow.pointee.interest.contains(.write)
    {
      // With nothing to send it would only ask for a window update, in every iteration of endOfIteration.
      sendPending(flow)
    }
    if flow.pointee.state != .closed { finishReceiving(flow) }
  }

  /// The fast path: nothing waits, the payload goes from the receive buffer to the kernel.
  private func sendSlices(_ flow: FlowPointer) {
    var count = 0
    var total = 0
    var place = flow.pointee.receiver.batchHead
    while place >= 0 {
      let slice = slices[Int(place)]
      vectors[count] = iovec(
        iov_base: UnsafeMutableRawPointer(mutating: slice.data), iov_len: Int(slice.count))
      count &+= 1
      total &+= Int(slice.count)
      place = slice.next
    }
    flow.pointee.receiver.batchHead = -1
    flow.pointee.receiver.batchTail = -1

    // The kernel has not said that it has room again: don't ask.
    var sent = 0
    if !flow.pointee.interest.contains(.write) {
      sent = send(flow, vectorCount: count)
      if sent < 0 { return }
    }
    counters.bytesToHost &+= UInt64(sent)
    flow.pointee.receiver.hostNext &+= UInt32(truncatingIfNeeded: sent)
    if sent < total { keepRest(flow, vectorCount: count, sent: sent) }
    updateWriteInterest(flow)
  }

  /// Copies what the kernel did not take. What finds no room was never received: nothing of
  /// this batch has been acknowledged yet.
  private func keepRest(_ flow: FlowPointer, vectorCount: Int, sent: Int) {
    var skip = sent
    var at = flow.pointee.receiver.hostNext
    for index in 0..<vectorCount {
      let vector = vectors[index]
      if skip >= vector.iov_len {
        skip &-= vector.iov_len
        continue
      }
      guard let base = vector.iov_base else { continue }
      let rest = ByteView(UnsafeRawPointer(base) + skip, count: vector.iov_len &- skip)
      skip = 0
      let written = store.write(
        &flow.pointee.receiver.table, at: at, rest, share: flow.pointee.share)
      at &+= UInt32(truncatingIfNeeded: written)
      if written < rest.count {
        counters.storeExhausted &+= 1
        flow.pointee.receiver.next = at
        return
      }
    }
  }

  /// Sends from the store until it is empty or the kernel is full.
  func sendPending(_ flow: FlowPointer) {
    while flow.pointee.receiver.pendingCount > 0 {
      var count = 0
      var total = 0
      let pending = Int(flow.pointee.receiver.pendingCount)
      while total < pending, count < ChunkTable.slotCount {
        guard
          let slice = store.slice(
            flow.pointee.receiver.table,
            at: flow.pointee.receiver.hostNext &+ UInt32(truncatingIfNeeded: total),
            count: pending &- total)
        else { break }
        vectors[count] = iovec(
          iov_base: UnsafeMutableRawPointer(mutating: slice.data), iov_len: Int(slice.length))
        count &+= 1
        total &+= Int(slice.length)
      }
      guard count > 0 else { break }
      let sent = send(flow, vectorCount: count)
      if sent < 0 { return }
      counters.bytesToHost &+= UInt64(sent)
      let from = flow.pointee.receiver.hostNext
      flow.pointee.receiver.hostNext &+= UInt32(truncatingIfNeeded: sent)
      if flow.pointee.receiver.pendingCount == 0, flow.pointee.receiver.reassembly == 0 {
        store.releaseAll(&flow.pointee.receiver.table)
      } else {
        store.release(
          &flow.pointee.receiver.table, from: from, to: flow.pointee.receiver.hostNext,
          isLast: false)
      }
      if sent < total { break }
    }
    updateWriteInterest(flow)
    // The window has grown; say so when it matters to the guest.
    let growth = Sequence32.distance(from: flow.pointee.receiver.edge, to: windowEdge(flow))
    let offered = Sequence32.distance(
      from: flow.pointee.receiver.next, to: flow.pointee.receiver.edge)
    let limit = receiveLimit(flow)
    if growth >= limit / 4 || (growth > 0 && offered < limit / 8) {
      touch(flow, .ackDue)
    }
  }

  /// One sendmsg of the first `vectorCount` vectors: bytes taken, 0 when the kernel is full; -1 when
  /// the host's side has failed.
  private func send(_ flow: FlowPointer, vectorCount: Int) -> Int {
    message.pointee.msg_iov = vectors
    // The type of msg_iovlen differs between systems.
    message.pointee.msg_iovlen = .init(truncatingIfNeeded: vectorCount)
    let sent = stack.calls.sendMessage(
      stack.calls.context, flow.pointee.fd, message, Int32(MSG_NOSIGNAL))
    if sent >= 0 { return sent }
    let code = Int32(truncatingIfNeeded: 0 &- sent)
    if code == EAGAIN || code == ENOBUFS || code == ENOMEM { return 0 }
    hostFailed(flow)
    return -1
  }

  private func updateWriteInterest(_ flow: FlowPointer) {
    if flow.pointee.receiver.pendingCount > 0 {
      setInterest(flow, flow.pointee.interest.union(.write))
    } else {
      setInterest(flow, flow.pointee.interest.subtracting(.write))
    }
  }

  /// The guest's FIN, and passing it on when the kernel has all.
  func finishReceiving(_ flow: FlowPointer) {
    takeFinIfDue(flow)
    if flow.pointee.state != .closed { shutHostIfDone(flow) }
  }

  /// Half-closes the socket once the guest's last byte is in the kernel.
  func shutHostIfDone(_ flow: FlowPointer) {
    guard flow.pointee.receiver.flags.contains(.finTaken), !flow.pointee.flags.contains(.hostShut),
      flow.pointee.receiver.pendingCount == 0, flow.pointee.fd >= 0
    else { return }
    flow.pointee.flags.insert(.hostShut)
    // Closing, if the other direction is over as well, says the same.
    if !flow.pointee.flags.contains(.hostFinished) {
      _ = stack.calls.shutdown(stack.calls.context, flow.pointee.fd, Int32(SHUT_WR))
      // The guest has said all: what the kernel took is to arrive even if this process ends.
      if flow.pointee.flags.contains(.resetsOnClose) { settleLater(flow) }
    }
    closeHostIfDone(flow)
  }
}
