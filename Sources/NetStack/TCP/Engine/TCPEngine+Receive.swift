// SPDX-License-Identifier: Apache-2.0
//
// Data from a guest: in-order data becomes a slice of this batch; out-of-order data is copied to the store and reported by
// SACK (RFC 9293 §3.10.7.4 seventh and eighth, RFC 2018).

import Wire

extension TCPEngine {
  /// Takes the part of a segment's data that is in the window, and records its FIN.
  @inline(__always)
  func receive(_ flow: FlowPointer, _ segment: Segment, hasFin: Bool) {
    guard flow.pointee.state.acceptsData, !flow.pointee.flags.contains(.hostFailed),
      !flow.pointee.receiver.flags.contains(.finTaken)
    else {
      // The host socket has failed; an RST will follow.
      if flow.pointee.flags.contains(.hostFailed) { return }
      touch(flow, .ackDue)
      return
    }
    let highest =
      flow.pointee.receiver.reassembly == 0
      ? nil
      : ranges.pointer(flow.pointee.receiver.reassembly).pointee.highest(
        or: flow.pointee.receiver.next)
    guard
      let text = flow.pointee.receiver.take(
        segment.sequence, count: segment.payload.count, hasFin: hasFin, highest: highest)
    else { return touch(flow, .ackDue) }
    let isDelayed =
      text.isNext
      && flow.pointee.receiver.delaysAck(
        of: text.count, segmentSize: flow.pointee.sender.segmentSize,
        isEstablished: flow.pointee.state == .established)
    touch(flow, isDelayed ? .ackDelayed : .ackDue)
    guard text.count > 0 else { return }
    let payload = segment.payload.dropFirst(text.skipped).prefix(text.count)
    if text.isNext {
      acceptInOrder(flow, payload)
    } else {
      acceptOutOfOrder(flow, at: text.sequence, payload)
    }
  }

  @inline(__always)
  private func acceptInOrder(_ flow: FlowPointer, _ payload: ByteView) {
    if flow.pointee.receiver.table == 0, sliceCount < Int16(Self.sliceCapacity) {
      let place = sliceCount
      sliceCount &+= 1
      slices[Int(place)] = BatchSlice(
        data: payload.base, count: UInt32(truncatingIfNeeded: payload.count), next: -1)
      if flow.pointee.receiver.batchTail >= 0 {
        slices[Int(flow.pointee.receiver.batchTail)].next = place
      } else {
        flow.pointee.receiver.batchHead = place
      }
      flow.pointee.receiver.batchTail = place
      flow.pointee.receiver.next &+= UInt32(truncatingIfNeeded: payload.count)
      return
    }
    // Earlier bytes are pending or missing: the data goes to the store.
    let written = store.write(
      &flow.pointee.receiver.table, at: flow.pointee.receiver.next, payload,
      share: flow.pointee.share)
    if written < payload.count { counters.storeExhausted &+= 1 }
    flow.pointee.receiver.next &+= UInt32(truncatingIfNeeded: written)
    closeHoles(flow)
  }

  /// Advances over out-of-order ranges that in-order data has reached.
  private func closeHoles(_ flow: FlowPointer) {
    guard flow.pointee.receiver.reassembly != 0 else { return }
    let missing = ranges.pointer(flow.pointee.receiver.reassembly)
    if missing.pointee.count > 0,
      Sequence32.lessOrEqual(missing.pointee[0].start, flow.pointee.receiver.next)
    {
      flow.pointee.receiver.reach(missing.pointee[0].end)
      missing.pointee.removeBefore(flow.pointee.receiver.next)
    }
    if missing.pointee.count == 0 {
      giveRanges(flow)
    }
  }

  private func acceptOutOfOrder(_ flow: FlowPointer, at sequence: UInt32, _ payload: ByteView) {
    counters.outOfOrder &+= 1
    if flow.pointee.receiver.duplicatesDue < 3 { flow.pointee.receiver.duplicatesDue &+= 1 }
    if flow.pointee.receiver.reassembly == 0 {
      flow.pointee.receiver.reassembly = takeRanges(flow)
      guard flow.pointee.receiver.reassembly != 0 else { return }
    }
    let missing = ranges.pointer(flow.pointee.receiver.reassembly)
    let end = sequence &+ UInt32(truncatingIfNeeded: payload.count)
    if missing.pointee.count == SequenceRanges.capacity {
      // The list is full: only data that extends a range can be kept.
      guard missing.pointee.end(ofRangeWith: sequence &- 1) != nil else { return }
    }
    let written = store.write(
      &flow.pointee.receiver.table, at: sequence, payload, share: flow.pointee.share)
    if written < payload.count {
      counters.storeExhausted &+= 1
      // Chunks of the part that was written are freed with the rest of the window.
      if written == 0, missing.pointee.count == 0 {
        giveRanges(flow)
        return
      }
    }
    _ = missing.pointee.insert(
      start: sequence,
      end: written < payload.count
        ? sequence &+ UInt32(truncatingIfNeeded: written) : end)
  }

  /// The right edge of the window to advertise now.
  @inline(__always)
  func windowEdge(_ flow: FlowPointer) -> UInt32 {
    flow.pointee.receiver.windowEdge(
      limit: receiveLimit(flow),
      outOfOrder: flow.pointee.receiver.reassembly == 0
        ? 0 : ranges.pointer(flow.pointee.receiver.reassembly).pointee.byteCount,
      segmentSize: flow.pointee.sender.segmentSize)
  }

  /// The maximum window; smaller when the guest's share of the pool is nearly used, so that every advertised byte can be
  /// stored.
  @inline(__always)
  func receiveLimit(_ flow: FlowPointer) -> UInt32 {
    let limit = min(stack.config.receiveWindow, SequenceStore.maximumSpan &- 65536)
    let left = stack.shares.chunksLeft(flow.pointee.share, available: stack.chunks.available)
    if left >= stack.chunks.capacity / 4 { return UInt32(truncatingIfNeeded: limit) }
    return UInt32(truncatingIfNeeded: min(limit, max(16384, left &* 4096)))
  }
}
