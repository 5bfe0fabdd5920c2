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
        message.type == ICMPv4Type.echoReply, let source = inbox.source(index)
      else { continue }
      pings.touch(token.index)
      counters.replies &+= 1
      let (hopLimit, trafficClass) = traits(index)
      _ = stack.sendEcho(
        ICMPv4Type.echoReply, identifier: flow.pointee.key.guestPort,
        sequence: message.echoSequence, payload: message.payload,
        from: stack.seen(source).address, to: flow.pointee.key.guest,
        hopLimit: hopLimit, trafficClass: trafficClass, mac: flow.pointee.guestMAC,
        on: flow.pointee.key.link)
    }
    // The inbox is used again.
    stack.transmitter.flush()
  }

  /// What is left of the reply's own time-to-live after one more router, and its traffic class.
  private func traits(_ index: Int) -> (hopLimit: UInt8, trafficClass: UInt8) {
    var hopLimit: UInt8 = 64
    var trafficClass: UInt8 = 0
    for message in stack.inbox.controls(index)
    where message.level == SocketConstant.levelIP {
      switch message.type {
      case SocketConstant.timeToLive where message.data.count >= 4:
        let value = message.data.base.loadUnaligned(as: Int32.self)
        hopLimit = UInt8(clamping: max(value, 2) &- 1)
      case SocketConstant.trafficClass where message.data.count >= 1:
        trafficClass = message.data[0]
      default: break
      }
    }
    return (hopLimit, trafficClass)
  }

  /// Passes on what the network said about this socket's requests.
  /// Returns the MTU that a request refused with EMSGSIZE would have to fit, if one was.
  @discardableResult
  func readErrors(_ index: UInt32) -> UInt32? {
    let flow = pings.flows.pointer(index)
    return flow.pointee.socket.readErrors(stack.inbox, stack.calls) { report in
      guard let message = report.messageForGuest else { return }
      // The request as it was on the wire, with the identifier of the socket. An error of this
      // host's own stack has nothing of it.
      let request = ICMPv4Packet(checking: report.payload)
      counters.errors &+= 1
      stack.sendEchoError(
        identifier: flow.pointee.key.guestPort,
        sequence: request?.echoSequence ?? flow.pointee.lastSequence,
        payload: request?.payload ?? .empty, from: flow.pointee.key.guest,
        to: report.destination.address, mac: flow.pointee.guestMAC, on: flow.pointee.key.link,
        reporter: stack.reporter(report), message)
    }
  }
}

extension StackCore {
  /// Sends an echo message to a guest, in fragments if it must be.
  func sendEcho(
    _ type: UInt8, identifier: UInt16, sequence: UInt16, payload: ByteView,
    from source: IPAddress, to guest: IPAddress, hopLimit: UInt8 = 64, trafficClass: UInt8 = 0,
    mac: MACAddress, on link: UInt32
  ) -> Bool {
    sendFragments(
      echoHeader(type, identifier: identifier, sequence: sequence, payload: payload), payload,
      protocolNumber: IPProtocol.icmp, from: source, to: guest, hopLimit: hopLimit,
      trafficClass: trafficClass, mac: mac, on: link)
  }

  private func echoHeader(
    _ type: UInt8, identifier: UInt16, sequence: UInt16, payload: ByteView
  ) -> UInt64 {
    var header: UInt64 = 0
    withUnsafeMutableBytes(of: &header) { bytes in
      guard let base = bytes.baseAddress else { return }
      ICMPHeader(type: type, identifier: identifier, sequence: sequence)
        .emit(into: MutableByteView(base, count: 8), payload: payload)
    }
    return header
  }

  /// An ICMP error about an echo request of a guest, whose headers are written anew as the
  /// guest sent them.
  func sendEchoError(
    identifier: UInt16, sequence: UInt16, payload: ByteView, from guest: IPAddress,
    to remote: IPAddress, mac: MACAddress, on link: UInt32, reporter: IPAddress,
    _ message: ICMPErrorMessage
  ) {
    let quoted = payload.prefix(520)
    let header = echoHeader(
      ICMPv4Type.echoRequest, identifier: identifier, sequence: sequence, payload: quoted)
    withUnsafeTemporaryAllocation(byteCount: 548, alignment: 8) { space in
      guard let base = space.baseAddress else { return }
      let out = MutableByteView(base, count: space.count)
      let length = ICMPHeader.encodedLength + quoted.count
      IPv4Header(
        source: guest, destination: remote, protocolNumber: IPProtocol.icmp,
        payloadLength: length, timeToLive: 1
      ).emit(into: out)
      // The IPv4 header is 20 bytes: not a multiple of eight.
      withUnsafeBytes(of: header) { bytes in
        out.store(ByteView(bytes), at: IPv4Header.encodedLength)
      }
      out.store(quoted, at: IPv4Header.encodedLength + ICMPHeader.encodedLength)
      sendICMPError(
        quoting: ByteView(base, count: IPv4Header.encodedLength + length), to: guest, mac: mac,
        on: link, from: reporter, type: message.type, code: message.code, rest: message.rest)
    }
  }
}
