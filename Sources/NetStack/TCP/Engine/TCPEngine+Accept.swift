// SPDX-License-Identifier: Apache-2.0
//
// Active opens towards a guest (RFC 9293 §3.10.1, §3.10.7.3): a forward accepted a client on the host, and a connection to
// the guest is opened for it.

import Wire

extension TCPEngine {
  /// Connects an accepted stream socket of the host (a forward's client) to a port number of a guest: opens a connection to
  /// the guest and relays bytes in both directions. Call `Stack.endOfIteration` afterwards when outside of an entry point
  /// of the stack. Loop thread.
  ///
  /// The engine owns `socket` in every case; it is reset if the guest refuses or does not answer.
  /// - Parameters:
  ///   - source: the peer's address that the guest sees. The engine chooses the port number if it is 0 or in use.
  ///   - owner: passed to `ForwardEngine.flowClosed` when the flow has ended; 0 for none.
  ///   - isPrepared: the socket inherits its options from a listener that `prepareListener` has set up.
  /// - Returns: false if no flow can be created; the socket is closed, and `flowClosed` is not called.
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

  /// Handles a segment in SYN-SENT (RFC 9293 §3.10.7.3).
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
      // Simultaneous open (RFC 9293 §3.5, figure 8).
      flow.pointee.state = .synReceived
      sendSyn(flow)
      setInterest(flow, .read)
      touch(flow, [])
    }
  }
}
