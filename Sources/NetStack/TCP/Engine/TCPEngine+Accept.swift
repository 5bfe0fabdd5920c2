// SPDX-License-Identifier: Apache-2.0
//
// Towards the guest: a client of a forward was accepted, and a connection is opened to the guest
// for it (RFC 9293 §3.10.1, §3.10.7.3).

import Wire

extension TCPEngine {
  /// Leads a connected stream socket of the host (an accepted client of a forward) to a port of
  /// a guest: opens a connection towards the guest and carries the bytes both ways. The engine
  /// owns `socket` from here on, whatever comes of it: a guest that refuses, or never answers,
  /// resets it. Followed by `Stack.endOfIteration` when called outside of an entry point.
  /// - Parameters:
  ///   - source: whom the guest sees as its peer. Port 0, or one that is taken: the engine picks.
  ///   - owner: given to `ForwardEngine.flowClosed` when the flow is over; 0 for nobody.
  ///   - isPrepared: the socket was accepted by a listener that `prepareListener` saw.
  /// - Returns: false when there is no room for another flow (the socket is closed, and
  ///   `flowClosed` is not called).
  package func openTowardGuest(
    socket: Int32, link: UInt32, guest: Endpoint, source: Endpoint, owner: UInt32,
    isPrepared: Bool = false
  ) -> Bool {
    guard stack.links.isTaken(link) else {
      closeDescriptor(socket, reset: true)
      return false
    }
    var key = FlowKey(
      link: link, proto: IPProtocol.tcp, guest: guest.address, guestPort: guest.port,
      remote: source.address, remotePort: source.port)
    var attempts = 0
    while key.remotePort == 0 || table.find(key) != 0 {
      guard attempts < 64 else {
        closeDescriptor(socket, reset: true)
        return false
      }
      attempts &+= 1
      key.remotePort = UInt16.random(in: stack.config.sourcePorts, using: &stack.random)
    }
    let mac = stack.neighbor(guest.address, on: link) ?? .zero
    guard hasRoom(for: stack.shares.of(link, mac)) else {
      closeDescriptor(socket, reset: true)
      return false
    }
    guard let flow = makeFlow(key: key, mac: mac, state: .synSent, fd: socket) else { return false }
    counters.openedTowardGuest &+= 1
    flow.pointee.owner = owner
    if isPrepared { flow.pointee.flags.formUnion(Self.accepted) }
    flow.pointee.receiver.windowScale = Self.windowScale
    sendSyn(flow)
    return true
  }

  /// A segment in SYN-SENT (RFC 9293 §3.10.7.3).
  func inputSynSent(_ flow: FlowPointer, _ segment: Segment, _ packet: InboundPacket) {
    let hasAck = segment.flags.contains(.ack)
    if hasAck, segment.acknowledgement != flow.pointee.sender.maximum {
      if !segment.flags.contains(.rst) { sendReset(flow, at: segment.acknowledgement) }
      return
    }
    if segment.flags.contains(.rst) {
      if hasAck {
        counters.refused &+= 1
        forwards.flowFailed(flow.pointee.owner, .refused)
        abandon(flow)
      }
      return
    }
    guard segment.flags.contains(.syn) else { return }
    flow.pointee.guestMAC = packet.sourceMAC
    moveShare(flow, to: packet.sourceMAC)
    flow.pointee.receiver.windowScale = 0
    takeSynOptions(flow, segment)
    // The window that our SYN offered, in which the guest may send before it hears more of us.
    flow.pointee.receiver.edge &+= min(receiveLimit(flow), 65535)
    flow.pointee.sender.attempts = 0
    flow.pointee.sender.deadline = 0
    forwards.flowOpened(flow.pointee.owner)
    if hasAck {
      flow.pointee.sender.unacknowledged = segment.acknowledgement
      flow.pointee.state = .established
      setInterest(flow, .read)
      touch(flow, [.ackDue, .outputDue])
      // Sixth to eighth: text, and a FIN, may come with the SYN.
      let hasFin = segment.flags.contains(.fin)
      if hasFin || segment.payload.count > 0 {
        var rest = segment
        rest.sequence &+= 1
        receive(flow, rest, hasFin: hasFin)
      }
    } else {
      // Both sides opened at once (RFC 9293 §3.5, figure 8).
      flow.pointee.state = .synReceived
      sendSyn(flow)
      setInterest(flow, .read)
      touch(flow, [])
    }
  }
}
