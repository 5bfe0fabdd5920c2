// SPDX-License-Identifier: Apache-2.0
//
// ICMP (RFC 792, RFC 5508): echo to the gateway and the DNS address is answered here, echo
// to the outside goes through unprivileged ping sockets, and nothing else is answered: an
// address that is not there does not reply.
//
// A ping socket stands for one {link, guest address, echo identifier}. The kernel
// gives it an identifier of its own and hands us replies to that one only; identifier and
// checksum are put back for the guest, the sequence number passes through. Errors of the
// network come by the socket's error queue and go on in the name of the router that sent
// them, so traceroute works. Loop thread only.

import PluginAPI

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Settings of ping sockets.
package struct ICMPConfig: Sendable {
  /// Ping sockets at most; the oldest makes room.
  package var maximumFlows = 256
  /// Idle time after which a socket is closed (RFC 5508 REQ-1: 60 s or more), nanoseconds.
  package var idleTime: UInt64 = 60 * 1_000_000_000

  package init() {}
}

/// Counted since the stack was made.
package struct ICMPCounters: BitwiseCopyable, Sendable {
  /// Answered by the stack itself.
  package var gatewayEchoes: UInt64 = 0
  package var requests: UInt64 = 0
  package var replies: UInt64 = 0
  package var errors: UInt64 = 0
  /// Requests the kernel refused, and those without a ping socket.
  package var refused: UInt64 = 0

  package init() {}
}

/// A guest's echo identifier and its ping socket.
struct ICMPFlow: BitwiseCopyable {
  /// `guestPort` is the identifier; `remote` is unspecified.
  var key: FlowKey
  var fd: Int32
  var timer: UInt32 = 0
  var watch: lnd_handle = 0
  var guestMAC: MACAddress
  var lastUsed: UInt64
  /// IP_TTL of the socket.
  var hopLimit: UInt8 = 0
}

/// ICMP of all links.
package final class ICMPEngine {
  let stack: StackCore
  private let config: ICMPConfig
  var flows: Slab<ICMPFlow>
  private var table: FlowTable
  private var hasLoggedRefusal = false

  package var counters = ICMPCounters()
  /// Ping sockets in use.
  package var flowCount: Int { flows.count }

  init(stack: StackCore) {
    self.stack = stack
    config = stack.config.icmp
    flows = Slab(capacity: config.maximumFlows)
    table = FlowTable(slab: flows, seed: stack.random.next())
  }

  /// A message from a guest; borrowed.
  func input(_ packet: InboundPacket) {
    let counters = stack.links.pointer(packet.link)
    guard let message = ICMPv4Packet(checking: packet.payload), message.isChecksumValid else {
      counters.pointee.counters.malformed &+= 1
      return
    }
    guard message.type == ICMPv4Type.echoRequest, message.code == 0,
      !packet.source.isUnspecified
    else {
      counters.pointee.counters.ignored &+= 1
      return
    }
    if stack.config.isOwn(packet.destination) {
      self.counters.gatewayEchoes &+= 1
      _ = stack.sendEcho(
        ICMPv4Type.echoReply, identifier: message.echoIdentifier,
        sequence: message.echoSequence, payload: message.payload, from: packet.destination,
        to: packet.source, mac: packet.sourceMAC, on: packet.link)
      return
    }
    // Port 7 is echo: the policy is asked about endpoints.
    switch stack.policy.route(
      proto: IPProtocol.icmp, to: Endpoint(packet.destination, port: 7))
    {
    case .connect(let target):
      guard packet.hopLimit > 1 else {
        stack.sendICMPError(about: packet, type: ICMPv4Type.timeExceeded, code: 0)
        return
      }
      forward(packet, message, to: target.address)
    case .unreachable:
      stack.sendICMPError(
        about: packet, type: ICMPv4Type.destinationUnreachable, code: ICMPv4Unreachable.host)
    case .hostLoopback, .dns, .refused, .ignored:
      counters.pointee.counters.ignored &+= 1
    }
  }

  private func forward(_ packet: InboundPacket, _ message: ICMPv4Packet, to target: IPAddress) {
    let key = FlowKey(
      link: packet.link, proto: IPProtocol.icmp, guest: packet.source,
      guestPort: message.echoIdentifier, remote: .anyV4, remotePort: 0)
    var index = table.find(key)
    if index == 0 { index = open(key) }
    guard index != 0 else {
      counters.refused &+= 1
      return
    }
    let flow = flows.pointer(index)
    flow.pointee.lastUsed = stack.now
    flow.pointee.guestMAC = packet.sourceMAC
    let hopLimit = packet.hopLimit &- 1
    if flow.pointee.hopLimit != hopLimit {
      flow.pointee.hopLimit = hopLimit
      stack.calls.set(
        flow.pointee.fd, SocketConstant.levelIP, SocketConstant.timeToLive, Int32(hopLimit))
    }
    counters.requests &+= 1
    var result = send(message.bytes, flow.pointee.fd, target)
    if result < 0, result != -Int(EAGAIN) {
      // The error of an earlier request is reported by the next call.
      readErrors(index)
      result = send(message.bytes, flow.pointee.fd, target)
    }
    guard result < 0 else { return }
    counters.refused &+= 1
    let code: UInt8
    switch Int32(-result) {
    case ENETUNREACH: code = ICMPv4Unreachable.network
    case EHOSTUNREACH, EHOSTDOWN: code = ICMPv4Unreachable.host
    case EACCES, EPERM: code = ICMPv4Unreachable.prohibited
    default: return
    }
    stack.sendICMPError(about: packet, type: ICMPv4Type.destinationUnreachable, code: code)
  }

  private func send(_ bytes: ByteView, _ fd: Int32, _ target: IPAddress) -> Int {
    var vector = iovec(
      iov_base: UnsafeMutableRawPointer(mutating: bytes.base), iov_len: bytes.count)
    return SocketAddress(Endpoint(target, port: 0)).withSockaddr { address, size in
      withUnsafeMutablePointer(to: &vector) { vector in
        var header = msghdr()
        header.msg_name = UnsafeMutableRawPointer(mutating: address)
        header.msg_namelen = size
        header.msg_iov = vector
        header.msg_iovlen = 1
        return stack.calls.sendMessage(stack.calls.context, fd, &header, 0)
      }
    }
  }

  // MARK: Flows

  private func open(_ key: FlowKey) -> UInt32 {
    if flows.count >= config.maximumFlows { closeOldest() }
    let fd = stack.calls.socket(
      stack.calls.context, AF_INET, Int32(SOCK_DGRAM.rawValue), Int32(IPPROTO_ICMP))
    guard fd >= 0 else {
      logRefusal(-fd)
      return 0
    }
    let index = flows.insert(
      ICMPFlow(key: key, fd: fd, guestMAC: .zero, lastUsed: stack.now))
    let token = EventToken(.icmp, index: index, generation: flows.generation(index))
    let watch =
      index == 0 ? 0 : stack.host.watch(fd, events: LND_FD_READ, token: token)
    guard watch != 0 else {
      flows.remove(index)
      _ = stack.calls.close(stack.calls.context, fd)
      return 0
    }
    stack.calls.set(fd, SocketConstant.levelIP, SocketConstant.receiveErrors, 1)
    stack.calls.set(fd, SocketConstant.levelIP, SocketConstant.receiveTimeToLive, 1)
    let flow = flows.pointer(index)
    flow.pointee.watch = watch
    flow.pointee.timer = stack.timers.schedule(
      at: stack.now &+ config.idleTime, token: token.rawValue)
    table.insert(index)
    return index
  }

  /// Says once what is closed, and the command that opens it.
  private func logRefusal(_ code: Int32) {
    guard !hasLoggedRefusal else { return }
    hasLoggedRefusal = true
    guard code == EACCES || code == EPERM else {
      stack.host.log(LND_LOG_WARN, "no ping socket: \(errorText(code)); said once")
      return
    }
    stack.host.log(
      LND_LOG_WARN,
      "guests cannot ping the outside: net.ipv4.ping_group_range does not include this "
        + "process's group. To open it: sudo sysctl -w net.ipv4.ping_group_range='0 2147483647'")
  }

  private func closeOldest() {
    var oldest: UInt32 = 0
    for index in 1..<max(flows.endIndex, 1) where flows.isTaken(index) {
      if oldest == 0
        || flows.pointer(index).pointee.lastUsed < flows.pointer(oldest).pointee.lastUsed
      {
        oldest = index
      }
    }
    if oldest != 0 { close(oldest) }
  }

  private func close(_ index: UInt32) {
    let flow = flows.pointer(index)
    stack.timers.cancel(flow.pointee.timer)
    stack.host.unwatch(flow.pointee.watch)
    _ = stack.calls.close(stack.calls.context, flow.pointee.fd)
    table.remove(index)
    flows.remove(index)
  }

  func onTimer(_ token: EventToken) {
    guard flows.isTaken(token.index, generation: token.generation) else { return }
    let flow = flows.pointer(token.index)
    flow.pointee.timer = 0
    let deadline = flow.pointee.lastUsed &+ config.idleTime
    if deadline <= stack.now {
      close(token.index)
    } else {
      flow.pointee.timer = stack.timers.schedule(at: deadline, token: token.rawValue)
    }
  }

  func linkDown(_ link: UInt32) {
    for index in 1..<max(flows.endIndex, 1)
    where flows.isTaken(index) && flows.pointer(index).pointee.key.link == link {
      close(index)
    }
  }

  func shutDown() {
    for index in 1..<max(flows.endIndex, 1) where flows.isTaken(index) { close(index) }
  }
}
