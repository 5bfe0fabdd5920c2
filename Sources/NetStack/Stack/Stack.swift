// SPDX-License-Identifier: Apache-2.0
//
// The user-mode gateway of one network: everything between the frames of the guests and
// the sockets of the host.
//
//   rx ──► Ethernet ──► ARP
//                  └──► IP ──► TCP   ──► host sockets
//                         ├──► UDP   ──► host sockets, DHCP, DNS
//                         └──► ICMP  ──► answers, ping sockets
//   on_fds, on_timer ──► the engine that the token names
//   every engine ──► Transmitter ──► send
//
// One object per plugin instance, used on the loop thread only. Its entry points mirror
// lnd_network_ops; each ends with `endOfTurn`, where what was collected goes out:
// one sendmsg per TCP flow, one ACK per flow, then one `send` per link.
// Nothing on the packet path allocates, retains or calls through an existential: flows and
// links are trivial structs in Slabs, engines are final classes.

import PluginAPI
import Wire

/// See the head of this file.
package final class Stack {
  package let core: StackCore
  package let tcp: TCPEngine
  package let udp: UDPEngine
  package let icmp: ICMPEngine
  package let forwards: ForwardEngine
  package let dns: DNSIntercept

  /// Deadlines that are kept in one turn; the next ones follow in the turn after it. The end of a flow
  /// takes some system calls, and thousands may come to theirs together.
  static let timersPerTurn = 256

  let fragmentBudget = FragmentBudget()
  private let lookAhead = LookAhead()
  /// Guests whose datagrams were put together in this turn.
  var reassembledShares: [UInt32] = []

  /// - Parameters:
  ///   - table: lives until the stack is gone.
  ///   - seed: from the kernel in production, fixed in a test.
  /// Nil when the host's table lacks a required function.
  package init?(
    host table: UnsafePointer<lnd_host>, calls: SocketCalls, config: StackConfig, seed: UInt64
  ) {
    guard let host = HostCalls(table) else { return nil }
    core = StackCore(host: host, calls: calls, config: config, seed: seed)
    tcp = TCPEngine(stack: core)
    udp = UDPEngine(stack: core)
    icmp = ICMPEngine(stack: core)
    forwards = ForwardEngine(stack: core)
    dns = DNSIntercept(stack: core)
    core.tcp = tcp
    core.udp = udp
    core.icmp = icmp
    core.forwards = forwards
    core.dns = dns
    core.transmitter.tcp = tcp
  }

  /// Closes every socket. The stack must not be used after it.
  package func shutDown() {
    core.now = core.host.nowNanoseconds()
    for port in Array(core.ports.keys) { portDown(port) }
    tcp.shutDown()
    udp.shutDown()
    icmp.shutDown()
    forwards.shutDown()
    dns.shutDown()
    core.cancelTimer()
  }

  package var config: StackConfig { core.config }
  package var links: LinkTable { core.links }
  package var chunks: ChunkPool {
    _read { yield core.chunks }
  }
  package var host: HostCalls { core.host }
  package var transmitter: Transmitter { core.transmitter }
  /// The cold part of a link.
  package func services(of link: UInt32) -> LinkServices? { core.services(of: link) }
  /// The link of a port; 0 if there is none.
  package func link(of port: lnd_port) -> UInt32 { core.link(of: port) }
  /// Slot indices of all links that are up.
  package var allLinks: [UInt32] { core.allLinks }

  // MARK: Ports

  /// Attaches a link. False when there are too many.
  package func portUp(_ info: lnd_port_info) -> Bool {
    core.now = core.host.nowNanoseconds()
    if core.ports[info.port] != nil { portDown(info.port) }
    let link = core.links.insert(
      Link(
        port: info.port, guestMAC: MACAddress(bytes: info.mac), guestAddress: .anyV4,
        mtu: Int32(clamping: info.mtu == 0 ? UInt32(core.config.mtu) : info.mtu),
        isMTUKnown: info.mtu != 0, offloads: info.offloads, kind: info.kind, isBlocked: false,
        waitingFlows: 0, lastWaiting: 0,
        counters: LinkCounters()))
    guard link != 0 else { return false }
    while core.services.count <= Int(link) { core.services.append(nil) }
    core.services[Int(link)] = LinkServices(name: info.name.map { String(cString: $0) } ?? "")
    core.ports[info.port] = link
    forwards.linkUp(link)
    endOfTurn()
    return true
  }

  /// Detaches a link; its flows are reset towards the host. Ignores an unknown port.
  package func portDown(_ port: lnd_port) {
    let link = core.forget(port)
    guard link != 0 else { return }
    core.now = core.host.nowNanoseconds()
    core.transmitter.flush()
    // Nothing can be said to this guest any more.
    core.links.pointer(link).pointee.isBlocked = true
    var departure = Departure()
    tcp.linkDown(link, &departure)
    udp.linkDown(link, &departure)
    icmp.linkDown(link, &departure)
    forwards.linkDown(link)
    dns.linkDown(link, &departure)
    core.transmitter.forget(link: link)
    core.newFlows.linkDown(link)
    endReassembly(on: link)
    core.shares.linkDown(link)
    core.links.remove(link)
    core.services[Int(link)] = nil
    endOfTurn()
  }

  // MARK: Events

  /// Frames from a port.
  package func rx(_ port: lnd_port, _ frames: UnsafePointer<lnd_frame>, _ count: UInt32) {
    core.now = core.host.nowNanoseconds()
    let link = core.link(of: port)
    guard link != 0 else { return }
    var index = 0
    if count > 1, LookAhead.pays(tcp, udp) {
      while index < Int(count) {
        let group = min(LookAhead.width, Int(count) &- index)
        lookAhead.look(at: frames + index, group, on: link, tcp, udp)
        for place in 0..<group {
          receive(frames + index + place, on: link, guess: lookAhead.guesses[place])
        }
        index &+= group
      }
    } else {
      while index < Int(count) {
        receive(frames + index, on: link, guess: 0)
        index &+= 1
      }
    }
    endOfTurn()
  }

  /// Watched fds are ready.
  package func onFds(_ events: UnsafePointer<lnd_fd_event>, _ count: UInt32) {
    core.now = core.host.nowNanoseconds()
    if count > 1 { LookAhead.look(at: events, Int(count), tcp, udp) }
    tcp.shareReads(among: Int(count))
    for index in 0..<Int(count) {
      let event = events[index]
      let token = EventToken(rawValue: event.user)
      switch token.kind {
      case .tcp: tcp.onEvent(token, event.events)
      case .udp: udp.onEvent(token, event.events)
      case .icmp: icmp.onEvent(token, event.events)
      case .forward: forwards.onEvent(token, event.events)
      case .dns: dns.onEvent(token, event.events)
      default: break
      }
    }
    endOfTurn()
  }

  /// The stack's timer, the only one it sets, fired.
  package func onTimer(_ timer: lnd_handle) {
    guard core.takeTimer(timer) else { return }
    core.now = core.host.nowNanoseconds()
    core.newFlows.replay { dispatch($0) }
    var left = Self.timersPerTurn
    while left > 0, let raw = core.timers.popDue(now: core.now) {
      left &-= 1
      let token = EventToken(rawValue: raw)
      switch token.kind {
      case .tcp: tcp.onTimer(token)
      case .udp:
        let peers = udp.peers.count
        udp.onTimer(token)
        left &-= UDPEngine.cost(peers: peers &- udp.peers.count) &- 1
      case .icmp: icmp.onTimer(token)
      case .forward: forwards.onTimer(token)
      case .dns: dns.onTimer(token)
      case .fragments: onReassemblyTimer(token)
      case .dhcp: udp.dhcp?.onTimer()
      case .stack: core.housekeeping()
      default: break
      }
    }
    endOfTurn()
  }

  /// An operation asked of the host is complete.
  package func onOpDone(
    _ op: lnd_op, _ status: lnd_status, _ bytes: UnsafeRawBufferPointer
  ) {
    core.now = core.host.nowNanoseconds()
    _ = dns.complete(op, status, ByteView(bytes))
    endOfTurn()
  }

  /// The port takes frames again.
  package func txReady(_ port: lnd_port) {
    core.now = core.host.nowNanoseconds()
    let link = core.link(of: port)
    guard link != 0 else { return }
    core.transmitter.unblock(link: link)
    tcp.linkReady(link)
    endOfTurn()
  }

  /// Ends every entry point, and every use of an engine from outside (a forward that is
  /// exposed, an answer of the DNS): what was collected goes out.
  package func endOfTurn() {
    tcp.endOfTurn()
    udp.endOfTurn()
    core.transmitter.flush()
    if tcp.settle() { core.transmitter.flush() }
    releaseReassembled()
    core.newFlows.endOfTurn()
    core.armTimer()
  }
}
