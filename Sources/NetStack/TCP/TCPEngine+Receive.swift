// SPDX-License-Identifier: Apache-2.0
//
// Data from a guest: in order it becomes a slice of this batch, out of order it is kept in the
// store and reported by SACK (RFC 9293 §3.10.7.4 seventh and eighth, RFC 2018).

import PluginAPI

extension TCPEngine {
  /// Takes the part of a segment's text that is in the window, and notes its FIN.
  @inline(__always)
  func receive(_ flow: FlowPointer, _ segment: Segment, hasFin: Bool) {
    guard flow.pointee.state.acceptsData,
      flow.pointee.flags.intersection([.guestFinished, .hostFailed]).isEmpty
    else {
      // There is nobody to take it; the RST that is on its way will say so.
      if flow.pointee.flags.contains(.hostFailed) { return }
      touch(flow, .ackDue)
      return
    }
    var payload = segment.payload
    var sequence = segment.sequence
    let receiveNext = flow.pointee.receiveNext
    var end = sequence &+ UInt32(truncatingIfNeeded: payload.count)
    var fin = hasFin
    if Sequence32.less(sequence, receiveNext) {
      let old = receiveNext &- sequence
      payload = payload.dropFirst(min(Int(old), payload.count))
      sequence = receiveNext
    }
    if Sequence32.less(flow.pointee.receiveEdge, end) {
      let kept = Sequence32.distance(from: sequence, to: flow.pointee.receiveEdge)
      payload = payload.prefix(Int(kept))
      end = flow.pointee.receiveEdge
      fin = false
    }
    if flow.pointee.flags.contains(.finSeen), Sequence32.less(flow.pointee.finSequence, end) {
      // Text after the FIN: nonsense.
      touch(flow, .ackDue)
      return
    }
    if fin, !flow.pointee.flags.contains(.finSeen) {
      // A FIN before text that is here already is nonsense, too.
      if flow.pointee.reassembly == 0
        || Sequence32.lessOrEqual(
          ranges.pointer(flow.pointee.reassembly).pointee.highest(or: end), end)
      {
        flow.pointee.finSequence = end
        flow.pointee.flags.insert(.finSeen)
      }
    }
    let isNext = sequence == receiveNext
    touch(flow, isNext && mayDelayAck(flow, payload.count) ? .ackDelayed : .ackDue)
    guard payload.count > 0 else { return }
    if isNext {
      acceptInOrder(flow, payload)
    } else {
      acceptOutOfOrder(flow, at: sequence, payload)
    }
  }

  /// Whether the ACK of a segment may wait for the answer (RFC 9293 §3.8.6.3): one segment at most
  /// waits, and only in a flow that has been question and answer for a while. A guest that asks in
  /// two pieces and holds the second back until the first is acknowledged (Nagle) never gets here.
  @inline(__always)
  private func mayDelayAck(_ flow: FlowPointer, _ count: Int) -> Bool {
    if flow.pointee.flags.contains(.guestSpoke) {
      flow.pointee.exchanges = 0
      return false
    }
    flow.pointee.flags.insert(.guestSpoke)
    return flow.pointee.exchanges >= Self.exchangesBeforeDelay
      && flow.pointee.state == .established && !flow.pointee.flags.contains(.finSeen)
      && count <= Int(flow.pointee.segmentSize)
  }

  @inline(__always)
  private func acceptInOrder(_ flow: FlowPointer, _ payload: ByteView) {
    if flow.pointee.receiveTable == 0, sliceCount < Int16(Self.sliceCapacity) {
      let place = sliceCount
      sliceCount &+= 1
      slices[Int(place)] = BatchSlice(
        data: payload.base, count: UInt32(truncatingIfNeeded: payload.count), next: -1)
      if flow.pointee.batchTail >= 0 {
        slices[Int(flow.pointee.batchTail)].next = place
      } else {
        flow.pointee.batchHead = place
      }
      flow.pointee.batchTail = place
      flow.pointee.receiveNext &+= UInt32(truncatingIfNeeded: payload.count)
      return
    }
    // Bytes wait already, or there is a hole: everything goes through the store.
    let written = store.write(
      &flow.pointee.receiveTable, at: flow.pointee.receiveNext, payload,
      share: flow.pointee.share)
    if written < payload.count { counters.storeExhausted &+= 1 }
    flow.pointee.receiveNext &+= UInt32(truncatingIfNeeded: written)
    closeHoles(flow)
  }

  /// In-order data may have reached what came out of order before.
  private func closeHoles(_ flow: FlowPointer) {
    guard flow.pointee.reassembly != 0 else { return }
    let missing = ranges.pointer(flow.pointee.reassembly)
    if missing.pointee.count > 0,
      Sequence32.lessOrEqual(missing.pointee[0].start, flow.pointee.receiveNext)
    {
      flow.pointee.receiveNext = Sequence32.max(
        flow.pointee.receiveNext, missing.pointee[0].end)
      missing.pointee.removeBefore(flow.pointee.receiveNext)
    }
    if missing.pointee.count == 0 {
      giveRanges(flow, &flow.pointee.reassembly)
    }
  }

  private func acceptOutOfOrder(_ flow: FlowPointer, at sequence: UInt32, _ payload: ByteView) {
    counters.outOfOrder &+= 1
    if flow.pointee.duplicatesDue < 3 { flow.pointee.duplicatesDue &+= 1 }
    if flow.pointee.reassembly == 0 {
      flow.pointee.reassembly = takeRanges(flow)
      guard flow.pointee.reassembly != 0 else { return }
    }
    let missing = ranges.pointer(flow.pointee.reassembly)
    let end = sequence &+ UInt32(truncatingIfNeeded: payload.count)
    if missing.pointee.count == SequenceRanges.capacity {
      // Full: only what extends a range can be kept.
      guard missing.pointee.end(ofRangeWith: sequence &- 1) != nil else { return }
    }
    let written = store.write(
      &flow.pointee.receiveTable, at: sequence, payload, share: flow.pointee.share)
    if written < payload.count {
      counters.storeExhausted &+= 1
      // Chunks of the part that was written are given back with the rest of the window.
      if written == 0, missing.pointee.count == 0 {
        giveRanges(flow, &flow.pointee.reassembly)
        return
      }
    }
    _ = missing.pointee.insert(
      start: sequence,
      end: written < payload.count
        ? sequence &+ UInt32(truncatingIfNeeded: written) : end)
  }

  /// The end of the window to be offered now; never before the one offered last, and after it by a
  /// step worth the guest's while (silly windows: RFC 9293 §3.8.6.2.2).
  @inline(__always)
  func windowEdge(_ flow: FlowPointer) -> UInt32 {
    var used = flow.pointee.pendingCount
    if flow.pointee.reassembly != 0 {
      used &+= ranges.pointer(flow.pointee.reassembly).pointee.byteCount
    }
    let limit = receiveLimit(flow)
    let free = used < limit ? limit &- used : 0
    let edge = flow.pointee.receiveNext &+ free
    let step = Sequence32.distance(from: flow.pointee.receiveEdge, to: edge)
    return step >= min(limit / 2, UInt32(flow.pointee.segmentSize))
      ? edge : flow.pointee.receiveEdge
  }

  /// The largest window, less when the guest's share of the pool runs low: what is promised can
  /// be kept.
  @inline(__always)
  func receiveLimit(_ flow: FlowPointer) -> UInt32 {
    let limit = min(stack.config.receiveWindow, SequenceStore.maximumSpan &- 65536)
    let left = stack.shares.chunksLeft(flow.pointee.share, available: stack.chunks.available)
    if left >= stack.chunks.capacity / 4 { return UInt32(truncatingIfNeeded: limit) }
    return UInt32(truncatingIfNeeded: min(limit, max(16384, left &* 4096)))
  }
}
