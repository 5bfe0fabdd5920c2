// SPDX-License-Identifier: Apache-2.0
//
// The user-mode gateway of one network: between the frames of the guests and the sockets of the host.
//
//   rx ──► Ethernet ──► ARP
//                  └──► IP ──► TCP   ──► host sockets
//                         ├──► UDP   ──► host sockets, DHCP, DNS
//                         └──► ICMP  ──► answers, ping sockets
//   on_fds, on_timer ──► the engine that the token names
//   every engine ──► Transmitter ──► send
//
// One object per network, used on the loop thread only. Each entry point ends with `endOfIteration`, which sends what
// was collected: one sendmsg per TCP flow, one ACK per flow, then one `send` per link. Nothing on the packet path
// allocates, retains or calls through an existential: flows and links are trivial structs in Slabs, engines are final
// classes, each of which refers only to those made before it:
//
//   StackCore ── DNSIntercept, OpenForwards, PingSockets ── UDP ── ICMP, TCP ── ForwardEngine ── Stack

import Wire

/// See the head of this file.
public final class Stack {
  package let core: StackCore
  var egressSweep = EgressSweep()
  package let tcp: TCPEngine
  package let udp: UDPEngine
  package let icmp: ICMPEngine
  public let forwards: ForwardEngine
  public let dns: DNSIntercept

  /// Maximum deadlines handled in one iteration; the others follow in the next. The end of a flow takes some system
  /// calls, and thousands may end at the same time.
  static let timersPerIteration = 256

  /// The context of the host's table, for a host that is an object.
  private var box: HostBox?
  let fragmentBudget = FragmentBudget()
  private let lookAhead = LookAhead()
  /// Guests with datagrams reassembled in this iteration.
  var reassembledShares: [UInt32] = []

  /// - Parameters:
  ///   - host: runs the stack; retained until the stack is deallocated.
  ///   - seed: from the kernel in production, fixed in a test.
  public convenience init(
    host: any NetworkHost, calls: SocketCalls = .system, config: StackConfig,
    seed: UInt64 = .random(in: .min ... .max)
  ) {
    let box = HostBox(host)
    self.init(host: box.table, calls: calls, config: config, seed: seed)
    self.box = box
  }

  /// - Parameters:
  ///   - host: its context must outlive the stack.
  ///   - seed: from the kernel in production, fixed in a test.
  public init(
    host: StackHost, calls: SocketCalls, config: StackConfig, seed: UInt64
  ) {
    core = StackCore(host: host, calls: calls, config: config, seed: seed)
    // Each refers only to those made before it.
    let registry = OpenForwards()
    dns = DNSIntercept(stack: core)
    let pings = PingSockets(stack: core)
    udp = UDPEngine(stack: core, dns: dns, forwards: registry, pings: pings)
    icmp = ICMPEngine(stack: core, pings: pings, udp: udp)
    tcp = TCPEngine(stack: core, dns: dns, forwards: registry, udp: udp)
    forwards = ForwardEngine(stack: core, registry: registry, tcp: tcp, udp: udp)
  }

  /// Closes every socket. The stack must not be used afterwards.
  public func shutDown() {
    core.now = core.host.nowNanoseconds()
    for port in Array(core.ports.keys) { portDown(port) }
    tcp.shutDown()
    udp.shutDown()
    icmp.pings.shutDown()
    forwards.shutDown()
    dns.shutDown()
    core.cancelTimer()
    // It retains the core.
    core.ndp = nil
    udp.dhcpV6 = nil
  }

  public var config: StackConfig { core.config }
  package var links: LinkTable { core.links }
  package var chunks: ChunkPool {
    _read { yield core.chunks }
  }
  package var host: StackHost { core.host }
  package var transmitter: Transmitter { core.transmitter }
  /// The cold part of a link.
  package func services(of link: UInt32) -> LinkServices? { core.services(of: link) }
  /// The link of a port; 0: none.
  package func link(of port: PortID) -> UInt32 { core.link(of: port) }
  /// Slot indices of all links that are up.
  package var allLinks: [UInt32] { core.allLinks }

  // MARK: Ports

  /// Attaches a link. False when there are too many.
  public func portUp(_ info: LinkInfo) -> Bool {
    core.now = core.host.nowNanoseconds()
    if core.ports[info.port] != nil { portDown(info.port) }
    let link = core.links.insert(
      Link(
        port: info.port, guestMAC: info.mac, guestAddress: .anyV4,
        mtu: Int32(clamping: info.mtu == 0 ? UInt32(core.config.mtu) : info.mtu),
        isMTUKnown: info.mtu != 0, offloads: info.offloads, kind: info.kind, isBlocked: false,
        waitingFlows: 0, lastWaiting: 0,
        counters: LinkCounters()))
    guard link != 0 else { return false }
    while core.services.count <= Int(link) { core.services.append(nil) }
    core.services[Int(link)] = LinkServices(name: info.name)
    core.ports[info.port] = link
    forwards.linkUp(link)
    core.ndp?.linkUp(link)
    endOfIteration()
    return true
  }

  /// Detaches a link; its flows are reset towards the host. Ignores an unknown port.
  public func portDown(_ port: PortID) {
    let link = core.forget(port)
    guard link != 0 else { return }
    core.now = core.host.nowNanoseconds()
    tcp.flush()
    // Nothing can be sent to this guest any more.
    core.links.pointer(link).pointee.isBlocked = true
    var departure = Departure()
    tcp.linkDown(link, &departure)
    udp.linkDown(link, &departure)
    icmp.pings.linkDown(link, &departure)
    forwards.linkDown(link)
    core.ndp?.linkDown(link)
    dns.linkDown(link, &departure)
    core.transmitter.forget(link: link)
    core.newFlows.linkDown(link)
    endReassembly(on: link)
    core.shares.linkDown(link)
    core.links.remove(link)
    core.services[Int(link)] = nil
    endOfIteration()
  }

  // MARK: Events

  /// Frames from a port.
  public func rx(_ port: PortID, _ frames: UnsafePointer<Frame>, _ count: UInt32) {
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
    endOfIteration()
  }

  /// Watched fds are ready.
  public func onFDs(_ events: UnsafePointer<FDEvent>, _ count: UInt32) {
    core.now = core.host.nowNanoseconds()
    if count > 1 { LookAhead.look(at: events, Int(count), tcp, udp) }
    tcp.shareReads(among: Int(count))
    for index in 0..<Int(count) {
      let event = events[index]
      let token = EventToken(rawValue: event.token)
      switch token.kind {
      case .tcp: tcp.onEvent(token, event.events)
      case .udp: udp.onEvent(token, event.events)
      case .icmp: icmp.onEvent(token, event.events)
      case .forward: forwards.onEvent(token, event.events)
      case .dns: dns.onEvent(token, event.events)
      case .ndp: core.ndp?.onEvent(token)
      default: break
      }
    }
    endOfIteration()
  }

  /// The stack's only timer fired.
  public func onTimer(_ timer: HandleID) {
    guard core.takeTimer(timer) else { return }
    core.now = core.host.nowNanoseconds()
    core.newFlows.replay(now: core.now) { dispatch($0) }
    var left = Self.timersPerIteration
    while left > 0, let raw = core.timers.popDue(now: core.now) {
      left &-= 1
      let token = EventToken(rawValue: raw)
      switch token.kind {
      case .tcp: tcp.onTimer(token)
      case .udp:
        let peers = udp.peers.count
        udp.onTimer(token)
        left &-= UDPEngine.cost(peers: peers &- udp.peers.count) &- 1
      case .icmp: icmp.pings.onTimer(token)
      case .forward: forwards.onTimer(token)
      case .dns: dns.onTimer(token)
      case .fragments: onReassemblyTimer(token)
      case .dhcp: udp.dhcp?.onTimer()
      case .dhcpV6: udp.dhcpV6?.onTimer(token)
      case .ndp: core.ndp?.onTimer(token)
      case .stack: core.housekeeping()
      case .egress: sweepEgress()
      default: break
      }
    }
    endOfIteration()
  }

  /// A DNSResolver's answer to a query; nil: failed. Borrowed. Ignores an unknown operation.
  public func onAnswer(_ operation: OperationID, _ message: ByteView?) {
    core.now = core.host.nowNanoseconds()
    _ = dns.complete(operation, message)
    endOfIteration()
  }

  /// The port accepts frames again.
  public func txReady(_ port: PortID) {
    core.now = core.host.nowNanoseconds()
    let link = core.link(of: port)
    guard link != 0 else { return }
    core.transmitter.unblock(link: link)
    tcp.takeRefused()
    tcp.linkReady(link)
    endOfIteration()
  }

  /// Ends every entry point, and every use of an engine from outside (adding a forward, an answer of the DNS): sends
  /// what was collected.
  public func endOfIteration() {
    tcp.endOfIteration()
    udp.endOfIteration()
    tcp.flush()
    if tcp.settle() { tcp.flush() }
    releaseReassembled()
    core.newFlows.endOfIteration()
    core.armTimer()
  }
}
