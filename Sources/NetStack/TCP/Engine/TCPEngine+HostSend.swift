// SPDX-License-Identifier: Apache-2.0
//
// From the guest to the host: one sendmsg per flow and iteration; bytes that the kernel does not take wait in the store.

import LibC
import Wire

extension TCPEngine {
  /// Sends the payload received in this batch and processes the guest's FIN. The batch's slices are invalid afterwards.
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
      // With no bytes pending `sendPending` would only cause a window update in each iteration.
      sendPending(flow)
    }
    if flow.pointee.state != .closed { finishReceiving(flow) }
  }

  /// Sends from the receive buffer when no earlier bytes are pending.
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

    // The kernel has not reported room since it was full: no system call.
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

  /// Copies bytes that the kernel did not take into the store. Bytes without room are dropped as if they had not been
  /// received: nothing of this batch has been acknowledged yet.
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

  /// Sends from the store until it is empty or the kernel takes no more.
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
    // Announces the larger window if it is large enough to matter to the guest.
    let growth = Sequence32.distance(from: flow.pointee.receiver.edge, to: windowEdge(flow))
    let offered = Sequence32.distance(
      from: flow.pointee.receiver.next, to: flow.pointee.receiver.edge)
    let limit = receiveLimit(flow)
    if growth >= limit / 4 || (growth > 0 && offered < limit / 8) {
      touch(flow, .ackDue)
    }
  }

  /// One sendmsg of the first `vectorCount` vectors. Returns the number of bytes taken, 0 if the kernel has no room, -1 if
  /// the host socket has failed.
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

  /// Processes the guest's FIN, and passes it on when the kernel has taken all bytes.
  func finishReceiving(_ flow: FlowPointer) {
    takeFinIfDue(flow)
    if flow.pointee.state != .closed { shutHostIfDone(flow) }
  }

  /// Half-closes the host socket when the kernel has taken the guest's last byte.
  func shutHostIfDone(_ flow: FlowPointer) {
    guard flow.pointee.receiver.flags.contains(.finTaken), !flow.pointee.flags.contains(.hostShut),
      flow.pointee.receiver.pendingCount == 0, flow.pointee.fd >= 0
    else { return }
    flow.pointee.flags.insert(.hostShut)
    // If the other direction has ended too, the close that follows has the same effect.
    if !flow.pointee.flags.contains(.hostFinished) {
      _ = stack.calls.shutdown(stack.calls.context, flow.pointee.fd, Int32(SHUT_WR))
      // The guest has sent all of its data: bytes in the kernel must arrive even if this process ends.
      if flow.pointee.flags.contains(.resetsOnClose) { settleLater(flow) }
    }
    closeHostIfDone(flow)
  }
}
