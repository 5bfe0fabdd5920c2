// SPDX-License-Identifier: Apache-2.0
//
// ICMP and ICMPv6 (RFC 792, RFC 5508, RFC 4443 §4): the stack answers echo requests to the gateway and the DNS
// address; those to the outside go through unprivileged ping sockets. Other addresses of the subnet do not reply.
//
// A ping socket stands for one {link, guest address, echo identifier}. The kernel assigns it an identifier of its own
// and delivers replies to that one only; identifier and checksum are restored for the guest, the sequence number is
// unchanged. ICMP errors are read from the socket's error queue and sent on with the address of the router that sent
// them, so traceroute works. Loop thread only.

import LibC
import Wire

/// Counted since the stack was created.
package struct ICMPCounters: BitwiseCopyable, Sendable {
  /// Answered by the stack itself.
  package var gatewayEchoes: UInt64 = 0
  package var requests: UInt64 = 0
  package var replies: UInt64 = 0
  package var errors: UInt64 = 0
  /// Requests that the kernel refused, and those without a ping socket.
  package var refused: UInt64 = 0

  package init() {}
}

/// ICMP of all links.
package final class ICMPEngine {
  let stack: StackCore
  let pings: PingSockets
  private let udp: UDPEngine
  private var logLimit = LogLimit()

  package var counters = ICMPCounters()
  /// Ping sockets in use.
  package var flowCount: Int { pings.flows.count }

  init(stack: StackCore, pings: PingSockets, udp: UDPEngine) {
    self.stack = stack
    self.pings = pings
    self.udp = udp
  }

  /// A message from a guest; borrowed. Returns it when it is an error, which only TCP processes: an error about a
  /// datagram cannot be passed to the host's sockets.
  func input(_ packet: InboundPacket) -> ICMPv4Packet? {
    let counters = stack.links.pointer(packet.link)
    guard let message = ICMPv4Packet(checking: packet.payload), message.isChecksumValid else {
      counters.pointee.counters.malformed &+= 1
      return nil
    }
    switch message.type {
    case ICMPv4Type.destinationUnreachable, ICMPv4Type.timeExceeded, ICMPv4Type.parameterProblem:
      return message
    case ICMPv4Type.echoRequest: echo(packet, message, counters)
    default: counters.pointee.counters.ignored &+= 1
    }
    return nil
  }

  /// A verified ICMPv6 message from a guest that is not an error; borrowed.
  func input(_ packet: InboundPacket, _ message: ICMPv6Packet) {
    let counters = stack.links.pointer(packet.link)
    guard message.type == ICMPv6Type.echoRequest else {
      counters.pointee.counters.ignored &+= 1
      return
    }
    echo(packet, message, counters)
  }

  /// An echo request of either family.
  private func echo(
    _ packet: InboundPacket, _ message: some ICMPMessage, _ counters: UnsafeMutablePointer<Link>
  ) {
    guard message.code == 0, !packet.source.isUnspecified else {
      counters.pointee.counters.ignored &+= 1
      return
    }
    // In IPv6 a request to a group is answered, too (RFC 4443 §4.2): the stack is a member of it.
    let isGroup = !packet.source.isV4 && packet.destination.isMulticast
    if isGroup || stack.config.isOwn(packet.destination) {
      self.counters.gatewayEchoes &+= 1
      _ = stack.sendEchoReply(
        identifier: message.echoIdentifier, sequence: message.echoSequence,
        payload: message.payload,
        from: isGroup ? stack.config.gateway(for: packet.source) : packet.destination,
        to: packet.source, trafficClass: packet.trafficClass, mac: packet.sourceMAC,
        on: packet.link)
      return
    }
    // The policy expects an endpoint: port 7 is echo.
    switch stack.route(
      proto: IPProtocol.icmp, to: Endpoint(packet.destination, port: 7), of: packet)
    {
    case .connect where stack.isBeyondScope(packet):
      stack.sendICMPError(about: packet, .beyondScope)
    case .connect(let target):
      guard packet.hopLimit > 1 else {
        stack.sendICMPError(about: packet, .hopLimit)
        return
      }
      forward(packet, message, to: target.address)
    case .unreachable:
      stack.sendICMPError(about: packet, .host)
    case .prohibited, .denied:
      stack.sendICMPError(about: packet, .prohibited)
    case .hostLoopback, .dns, .refused, .ignored:
      counters.pointee.counters.ignored &+= 1
    }
  }

  private func forward(
    _ packet: InboundPacket, _ message: some ICMPMessage, to target: IPAddress
  ) {
    let key = FlowKey(
      link: packet.link, proto: packet.proto, guest: packet.source,
      guestPort: message.echoIdentifier, remote: target.isV4 ? .anyV4 : .anyV6, remotePort: 0)
    var index = pings.table.find(key)
    if index == 0 {
      let share = stack.shares.of(packet.link, packet.sourceMAC)
      guard stack.newFlows.admits(packet, share: share, now: stack.now) else { return }
      index = open(key, share, packet)
    }
    guard index != 0 else {
      counters.refused &+= 1
      return
    }
    let flow = pings.flows.pointer(index)
    pings.touch(index)
    flow.pointee.guestMAC = packet.sourceMAC
    flow.pointee.lastSequence = message.echoSequence
    flow.pointee.socket.setHopLimit(packet.hopLimit &- 1, stack.calls)
    flow.pointee.socket.setTrafficClass(packet.trafficClass, stack.calls)
    flow.pointee.socket.setDiscovery(packet.discovery, stack.calls)
    counters.requests &+= 1
    let fd = flow.pointee.socket.fd
    let type = target.isV4 ? ICMPv4Type.echoRequest : ICMPv6Type.echoRequest
    var result = send(message.bytes, as: type, fd, target)
    if result < 0, result != -Int(EAGAIN) {
      // Fails with the pending error of an earlier request.
      readErrors(index)
      result = send(message.bytes, as: type, fd, target)
    }
    guard result < 0 else { return }
    counters.refused &+= 1
    let code = Int32(-result)
    guard
      let failure = code == EMSGSIZE
        ? readErrors(index).map({ DeliveryFailure.tooBig(mtu: $0) })
        : DeliveryFailure(errno: code, isV4: packet.source.isV4), failure != .port
    else { return }
    stack.sendICMPError(about: packet, failure)
  }

  /// - Parameter type: of the message in the target's family, of which its sender's may be another (NAT64).
  private func send(
    _ bytes: ByteView, as type: UInt8, _ fd: Int32, _ target: IPAddress
  ) -> Int {
    // The kernel replaces identifier and checksum.
    var head: UInt64 = 0
    withUnsafeMutableBytes(of: &head) { head in
      head.copyMemory(
        from: UnsafeRawBufferPointer(start: bytes.base, count: ICMPHeader.encodedLength))
      head[ICMPField.type] = type
    }
    return SocketAddress(Endpoint(target, port: 0)).withSockaddr { address, size in
      withUnsafeMutablePointer(to: &head) { head in
        var pieces = (
          iovec(iov_base: head, iov_len: ICMPHeader.encodedLength),
          iovec(
            iov_base: UnsafeMutableRawPointer(mutating: bytes.base + ICMPHeader.encodedLength),
            iov_len: bytes.count - ICMPHeader.encodedLength)
        )
        return withUnsafeMutablePointer(to: &pieces) { pieces in
          pieces.withMemoryRebound(to: iovec.self, capacity: 2) { vector in
            var header = msghdr()
            header.msg_name = UnsafeMutableRawPointer(mutating: address)
            header.msg_namelen = size
            header.msg_iov = vector
            header.msg_iovlen = 2
            return stack.calls.sendMessage(stack.calls.context, fd, &header, 0)
          }
        }
      }
    }
  }

  // MARK: Flows

  private func open(_ key: FlowKey, _ share: UInt32, _ packet: InboundPacket) -> UInt32 {
    if !stack.isWithinLimits(share) {
      stack.shares.pointer(share).pointee.counters.connectionsLimited &+= 1
      guard pings.evictOldest(of: share) else { return 0 }
    }
    if pings.flows.count >= stack.descriptors.pings { _ = pings.makeRoom(for: share) }
    let isV4 = key.remote.isV4
    let fd = udp.openDatagramSocket(
      isV4: isV4, protocolNumber: Int32(isV4 ? IPProtocol.icmp : IPProtocol.icmpV6), for: share)
    guard fd >= 0 else {
      if -fd == EAFNOSUPPORT {
        stack.sendICMPError(about: packet, .noRoute)
      } else {
        logRefusal(-fd)
      }
      return 0
    }
    let index = pings.flows.insert(
      ICMPFlow(
        key: key, socket: DatagramSocket(fd: fd, isV4: isV4, stack.calls), guestMAC: .zero,
        lastUsed: stack.now, share: share))
    let token = EventToken(.icmp, index: index, generation: pings.flows.generation(index))
    let watch =
      index == 0 ? 0 : stack.host.watch(fd, events: .read, token: token)
    guard watch != 0 else {
      pings.flows.remove(index)
      _ = stack.calls.close(stack.calls.context, fd)
      return 0
    }
    stack.calls.set(
      fd, isV4 ? SocketConstant.levelIP : SocketConstant.levelIPv6,
      isV4 ? SocketConstant.receiveTimeToLive : SocketConstant.receiveHopLimitV6, 1)
    let flow = pings.flows.pointer(index)
    flow.pointee.socket.watch = watch
    flow.pointee.timer = stack.timers.schedule(
      at: stack.now &+ stack.config.icmp.idleTime, token: token.rawValue)
    pings.table.insert(index)
    let state = stack.shares.pointer(share)
    state.pointee.pings &+= 1
    state.pointee.pingOrder.append(index, in: pings.flows)
    return index
  }

  /// Logs which setting closes ping sockets, and the command that opens them.
  private func logRefusal(_ code: Int32) {
    guard logLimit.take(now: stack.now) != nil else { return }
    guard code == EACCES || code == EPERM else {
      stack.host.log(.warning, "the host gives no ping socket: \(errorText(code))")
      return
    }
    stack.host.log(
      .warning,
      "guests cannot ping the outside: net.ipv4.ping_group_range does not include this "
        + "process's group. To open it: sudo sysctl -w net.ipv4.ping_group_range='0 2147483647'")
  }
}
