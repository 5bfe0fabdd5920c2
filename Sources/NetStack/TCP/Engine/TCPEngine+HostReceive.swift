// SPDX-License-Identifier: Apache-2.0
//
// From the host to the guest: reads of up to 1 MiB into the chunks that are sent and kept until they are acknowledged. Also
// all other events of host sockets.
//
// Events are level-triggered, with one read per event, so that flows take turns. Reading stops when the flow's buffer is
// full and continues when half of it has been acknowledged.

import LibC

extension TCPEngine {
  /// A host socket has events.
  func onEvent(_ token: EventToken, _ events: FDEvents) {
    guard flows.isTaken(token.index, generation: token.generation) else { return }
    let flow = flows.pointer(token.index)
    // An earlier event of the same array may have ended the watch.
    guard flow.pointee.state != .closed, !flow.pointee.interest.isEmpty else { return }
    switch flow.pointee.state {
    case .connecting: return connectFinished(flow)
    case .detached: return continueDetached(flow)
    default: break
    }
    if events.contains(.write), flow.pointee.interest.contains(.write) {
      sendPending(flow)
      if flow.pointee.state != .closed { finishReceiving(flow) }
    }
    guard flow.pointee.state != .closed, flow.pointee.fd >= 0,
      !events.isDisjoint(with: [.read, .hangup, .error])
    else { return }
    if flow.pointee.flags.contains(.hostFinished) {
      if events.contains(.error) { failed(flow) }
      return
    }
    let before = flow.pointee.sender.end
    readable(flow)
    guard flow.pointee.state != .closed, flow.pointee.fd >= 0,
      flow.pointee.flags.intersection([.hostFinished, .moreExpected]).isEmpty
    else { return }
    if events.contains(.hangup) {
      // The end of data is reported: reading it now lets the FIN or RST go with the last byte.
      readable(flow)
    } else if events.contains(.error), flow.pointee.sender.end == before {
      failed(flow)
    }
  }

  /// Both directions have ended, with an error that read does not return, or without one.
  private func failed(_ flow: FlowPointer) {
    if stack.calls.takeError(flow.pointee.fd) != 0 { resetAfterData(flow) }
  }

  /// Reads once. Data that arrived before an error is read before the error is returned.
  func readable(_ flow: FlowPointer) {
    let limit = min(stack.config.sendBuffer, SequenceStore.maximumSpan &- 65536)
    let room = limit &- Int(flow.pointee.sender.bufferedCount)
    guard room > 0 else {
      acknowledgeNow(flow)
      setInterest(flow, flow.pointee.interest.subtracting(.read))
      return
    }
    let chunks = min(Int(flow.pointee.readChunks), readShare)
    let budget = min(room, chunks &* ChunkPool.chunkSize)
    var count = 0
    var total = 0
    let start = flow.pointee.sender.end
    while total < budget {
      let at = start &+ UInt32(truncatingIfNeeded: total)
      guard
        let memory = store.reserve(
          &flow.pointee.sender.table, at: at, share: flow.pointee.share)
      else { break }
      let length = min(SequenceStore.room(at: at), budget &- total)
      vectors[count] = iovec(iov_base: memory, iov_len: length)
      count &+= 1
      total &+= length
    }
    guard total > 0 else {
      // The chunk pool is exhausted; retried by a timer, when other flows have been acknowledged.
      counters.storeExhausted &+= 1
      pauseReading(flow)
      return
    }
    message.pointee.msg_iov = vectors
    message.pointee.msg_iovlen = .init(truncatingIfNeeded: count)
    let received = stack.calls.receiveMessage(
      stack.calls.context, flow.pointee.fd, message, Int32(MSG_DONTWAIT.self))
    let end = start &+ UInt32(truncatingIfNeeded: max(0, min(received, total)))
    releaseUnused(flow, from: end, to: start &+ UInt32(truncatingIfNeeded: total))
    if received > 0 {
      flow.pointee.sender.end = end
      noteUse(flow)
      if received == total {
        flow.pointee.flags.insert(.moreExpected)
        flow.pointee.readChunks = UInt8(truncatingIfNeeded: min(chunks &* 2, 60))
      } else {
        flow.pointee.flags.remove(.moreExpected)
        flow.pointee.readChunks = UInt8(
          truncatingIfNeeded: (received &+ ChunkPool.chunkSize &- 1) / ChunkPool.chunkSize)
      }
      touch(flow, .outputDue)
    } else if flow.pointee.flags.contains(.hostFailed) {
      // The socket's error was returned by a send.
      resetAfterData(flow)
    } else if received == 0 {
      flow.pointee.flags.formUnion(.hostFinished)
      flow.pointee.flags.remove(.moreExpected)
      setInterest(flow, flow.pointee.interest.subtracting(.read))
      touch(flow, .outputDue)
      closeHostIfDone(flow)
    } else {
      flow.pointee.flags.remove(.moreExpected)
      let code = Int32(truncatingIfNeeded: 0 &- received)
      if code != EAGAIN && code != ENOBUFS && code != ENOMEM { resetAfterData(flow) }
    }
  }

  /// Requests an immediate ACK from the host's kernel. Otherwise a reader that pauses delays its ACKs, and the sender on
  /// the host may take a delay of some milliseconds for a loss.
  private func acknowledgeNow(_ flow: FlowPointer) {
    #if os(Linux)
      stack.calls.set(flow.pointee.fd, Int32(IPPROTO_TCP.self), TCP_QUICKACK, 1)
    #endif
  }

  /// Frees chunks that were allocated for a read and not filled.
  private func releaseUnused(_ flow: FlowPointer, from: UInt32, to: UInt32) {
    guard from != to || flow.pointee.sender.bufferedCount == 0 else { return }
    if from == flow.pointee.sender.unacknowledged, !flow.pointee.sender.flags.contains(.finSent) {
      // The flow has no buffered bytes.
      store.release(&flow.pointee.sender.table, from: from, to: to, isLast: true)
      return
    }
    // The start of the first chunk without bytes.
    let first = (from &+ 0xFFFF) & 0xFFFF_0000
    guard Sequence32.less(first, to) else { return }
    store.release(&flow.pointee.sender.table, from: first, to: to, isLast: to & 0xFFFF != 0)
  }

  /// Stops reading for lack of memory; a timer continues it.
  private func pauseReading(_ flow: FlowPointer) {
    setInterest(flow, flow.pointee.interest.subtracting(.read))
    if flow.pointee.sender.deadline == 0 {
      flow.pointee.sender.deadline = stack.now &+ 20_000_000
      armTimer(flow)
    }
  }

  /// Continues reading if the guest's acknowledgement made room.
  @inline(__always)
  func resumeReading(_ flow: FlowPointer) {
    guard !flow.pointee.interest.contains(.read), flow.pointee.fd >= 0,
      flow.pointee.state != .connecting,
      Int(flow.pointee.sender.bufferedCount) &* 2 <= stack.config.sendBuffer
    else { return }
    setInterest(flow, flow.pointee.interest.union(.read))
  }
}
