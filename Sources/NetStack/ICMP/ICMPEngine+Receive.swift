// SPDX-License-Identifier: Apache-2.0
//
// From ping sockets to the guest: replies, and errors about requests.

import Wire

extension ICMPEngine {
  func onEvent(_ token: EventToken, _ events: FDEvents) {
    guard pings.flows.isTaken(token.index, generation: token.generation) else { return }
    let owner = pings.flows.pointer(token.index)
    guard !owner.pointee.isDeparted else { return pings.close(token.index) }
    owner.pointee.guestMAC = stack.currentMAC(
      owner.pointee.guestMAC, of: owner.pointee.key.guest, on: owner.pointee.key.link)
    if events.contains(.error) { readErrors(token.index) }
    guard events.contains(.read) else { return }
    let inbox = stack.inbox
    let flow = pings.flows.pointer(token.index)
    guard inbox.receive(flow.pointee.socket.fd, stack.calls) > 0 else { return }
    for index in 0..<inbox.count {
      guard let message = ICMPv4Packet(checking: inbox.payload(index)),
        message.type
          == (flow.pointee.socket.isV4 ? ICMPv4Type.echoReply : ICMPv6Type.echoReply),
        let source = inbox.source(index)
      else { continue }
      pings.touch(token.index)
      counters.replies &+= 1
      let (hopLimit, trafficClass) = traits(index)
      _ = stack.sendEchoReply(
        identifier: flow.pointee.key.guestPort,
        sequence: message.echoSequence, payload: message.payload,
        from: stack.seen(source, by: flow.pointee.key.guest).address, to: flow.pointee.key.guest,
        hopLimit: hopLimit, trafficClass: trafficClass, mac: flow.pointee.guestMAC,
        on: flow.pointee.key.link)
    }
    // Flushes before the inbox is reused.
    stack.transmitter.flush()
  }

  /// The reply's time-to-live minus one hop, and its traffic class.
  private func traits(_ index: Int) -> (hopLimit: UInt8, trafficClass: UInt8) {
    var hopLimit: UInt8 = 64
    var trafficClass: UInt8 = 0
    for message in stack.inbox.controls(index) {
      switch (message.level, message.type) {
      case (SocketConstant.levelIP, SocketConstant.timeToLive) where message.data.count >= 4,
        (SocketConstant.levelIPv6, SocketConstant.hopLimitV6) where message.data.count >= 4:
        let value = message.data.base.loadUnaligned(as: Int32.self)
        hopLimit = UInt8(clamping: max(value, 2) &- 1)
      case (SocketConstant.levelIP, SocketConstant.trafficClass) where message.data.count >= 1:
        trafficClass = message.data[0]
      case (SocketConstant.levelIPv6, SocketConstant.trafficClassV6)
      where message.data.count >= 4:
        trafficClass = UInt8(
          truncatingIfNeeded: message.data.base.loadUnaligned(as: Int32.self))
      default: break
      }
    }
    return (hopLimit, trafficClass)
  }

  /// Passes on the errors that the kernel received for this socket's requests. Returns the MTU for a request that was
  /// refused with EMSGSIZE, if one was.
  @discardableResult
  func readErrors(_ index: UInt32) -> UInt32? {
    let flow = pings.flows.pointer(index)
    return flow.pointee.socket.readErrors(stack.inbox, stack.calls) { report in
      let guest = flow.pointee.key.guest
      guard let message = report.messageForGuest(isV4: guest.isV4) else { return }
      // The request as sent, with the identifier of the socket. Errors of this host's own stack do not contain it.
      let request = ICMPv4Packet(checking: report.payload)
      counters.errors &+= 1
      stack.sendEchoError(
        identifier: flow.pointee.key.guestPort,
        sequence: request?.echoSequence ?? flow.pointee.lastSequence,
        payload: request?.payload ?? .empty, from: guest,
        to: stack.seen(report.destination, by: guest).address, mac: flow.pointee.guestMAC,
        on: flow.pointee.key.link,
        reporter: stack.reporter(report, to: guest), message)
    }
  }
}

extension StackCore {
  /// Sends an echo reply to a guest, fragmented if necessary.
  func sendEchoReply(
    identifier: UInt16, sequence: UInt16, payload: ByteView,
    from source: IPAddress, to guest: IPAddress, hopLimit: UInt8 = 64, trafficClass: UInt8 = 0,
    mac: MACAddress, on link: UInt32
  ) -> Bool {
    var header: UInt64 = 0
    withUnsafeMutableBytes(of: &header) { bytes in
      guard let base = bytes.baseAddress else { return }
      emitEcho(
        ICMPHeader(
          type: guest.isV4 ? ICMPv4Type.echoReply : ICMPv6Type.echoReply, identifier: identifier,
          sequence: sequence), payload, from: source, to: guest,
        into: MutableByteView(base, count: bytes.count))
    }
    return sendFragments(
      header, payload, protocolNumber: guest.isV4 ? IPProtocol.icmp : IPProtocol.icmpV6,
      from: source, to: guest, hopLimit: hopLimit, trafficClass: trafficClass, mac: mac, on: link)
  }

  private func emitEcho(
    _ header: ICMPHeader, _ payload: ByteView, from source: IPAddress, to destination: IPAddress,
    into out: MutableByteView
  ) {
    if source.isV4 {
      header.emit(into: out, payload: payload)
    } else {
      header.emit(into: out, payload: payload, source: source, destination: destination)
    }
  }

  /// An ICMP error about a guest's echo request, whose headers are rebuilt as the guest sent them.
  func sendEchoError(
    identifier: UInt16, sequence: UInt16, payload: ByteView, from guest: IPAddress,
    to remote: IPAddress, mac: MACAddress, on link: UInt32, reporter: IPAddress,
    _ message: ICMPErrorMessage
  ) {
    sendQuotedError(
      about: payload, protocolNumber: guest.isV4 ? IPProtocol.icmp : IPProtocol.icmpV6,
      from: guest, to: remote, mac: mac, on: link, reporter: reporter, message
    ) { out, quoted in
      emitEcho(
        ICMPHeader(
          type: guest.isV4 ? ICMPv4Type.echoRequest : ICMPv6Type.echoRequest,
          identifier: identifier, sequence: sequence), quoted, from: guest, to: remote, into: out)
    }
  }
}
