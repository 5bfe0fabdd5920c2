// SPDX-License-Identifier: Apache-2.0
//
// Connections opened by a guest. The host socket is connected first; its result is the answer to the guest's SYN: SYN-ACK,
// RST (refused) or ICMP unreachable. So a guest never sees a connection that the host could not make.

import LibC
import Wire

extension TCPEngine {
  /// Handles a SYN for a new connection.
  func connect(_ segment: Segment, key: FlowKey, _ packet: InboundPacket) {
    guard segment.packet.destinationPort != 0, segment.packet.sourcePort != 0 else { return }
    let endpoint: Endpoint
    var isLoopback = false
    switch stack.route(
      proto: IPProtocol.tcp, to: Endpoint(key.remote, port: key.remotePort), of: packet)
    {
    case .ignored: return
    case .refused, .denied:
      counters.refused &+= 1
      sendResetWithoutFlow(segment, packet)
      return
    case .unreachable:
      counters.unreachable &+= 1
      stack.sendICMPError(about: packet, .host)
      return
    case .prohibited:
      counters.unreachable &+= 1
      stack.sendICMPError(about: packet, .prohibited)
      return
    case .dns:
      connectToDNS(segment, key: key, packet)
      return
    case .hostLoopback(let target):
      endpoint = target
      isLoopback = true
    case .connect where stack.isBeyondScope(packet):
      counters.unreachable &+= 1
      stack.sendICMPError(about: packet, .beyondScope)
      return
    case .connect(let target): endpoint = target
    }
    let share = stack.shares.of(packet.link, packet.sourceMAC)
    guard stack.newFlows.admits(packet, share: share, now: stack.now), admits(share, key) else {
      return
    }
    guard stack.isWithinLimits(share) else {
      stack.shares.pointer(share).pointee.counters.connectionsLimited &+= 1
      counters.refused &+= 1
      sendResetWithoutFlow(segment, packet)
      return
    }
    var attempt = dial(endpoint, isLoopback: isLoopback, for: share)
    var mayTryOther = isLoopback
    if isLoopback, let code = attempt.failure {
      // A service may listen on the other family's loopback only.
      mayTryOther = false
      attempt = dial(endpoint.onOtherLoopback, isLoopback: true, for: share)
      if attempt.failure != nil, code == ECONNREFUSED { attempt = Attempt(fd: -1, result: -code) }
    }
    if let code = attempt.failure {
      refuse(code: code, key: key, sourceMAC: packet.sourceMAC, sequence: segment.sequence)
      return
    }
    guard
      let flow = makeFlow(
        key: key, mac: packet.sourceMAC, state: .connecting, fd: attempt.fd)
    else { return }
    if mayTryOther { flow.pointee.flags.insert(.mayTryOther) }
    counters.opened &+= 1
    flow.pointee.flags.insert(.isCounted)
    destinations.took(flow.pointee.share, key)
    stack.shares.pointer(flow.pointee.share).pointee.begunConnections &+= 1
    takeSynOptions(flow, segment)
    proceed(flow, attempt)
  }

  private func proceed(_ flow: FlowPointer, _ attempt: Attempt) {
    if attempt.result == 0 {
      connected(flow)
    } else {
      setInterest(flow, .write)
    }
  }

  /// A host socket and the result of its connect.
  private struct Attempt {
    var fd: Int32
    /// Result of connect: 0 or -EINPROGRESS; otherwise -errno, and there is no socket.
    var result: Int32

    /// An errno.
    var failure: Int32? { result == 0 || result == -EINPROGRESS ? nil : 0 &- result }
  }

  private func dial(_ endpoint: Endpoint, isLoopback: Bool, for share: UInt32) -> Attempt {
    let fd = openSocket(endpoint.address.isV4 ? AF_INET : AF_INET6, for: share)
    guard fd >= 0 else { return Attempt(fd: -1, result: fd) }
    let address = SocketAddress(endpoint)
    var result = address.withSockaddr {
      stack.calls.connect(stack.calls.context, fd, $0, $1)
    }
    if result == -EINPROGRESS, isLoopback {
      // On the loopback the result is known already; a second call is cheaper than an iteration of the loop.
      let again = address.withSockaddr { stack.calls.connect(stack.calls.context, fd, $0, $1) }
      result = again == -EALREADY ? -EINPROGRESS : again == -EISCONN ? 0 : again
    }
    let attempt = Attempt(fd: fd, result: result)
    if attempt.failure != nil { closeDescriptor(fd, reset: false) }
    return attempt
  }

  /// Nothing listens on the host's loopback of this family: tries the other family. False if that has been tried.
  private func tryOtherLoopback(_ flow: FlowPointer) -> Bool {
    guard flow.pointee.flags.contains(.mayTryOther) else { return false }
    flow.pointee.flags.remove(.mayTryOther)
    let key = flow.pointee.key
    guard
      case .hostLoopback(let first) = stack.policy.route(
        proto: IPProtocol.tcp, to: Endpoint(key.remote, port: key.remotePort))
    else { return false }
    let attempt = dial(first.onOtherLoopback, isLoopback: true, for: flow.pointee.share)
    guard attempt.failure == nil else { return false }
    stack.host.unwatch(flow.pointee.watch)
    closeDescriptor(flow.pointee.fd, reset: false)
    flow.pointee.watch = 0
    flow.pointee.interest = []
    flow.pointee.fd = attempt.fd
    proceed(flow, attempt)
    return true
  }

  private func connectToDNS(_ segment: Segment, key: FlowKey, _ packet: InboundPacket) {
    let share = stack.shares.of(packet.link, packet.sourceMAC)
    guard stack.newFlows.admits(packet, share: share, now: stack.now), hasRoom(for: share) else {
      return
    }
    let fd = dns.acceptStream(
      link: key.link, share: share,
      from: DNSStream.Origin(
        guest: Endpoint(key.guest, port: key.guestPort),
        server: Endpoint(key.remote, port: key.remotePort), mac: packet.sourceMAC))
    guard fd >= 0 else {
      sendResetWithoutFlow(segment, packet)
      return
    }
    guard let flow = makeFlow(key: key, mac: packet.sourceMAC, state: .connecting, fd: fd) else {
      return
    }
    takeSynOptions(flow, segment)
    connected(flow)
  }

  /// Opens a stream socket: its descriptor, or -errno.
  private func openSocket(_ family: Int32, for share: UInt32) -> Int32 {
    #if canImport(Glibc)
      let stream = Int32(SOCK_STREAM.rawValue)
    #else
      let stream = SOCK_STREAM
    #endif
    var fd = stack.calls.socket(stack.calls.context, family, stream, 0)
    if fd == -EMFILE || fd == -ENFILE, makeRoom(for: share) || udp.dropDatagramFlow(for: share) {
      fd = stack.calls.socket(stack.calls.context, family, stream, 0)
    }
    return fd
  }

  /// Adds a flow to the table; nil if there is no room, and the socket is closed.
  func makeFlow(key: FlowKey, mac: MACAddress, state: TCPState, fd: Int32) -> FlowPointer? {
    // Refused frames refer to flows by slot: they are handled before a slot can be reused.
    takeRefused()
    let share = stack.shares.of(key.link, mac)
    var index = flows.insert(TCPFlow(key: key, guestMAC: mac, state: state))
    if index == 0, makeRoom(for: share) {
      freeClosed()
      index = flows.insert(TCPFlow(key: key, guestMAC: mac, state: state))
    }
    guard index != 0 else {
      closeDescriptor(fd, reset: true)
      return nil
    }
    table.insert(index)
    let flow = flows.pointer(index)
    joinShare(flow, share)
    flow.pointee.fd = fd
    socketCount &+= 1
    flow.pointee.lastActivity = stack.now
    flow.pointee.neighborRevision = stack.neighborRevision
    flow.pointee.sender.congestion = FlowCongestion(stack.config.congestion)
    flow.pointee.sender.begin(at: initialSequence(key))
    return flow
  }

  /// The initial sequence number (RFC 6528): a clock of 4 us and a keyed hash of the addresses and port numbers.
  private func initialSequence(_ key: FlowKey) -> UInt32 {
    var hash = SipHash(key: sequenceKey)
    hash.absorb(key.guest.high)
    hash.absorb(key.guest.low)
    hash.absorb(key.remote.high)
    hash.absorb(key.remote.low)
    hash.absorb(UInt64(key.guestPort) << 48 | UInt64(key.remotePort) << 32 | UInt64(key.link))
    return UInt32(truncatingIfNeeded: stack.now >> 12) &+ UInt32(truncatingIfNeeded: hash.finish())
  }

  /// Takes the guest's sequence number, MSS, window scale, SACK permission and window from its SYN.
  func takeSynOptions(_ flow: FlowPointer, _ segment: Segment) {
    let options = segment.packet.options
    flow.pointee.receiver.begin(after: segment.sequence)
    // The default of RFC 9293 §3.7.1. Very small values are raised: they would only increase the number of segments.
    let isV4 = flow.pointee.key.guest.isV4
    let offered = Int(options.maximumSegmentSize ?? (isV4 ? 536 : 1220))
    let link = stack.links.pointer(flow.pointee.key.link)
    let carried =
      link.pointee.isMTUKnown ? Int(link.pointee.mtu) &- Self.headers(isV4: isV4) : 65535
    flow.pointee.sender.segmentSize = UInt16(
      truncatingIfNeeded: max(88, min(offered, carried, 65523 &- Self.headers(isV4: isV4))))
    if options.sackPermitted { flow.pointee.sender.flags.insert(.sackPermitted) }
    if let scale = options.windowScale {
      flow.pointee.flags.insert(.scaleOffered)
      flow.pointee.sender.windowScale = min(scale, 14)
      flow.pointee.receiver.windowScale = Self.windowScale
    }
    // The window of a SYN is never scaled (RFC 7323 §2.2).
    flow.pointee.sender.setWindow(
      UInt32(segment.window), sequence: segment.sequence, acknowledgement: segment.acknowledgement)
  }

  /// The host socket is connected: sends the SYN-ACK.
  private func connected(_ flow: FlowPointer) {
    flow.pointee.state = .synReceived
    sendSyn(flow)
    setInterest(flow, .read)
  }

  /// A pending connect has finished, with success or an error.
  func connectFinished(_ flow: FlowPointer) {
    let code = stack.calls.takeError(flow.pointee.fd)
    guard code != 0 else {
      connected(flow)
      return
    }
    if code == ECONNREFUSED, tryOtherLoopback(flow) { return }
    let key = flow.pointee.key
    let mac = flow.pointee.guestMAC
    let sequence = flow.pointee.receiver.initialSequence
    close(flow)
    refuse(code: code, key: key, sourceMAC: mac, sequence: sequence)
  }

  /// Answers the guest's SYN with the reason for the failure.
  /// - Parameters:
  ///   - code: errno of connect.
  ///   - sequence: the sequence number of the guest's SYN.
  private func refuse(code: Int32, key: FlowKey, sourceMAC: MACAddress, sequence: UInt32) {
    switch code {
    case ECONNREFUSED, ECONNRESET:
      counters.refused &+= 1
      var flow = TCPFlow(key: key, guestMAC: sourceMAC, state: .closed)
      flow.receiver.begin(after: sequence)
      withUnsafeMutablePointer(to: &flow) { sendReset($0, at: 0) }
      return
    default: break
    }
    let isV4 = key.guest.isV4
    guard
      let failure = code == ETIMEDOUT ? .host : DeliveryFailure(errno: code, isV4: isV4)
    else {
      // The host's port numbers or memory are exhausted: without an answer the guest retransmits its SYN.
      if exhaustionLogLimit.take(now: stack.now) {
        stack.host.log(.warning, "tcp: connect failed: errno \(code)")
      }
      return
    }
    counters.unreachable &+= 1
    // The guest matches an ICMP error by addresses, port numbers and sequence number.
    let headers = Self.headers(isV4: isV4)
    let quoted = [UInt8](capacity: headers) { out in
      if isV4 {
        IPv4Header(
          source: key.guest, destination: key.remote, protocolNumber: IPProtocol.tcp,
          payloadLength: TCPHeader.minimumLength
        ).emit(into: out)
      } else {
        IPv6Header(
          source: key.guest, destination: key.remote, nextHeader: IPProtocol.tcp,
          payloadLength: TCPHeader.minimumLength
        ).emit(into: out)
      }
      TCPHeader(
        sourcePort: key.guestPort, destinationPort: key.remotePort, sequence: sequence,
        acknowledgement: 0, flags: .syn, window: 0
      ).emit(into: out.dropFirst(headers - TCPHeader.minimumLength))
      return headers
    }
    quoted.withByteView {
      stack.sendICMPError(
        quoting: $0, to: key.guest, mac: sourceMAC, on: key.link,
        from: stack.config.gateway(for: key.guest), failure.message(isV4: isV4))
    }
  }

  /// In SYN-RECEIVED: whether the segment acknowledges the SYN sent to the guest (RFC 9293 §3.10.7.4, fifth).
  func establish(_ flow: FlowPointer, _ segment: Segment) -> Bool {
    guard segment.acknowledgement == flow.pointee.sender.unacknowledged &+ 1 else {
      sendReset(flow, at: segment.acknowledgement)
      return false
    }
    flow.pointee.state = .established
    flow.pointee.sender.synAcknowledged(segment.acknowledgement)
    flow.pointee.flags.remove(.synDue)
    shareAccepted(flow)
    flow.pointee.sender.setWindow(
      UInt32(segment.window) << UInt32(flow.pointee.sender.windowScale),
      sequence: segment.sequence, acknowledgement: segment.acknowledgement)
    touch(flow, .outputDue)
    return true
  }
}
