// SPDX-License-Identifier: Apache-2.0
//
// Frames to the guest: headers in scratch memory, payload as slices of chunks. Checksums are partial
// (FrameFlags.needsChecksum); the host, or the link, completes them.

import Wire

extension TCPEngine {
  /// Ethernet and IP header and the longest TCP header, of either family.
  static let headerRoom = 14 + 40 + 60

  /// Length of IP and TCP header without options, bytes.
  @inline(__always)
  static func headers(isV4: Bool) -> Int {
    (isV4 ? IPv4Header.encodedLength : IPv6Header.encodedLength) &+ TCPHeader.minimumLength
  }

  /// Returns memory for the headers of a frame. If frames had to be sent to make room, flows whose frames were refused have
  /// been updated.
  @inline(__always)
  private func prepare(_ flow: FlowPointer, waits: Bool = false) -> UnsafeMutableRawPointer? {
    let room = transmitter.prepare(
      link: flow.pointee.key.link, byteCount: Self.headerRoom, waits: waits)
    takeRefused()
    return room
  }

  /// Sends one segment or GSO frame with `length` bytes from `sequence` on (0 for none). False if the link is blocked; the
  /// flow then waits for the link.
  @inline(__always)
  func sendSegment(
    _ flow: FlowPointer, sequence: UInt32, length: Int, flags: TCPFlags
  ) -> Bool {
    if flow.pointee.neighborRevision != stack.neighborRevision { followGuest(flow) }
    guard !transmitter.isBlocked(flow.pointee.guestMAC),
      let room = prepare(flow)
    else {
      waitForLink(flow)
      return false
    }
    let window = flow.pointee.receiver.windowField(for: windowEdge(flow))
    var header = TCPHeader(
      sourcePort: flow.pointee.key.remotePort, destinationPort: flow.pointee.key.guestPort,
      sequence: sequence, acknowledgement: flow.pointee.receiver.next, flags: flags.union(.ack),
      window: window)
    if flow.pointee.receiver.reassembly != 0, flow.pointee.sender.flags.contains(.sackPermitted),
      length == 0
    {
      header.options.sackBlocks =
        ranges.pointer(flow.pointee.receiver.reassembly).pointee.sackBlocks
    }
    let network = writeNetworkHeader(
      flow, into: room, transportLength: header.encodedLength &+ length)
    let out = MutableByteView(room + network, count: Self.headerRoom &- network)
    let written = header.emitPartialChecksum(
      into: out, payloadLength: length, source: flow.pointee.key.remote,
      destination: flow.pointee.key.guest)
    let headerLength = network &+ written

    var frame = Frame()
    frame.flags = .needsChecksum
    frame.checksumStart = UInt16(truncatingIfNeeded: network)
    frame.checksumOffset = UInt16(TCPField.checksum)
    frame.headerLength = UInt16(truncatingIfNeeded: headerLength)
    if length > Int(flow.pointee.sender.segmentSize) {
      frame.gsoType = flow.pointee.key.guest.isV4 ? .tcpV4 : .tcpV6
      frame.gsoSize = flow.pointee.sender.segmentSize
    }
    var first = FrameSlice(data: nil, length: 0)
    var second = first
    if length > 0 {
      guard
        let slice = store.slice(flow.pointee.sender.table, at: sequence, count: length)
      else { return false }
      first = slice
      let rest = length &- Int(slice.length)
      if rest > 0 {
        let next = sequence &+ UInt32(truncatingIfNeeded: Int(slice.length))
        guard let slice = store.slice(flow.pointee.sender.table, at: next, count: rest),
          slice.length == UInt64(rest)
        else { return false }
        second = slice
      }
    }
    // The window field's scale truncates it: the receiver's edge is what the guest was told.
    flow.pointee.receiver.advertised(window)
    flow.pointee.flags.subtract([.ackDue, .ackDelayed])
    flow.pointee.acknowledgeDeadline = 0
    transmitter.commit(
      headerLength: headerLength, payload: first, second: second, frame: frame,
      flow: index(of: flow), sequence: sequence)
    return true
  }

  /// A guest's Ethernet address has changed: if it is this flow's guest, the flow uses the new address.
  private func followGuest(_ flow: FlowPointer) {
    flow.pointee.neighborRevision = stack.neighborRevision
    flow.pointee.guestMAC = stack.currentMAC(
      flow.pointee.guestMAC, of: flow.pointee.key.guest, on: flow.pointee.key.link)
  }

  /// Writes Ethernet and IP header; returns their length.
  @inline(__always)
  func writeNetworkHeader(
    _ flow: FlowPointer, into room: UnsafeMutableRawPointer, transportLength: Int
  ) -> Int {
    let out = MutableByteView(room, count: Self.headerRoom)
    let isV4 = flow.pointee.key.guest.isV4
    EthernetHeader(
      destination: flow.pointee.guestMAC, source: stack.config.gatewayMAC,
      etherType: isV4 ? EtherType.ipv4 : EtherType.ipv6
    ).emit(into: out)
    let behind = out.dropFirst(EthernetHeader.encodedLength)
    if isV4 {
      IPv4Header(
        source: flow.pointee.key.remote, destination: flow.pointee.key.guest,
        protocolNumber: IPProtocol.tcp, payloadLength: transportLength, dontFragment: true
      ).emit(into: behind)
      return EthernetHeader.encodedLength &+ IPv4Header.encodedLength
    }
    IPv6Header(
      source: flow.pointee.key.remote, destination: flow.pointee.key.guest,
      nextHeader: IPProtocol.tcp, payloadLength: transportLength
    ).emit(into: behind)
    return EthernetHeader.encodedLength &+ IPv6Header.encodedLength
  }

  /// Sends a SYN (to a guest) or SYN-ACK with options (RFC 9293 §3.7.1, RFC 7323 §2, RFC 2018 §2).
  func sendSyn(_ flow: FlowPointer) {
    let isAnswer = flow.pointee.state != .synSent
    var options = TCPOptions()
    // The link takes frames of any length; the guest's MTU limits what it sends.
    options.maximumSegmentSize = flow.pointee.key.guest.isV4 ? 65480 : 65460
    if !isAnswer || flow.pointee.flags.contains(.scaleOffered) {
      options.windowScale = Self.windowScale
    }
    options.sackPermitted = !isAnswer || flow.pointee.sender.flags.contains(.sackPermitted)
    let window = min(receiveLimit(flow), 65535)
    let header = TCPHeader(
      sourcePort: flow.pointee.key.remotePort, destinationPort: flow.pointee.key.guestPort,
      sequence: flow.pointee.sender.unacknowledged,
      acknowledgement: isAnswer ? flow.pointee.receiver.next : 0,
      flags: isAnswer ? [.syn, .ack] : .syn, window: UInt16(truncatingIfNeeded: window),
      options: options)
    flow.pointee.receiver.edge = Sequence32.max(
      flow.pointee.receiver.edge, flow.pointee.receiver.next &+ window)
    flow.pointee.flags.remove(.synDue)
    if !sendHeader(flow, header, waits: true) { flow.pointee.flags.insert(.synDue) }
    flow.pointee.flags.remove(.ackDue)
    if flow.pointee.sender.deadline == 0 {
      flow.pointee.sender.deadline = stack.now &+ flow.pointee.sender.timeout
      armTimer(flow)
    }
  }

  /// The scale of advertised windows; the largest window is 8 MiB.
  static let windowScale: UInt8 = 7

  /// Sends an RST (RFC 9293 §3.10.7).
  /// - Parameter waits: if the link is full the flow waits and sends it again; otherwise the frame is queued.
  func sendReset(_ flow: FlowPointer, at sequence: UInt32, waits: Bool = false) {
    sendControl(flow, [.rst, .ack], sequence: sequence, window: 0, waits: waits)
  }

  /// Sends a segment without data and options.
  func sendControl(
    _ flow: FlowPointer, _ flags: TCPFlags, sequence: UInt32, window: UInt16, waits: Bool = false
  ) {
    let header = TCPHeader(
      sourcePort: flow.pointee.key.remotePort, destinationPort: flow.pointee.key.guestPort,
      sequence: sequence, acknowledgement: flow.pointee.receiver.next, flags: flags, window: window)
    _ = sendHeader(flow, header, waits: waits)
  }

  /// Sends a frame without payload. If the guest's Ethernet address is unknown, the frame waits for ARP or neighbor
  /// discovery.
  /// - Parameter waits: if the link is full the flow waits for it and the result is false; otherwise the frame is queued.
  private func sendHeader(_ flow: FlowPointer, _ header: TCPHeader, waits: Bool) -> Bool {
    if waits, flow.pointee.neighborRevision != stack.neighborRevision { followGuest(flow) }
    if flow.pointee.guestMAC == .zero {
      let frame = [UInt8](capacity: Self.headerRoom) { out in
        let network = writeNetworkHeader(
          flow, into: out.base, transportLength: header.encodedLength)
        return network
          + header.emit(
            into: out.dropFirst(network), payload: .empty, source: flow.pointee.key.remote,
            destination: flow.pointee.key.guest)
      }
      stack.sendWhenResolved(frame, to: flow.pointee.key.guest, on: flow.pointee.key.link)
      return true
    }
    guard !waits || !transmitter.isBlocked(flow.pointee.guestMAC),
      let room = prepare(flow, waits: !waits)
    else {
      if waits { waitForLink(flow) }
      return false
    }
    let network = writeNetworkHeader(flow, into: room, transportLength: header.encodedLength)
    let written = header.emit(
      into: MutableByteView(room + network, count: Self.headerRoom &- network), payload: .empty,
      source: flow.pointee.key.remote, destination: flow.pointee.key.guest)
    transmitter.commit(
      headerLength: network &+ written, flow: waits ? index(of: flow) : 0,
      sequence: header.sequence, urgency: .control)
    return true
  }

  /// Answers a segment that belongs to no connection with an RST (RFC 9293 §3.10.7.1).
  func sendResetWithoutFlow(_ segment: Segment, _ packet: InboundPacket) {
    var length = UInt32(truncatingIfNeeded: segment.payload.count)
    if segment.flags.contains(.syn) { length &+= 1 }
    if segment.flags.contains(.fin) { length &+= 1 }
    let hasAck = segment.flags.contains(.ack)
    let key = FlowKey(
      link: packet.link, proto: IPProtocol.tcp, guest: packet.source,
      guestPort: segment.packet.sourcePort, remote: packet.destination,
      remotePort: segment.packet.destinationPort)
    var flow = TCPFlow(key: key, guestMAC: packet.sourceMAC, state: .closed)
    let header = TCPHeader(
      sourcePort: key.remotePort, destinationPort: key.guestPort,
      sequence: hasAck ? segment.acknowledgement : 0,
      acknowledgement: hasAck ? 0 : segment.sequence &+ length,
      flags: hasAck ? .rst : [.rst, .ack], window: 0)
    withUnsafeMutablePointer(to: &flow) { _ = sendHeader($0, header, waits: false) }
  }
}
