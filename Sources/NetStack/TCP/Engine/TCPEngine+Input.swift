// SPDX-License-Identifier: Apache-2.0
//
// Segments from guests: RFC 9293 §3.10.7, with the checks of RFC 5961 §3-5 against blind resets and data injection.

import Wire

/// The fields of a segment that are checked.
struct Segment {
  var packet: TCPPacket
  var sequence: UInt32
  var acknowledgement: UInt32
  var flags: TCPFlags
  var window: UInt16
  var payload: ByteView
}

extension TCPEngine {
  /// Handles a TCP packet; its bytes are borrowed until the end of the iteration.
  @inline(__always)
  func input(_ packet: InboundPacket) {
    guard let tcp = TCPPacket(checking: packet.payload) else {
      stack.links.pointer(packet.link).pointee.counters.malformed &+= 1
      return
    }
    guard
      packet.isChecksumTrusted
        || tcp.isChecksumValid(source: packet.source, destination: packet.destination)
    else {
      counters.badChecksums &+= 1
      return
    }
    counters.segmentsIn &+= 1
    // What would be forwarded ends here (RFC 1812 §5.3.1, RFC 8200 §3).
    if packet.hopLimit <= 1, !stack.config.isOwn(packet.destination) {
      return stack.sendICMPError(about: packet, .hopLimit)
    }
    let segment = Segment(
      packet: tcp, sequence: tcp.sequence, acknowledgement: tcp.acknowledgement,
      flags: tcp.flags, window: tcp.window, payload: tcp.payload)
    let key = FlowKey(
      link: packet.link, proto: IPProtocol.tcp, guest: packet.source,
      guestPort: tcp.sourcePort, remote: packet.destination, remotePort: tcp.destinationPort)
    let index = isFlow(packet.guess, key) ? packet.guess : table.find(key)
    guard index != 0 else {
      inputWithoutFlow(segment, key: key, packet)
      return
    }
    let flow = flows.pointer(index)
    let lastActivity = flow.pointee.lastActivity
    noteUse(flow)
    flow.pointee.keepAlives = 0
    switch flow.pointee.state {
    case .connecting: inputConnecting(flow, segment, packet)
    case .synSent: inputSynSent(flow, segment, packet)
    case .timeWait: inputTimeWait(flow, segment, packet)
    case .closed: break
    default: inputSynchronized(flow, segment, since: lastActivity)
    }
  }

  /// Whether a slot is an open flow with this key; a closed flow keeps its key until the slot is freed.
  @inline(__always)
  private func isFlow(_ index: UInt32, _ key: FlowKey) -> Bool {
    index != 0 && table.holds(index, key) && flows.pointer(index).pointee.state != .closed
  }

  /// RFC 9293 §3.10.7.1 and §3.10.7.2: no connection exists.
  private func inputWithoutFlow(_ segment: Segment, key: FlowKey, _ packet: InboundPacket) {
    // A guest without an address cannot have a connection.
    if segment.flags.contains(.rst) || !packet.source.isUnicast { return }
    if segment.flags.contains(.syn), !segment.flags.contains(.ack) {
      connect(segment, key: key, packet)
      return
    }
    guard packet.destination.isUnicast else { return }
    sendResetWithoutFlow(segment, packet)
  }

  /// A segment for a connection whose host socket is not connected yet.
  private func inputConnecting(_ flow: FlowPointer, _ segment: Segment, _ packet: InboundPacket) {
    if segment.flags.contains(.rst) {
      if segment.sequence == flow.pointee.receiver.next {
        counters.resetByGuest &+= 1
        abandon(flow)
      }
      return
    }
    // A retransmitted SYN will be answered. A different SYN means that the guest has forgotten the first.
    if segment.flags.contains(.syn), !segment.flags.contains(.ack),
      segment.sequence != flow.pointee.receiver.initialSequence
    {
      let key = flow.pointee.key
      abandon(flow)
      connect(segment, key: key, packet)
    }
  }

  private func inputTimeWait(_ flow: FlowPointer, _ segment: Segment, _ packet: InboundPacket) {
    if segment.flags.contains(.rst) {
      // TIME-WAIT must outlive a reset (RFC 1337).
      return
    }
    // A new incarnation (RFC 1122 §4.2.2.13, RFC 6191).
    if segment.flags.contains(.syn), !segment.flags.contains(.ack),
      Sequence32.less(flow.pointee.receiver.next, segment.sequence)
    {
      let key = flow.pointee.key
      close(flow)
      connect(segment, key: key, packet)
      return
    }
    touch(flow, .ackDue)
  }

  /// RFC 9293 §3.10.7.4: SYN-RECEIVED and all later states.
  /// - Parameter lastActivity: time of the last use of the flow before this segment.
  @inline(__always)
  private func inputSynchronized(
    _ flow: FlowPointer, _ segment: Segment, since lastActivity: UInt64
  ) {
    var length = UInt32(truncatingIfNeeded: segment.payload.count)
    let hasFin = segment.flags.contains(.fin)
    if hasFin { length &+= 1 }
    if segment.flags.intersection([.syn, .rst, .ack]) != .ack {
      guard inputUnusual(flow, segment) else { return }
    }

    // First: whether the segment overlaps the window. If not, it is answered with an ACK.
    switch flow.pointee.receiver.place(of: segment.sequence, length: length) {
    case .acceptable: break
    case .beyond: return touch(flow, .ackDue)
    case .old:
      // It may be a keep-alive; its acknowledgement is processed anyway.
      let isProbe =
        length <= 1 && segment.sequence == flow.pointee.receiver.next &- 1 && !hasFin
      if flow.pointee.state == .synReceived { _ = establish(flow, segment) }
      if acknowledge(flow, segment) {
        touch(flow, .ackDue)
        if isProbe { guestProbed(flow, idle: stack.now &- lastActivity) }
      }
      return
    }

    // Fifth: the acknowledgement.
    if flow.pointee.state == .synReceived {
      guard establish(flow, segment) else { return }
    }
    guard acknowledge(flow, segment), flow.pointee.state != .closed else { return }

    // Seventh: the text. Eighth: the FIN.
    if length > 0 { receive(flow, segment, hasFin: hasFin) }
  }

  /// Handles RST, SYN and segments without ACK. True if the segment must be processed further.
  private func inputUnusual(_ flow: FlowPointer, _ segment: Segment) -> Bool {
    if segment.flags.contains(.rst) {
      // Data and FIN before it are processed first (§3.10.7.4); they may be in the same batch.
      let wasNext = segment.sequence == flow.pointee.receiver.next
      flushToHost(flow)
      guard flow.pointee.state != .closed else { return false }
      // RFC 5961 §3.2: an RST at RCV.NXT resets; elsewhere in the window it causes a challenge ACK.
      if wasNext || segment.sequence == flow.pointee.receiver.next {
        counters.resetByGuest &+= 1
        guestReset(flow)
      } else if Sequence32.lessOrEqual(flow.pointee.receiver.next, segment.sequence),
        Sequence32.less(segment.sequence, flow.pointee.receiver.edge)
      {
        challenge(flow)
      }
      return false
    }
    if segment.flags.contains(.syn) {
      if flow.pointee.state == .synReceived, !segment.flags.contains(.ack),
        segment.sequence == flow.pointee.receiver.initialSequence
      {
        // A retransmitted SYN: the answer to it was lost.
        sendSyn(flow)
        return false
      }
      // RFC 5961 §4.2
      challenge(flow)
      return false
    }
    return segment.flags.contains(.ack)
  }

  /// Sends a challenge ACK, with a rate limit for each guest (RFC 5961 §7).
  func challenge(_ flow: FlowPointer) {
    let share = stack.shares.pointer(flow.pointee.share)
    guard share.pointee.challenges.take(now: stack.now) else { return }
    counters.challenges &+= 1
    touch(flow, .ackDue)
  }
}
