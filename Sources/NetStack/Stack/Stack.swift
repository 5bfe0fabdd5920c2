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

/// See the head of this file.
package final class Stack {
  package let host: HostCalls
  package let calls: SocketCalls
  package let policy: Policy
  package var config: StackConfig { policy.config }
  package var random: RandomSource

  /// Links by slot index; `Link.port` leads back to the host's port.
  package var links: Slab<Link>
  package var chunks: ChunkPool
  package var timers: TimerWheel

  private var services: [LinkServices?] = []
  private var ports: [lnd_port: UInt32] = [:]
  private var lastPort: lnd_port = 0
  private var lastLink: UInt32 = 0

  private var hostTimer: lnd_handle = 0
  private var hostTimerDeadline: UInt64 = .max

  var icmpErrorLimit = RateLimit(burst: 200, interval: 1_000_000)
  private var identification: UInt16 = 0
  /// Links that delivered reassembled datagrams in this turn.
  var reassembledLinks: [UInt32] = []

  /// The time of this turn of the loop: read once per entry point. Nanoseconds.
  package private(set) var now: UInt64

  // Set in init, never changed; implicitly unwrapped because they point back to the stack.
  package private(set) var transmitter: Transmitter!
  package private(set) var tcp: TCPEngine!
  package private(set) var udp: UDPEngine!
  package private(set) var icmp: ICMPEngine!
  package private(set) var forwards: ForwardEngine!
  package private(set) var dns: DNSIntercept!

  /// - Parameters:
  ///   - table: lives until the stack is gone.
  ///   - seed: from the kernel in production, fixed in a test.
  /// Nil when the host's table lacks a required function.
  package init?(
    host table: UnsafePointer<lnd_host>, calls: SocketCalls, config: StackConfig, seed: UInt64
  ) {
    guard let host = HostCalls(table) else { return nil }
    self.host = host
    self.calls = calls
    policy = Policy(config: config)
    random = RandomSource(seed: seed)
    now = host.nowNanoseconds()
    links = Slab(capacity: 4096)
    chunks = ChunkPool(byteLimit: config.bufferLimit)
    timers = TimerWheel(
      capacity: config.maximumFlows * 2 + config.udp.maximumFlows + config.icmp.maximumFlows + 8192,
      now: now)
    transmitter = Transmitter(stack: self)
    tcp = TCPEngine(stack: self)
    udp = UDPEngine(stack: self)
    icmp = ICMPEngine(stack: self)
    forwards = ForwardEngine(stack: self)
    dns = DNSIntercept(stack: self)
  }

  /// Closes every socket. The stack must not be used after it.
  package func shutDown() {
    now = host.nowNanoseconds()
    for port in Array(ports.keys) { portDown(port) }
    tcp.shutDown()
    udp.shutDown()
    icmp.shutDown()
    forwards.shutDown()
    dns.shutDown()
    host.cancel(timer: hostTimer)
    hostTimer = 0
  }

  // MARK: Ports

  /// Attaches a link. False when there are too many.
  package func portUp(_ info: lnd_port_info) -> Bool {
    now = host.nowNanoseconds()
    if ports[info.port] != nil { portDown(info.port) }
    let link = links.insert(
      Link(
        port: info.port, guestMAC: MACAddress(bytes: info.mac), guestAddress: .anyV4,
        mtu: Int32(clamping: info.mtu == 0 ? UInt32(config.mtu) : info.mtu),
        isMTUKnown: info.mtu != 0, offloads: info.offloads, kind: info.kind, isBlocked: false,
        waitingFlows: 0,
        counters: LinkCounters()))
    guard link != 0 else { return false }
    while services.count <= Int(link) { services.append(nil) }
    services[Int(link)] = LinkServices(name: info.name.map { String(cString: $0) } ?? "")
    ports[info.port] = link
    forwards.linkUp(link)
    endOfTurn()
    return true
  }

  /// Detaches a link; its flows are reset towards the host. Ignores an unknown port.
  package func portDown(_ port: lnd_port) {
    guard let link = ports.removeValue(forKey: port) else { return }
    now = host.nowNanoseconds()
    if lastPort == port { lastPort = 0 }
    transmitter.flush()
    // Nothing can be said to this guest any more.
    links.pointer(link).pointee.isBlocked = true
    tcp.linkDown(link)
    udp.linkDown(link)
    icmp.linkDown(link)
    forwards.linkDown(link)
    dns.linkDown(link)
    timers.cancel(services(of: link)?.reassemblyTimer ?? 0)
    links.remove(link)
    services[Int(link)] = nil
    endOfTurn()
  }

  /// The link of a port; 0 if there is none.
  @inline(__always)
  package func link(of port: lnd_port) -> UInt32 {
    if port == lastPort, port != 0 { return lastLink }
    guard let link = ports[port] else { return 0 }
    lastPort = port
    lastLink = link
    return link
  }

  /// The cold part of a link.
  package func services(of link: UInt32) -> LinkServices? {
    Int(link) < services.count ? services[Int(link)] : nil
  }

  /// Slot indices of all links that are up.
  package var allLinks: [UInt32] { Array(ports.values).sorted() }

  // MARK: Events

  /// Frames from a port.
  package func rx(_ port: lnd_port, _ frames: UnsafePointer<lnd_frame>, _ count: UInt32) {
    now = host.nowNanoseconds()
    let link = link(of: port)
    guard link != 0 else { return }
    for index in 0..<Int(count) { receive(frames + index, on: link) }
    endOfTurn()
  }

  /// Watched fds are ready.
  package func onFds(_ events: UnsafePointer<lnd_fd_event>, _ count: UInt32) {
    now = host.nowNanoseconds()
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
    guard timer == hostTimer else { return }
    now = host.nowNanoseconds()
    hostTimer = 0
    hostTimerDeadline = .max
    while let raw = timers.popDue(now: now) {
      let token = EventToken(rawValue: raw)
      switch token.kind {
      case .tcp: tcp.onTimer(token)
      case .udp: udp.onTimer(token)
      case .icmp: icmp.onTimer(token)
      case .forward: forwards.onTimer(token)
      case .dns: dns.onTimer(token)
      case .fragments: onReassemblyTimer(token)
      case .stack: housekeeping()
      default: break
      }
    }
    endOfTurn()
  }

  /// An operation asked of the host is complete.
  package func onOpDone(
    _ op: lnd_op, _ status: lnd_status, _ bytes: UnsafeRawBufferPointer
  ) {
    now = host.nowNanoseconds()
    _ = dns.complete(op, status, ByteView(bytes))
    endOfTurn()
  }

  /// The port takes frames again.
  package func txReady(_ port: lnd_port) {
    now = host.nowNanoseconds()
    let link = link(of: port)
    guard link != 0 else { return }
    links.pointer(link).pointee.isBlocked = false
    tcp.linkReady(link)
    endOfTurn()
  }

  /// Ends every entry point, and every use of an engine from outside (a forward that is
  /// exposed, an answer of the DNS): what was collected goes out.
  package func endOfTurn() {
    tcp.endOfTurn()
    udp.endOfTurn()
    transmitter.flush()
    releaseReassembled()
    armTimer()
  }

  /// The identification of the next IPv4 packet that may be fragmented.
  @inline(__always)
  package func nextIdentification() -> UInt16 {
    identification &+= 1
    return identification
  }

  // MARK: Timers

  private func armTimer() {
    guard let deadline = timers.nextDeadline(), deadline < hostTimerDeadline else { return }
    host.cancel(timer: hostTimer)
    hostTimer = host.timer(at: max(deadline, now))
    hostTimerDeadline = hostTimer == 0 ? .max : deadline
  }

  private var isHousekeepingDue = false

  /// Called by whoever gives chunks back: memory that stays unused returns to the kernel.
  package func noteChunksFreed() {
    guard !isHousekeepingDue, chunks.mayTrim else { return }
    isHousekeepingDue = true
    _ = timers.schedule(
      at: now &+ 1_000_000_000, token: EventToken(.stack, index: 0, generation: 0).rawValue)
  }

  private func housekeeping() {
    isHousekeepingDue = false
    chunks.trim()
    noteChunksFreed()
  }
}
