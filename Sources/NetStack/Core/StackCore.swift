// SPDX-License-Identifier: Apache-2.0
//
// State shared by the engines of a stack: the host's functions, configuration, clock, timers, links, memory, and the
// transmitter to the guests.
//
// The core does not refer to the engines. Everything on the packet path is reached through `let`s of final classes,
// from Stack to engine to core, so that reading a reference retains nothing. Loop thread only.

import Platform
import Wire

/// See the head of this file.
package final class StackCore {
  package let host: StackHost
  package let calls: SocketCalls
  package private(set) var policy: Policy
  /// Only IPv6 may be set later, before the first link comes up (`startIPv6`).
  package private(set) var config: StackConfig
  package private(set) var limits: GuestLimits
  package let egress: Egress
  /// Links by slot index; `Link.port` is the host's port.
  package let links: LinkTable
  package let transmitter: Transmitter
  /// The resources held per share.
  package let shares: ShareTable
  let descriptors: DescriptorBudget

  package var random: RandomSource
  package var chunks: ChunkPool
  package var timers: TimerWheel
  /// The time of this iteration of the loop: read once per entry point. Nanoseconds.
  package internal(set) var now: UInt64
  /// Total time the host has slept since boot, nanoseconds: `now` does not advance during sleep.
  package var slept: () -> UInt64 = SleepClock.slept
  /// The time by which leases age, which includes the host's sleep: nanoseconds.
  package var elapsed: UInt64 { host.nowNanoseconds() &+ slept() }

  /// Answers Neighbor Discovery and MLD; nil: both are unanswered.
  package var ndp: (any NDPService)?

  let newFlows: NewFlows
  /// The buffer for datagrams read from the host's sockets; used for one socket at a time.
  let inbox = DatagramInbox()
  var services: [LinkServices?] = []
  var ports: [PortID: UInt32] = [:]
  private var lastPort: PortID = 0
  private var lastLink: UInt32 = 0

  private var hostTimer: HandleID = 0
  private var hostTimerDeadline: UInt64 = .max
  private var isHousekeepingDue = false

  private var identification: UInt16 = 0

  /// Number of times an address moved to another Ethernet address.
  var neighborRevision: UInt32 = 0
  /// The name of the guest behind a station of a link; "": unknown. Nil: the link's name.
  package var guestName: ((MACAddress) -> String)?
  /// The link of the guest with that host name; 0 or nil: none.
  package var linkOfHost: ((String) -> UInt32)?

  init(host: StackHost, calls: SocketCalls, config: StackConfig, seed: UInt64) {
    self.host = host
    self.calls = calls
    self.config = config
    policy = Policy(config: config)
    limits = config.limits
    egress = Egress(config.egress)
    links = LinkTable(capacity: 4096)
    transmitter = Transmitter(host: host, links: links)
    random = RandomSource(seed: seed)
    // Not from the generator, because guests see parts of its output.
    shares = ShareTable(links: links, seed: seed ^ 0x9E37_79B9_7F4A_7C15)
    descriptors = DescriptorBudget(config)
    now = host.nowNanoseconds()
    chunks = ChunkPool(byteLimit: config.bufferLimit)
    timers = TimerWheel(
      capacity: config.maximumFlows * 2 + config.udp.maximumFlows + config.icmp.maximumFlows + 8192,
      now: now)
    newFlows = NewFlows(links: links, shares: shares, perIteration: config.newFlowsPerIteration)
    newFlows.setLimit(perSecond: limits.newFlowsPerSecond)
  }

  /// Of each guest. What is open beyond them stays open.
  func setLimits(_ new: GuestLimits) {
    limits = new
    newFlows.setLimit(perSecond: new.newFlowsPerSecond)
  }

  /// Whether the guest may hold one more connection, UDP port or ping.
  func isWithinLimits(_ share: UInt32) -> Bool {
    limits.connections == 0 || shares.pointer(share).pointee.connections < limits.connections
  }

  /// Enables IPv6, before there is a link.
  func startIPv6(_ ipv6: IPv6Config) {
    config.ipv6 = ipv6
    policy = Policy(config: config)
  }

  // MARK: Links

  /// The link of a port; 0: none.
  @inline(__always)
  package func link(of port: PortID) -> UInt32 {
    if port == lastPort, port != 0 { return lastLink }
    guard let link = ports[port] else { return 0 }
    lastPort = port
    lastLink = link
    return link
  }

  /// Removes a port; returns its link, 0: none.
  func forget(_ port: PortID) -> UInt32 {
    if lastPort == port { lastPort = 0 }
    return ports.removeValue(forKey: port) ?? 0
  }

  /// The cold part of a link.
  package func services(of link: UInt32) -> LinkServices? {
    Int(link) < services.count ? services[Int(link)] : nil
  }

  /// Slot indices of all links that are up.
  package var allLinks: [UInt32] { Array(ports.values).sorted() }

  /// The identification of the next IPv4 packet that may be fragmented.
  @inline(__always)
  package func nextIdentification() -> UInt16 {
    identification &+= 1
    return identification
  }

  // MARK: Timers

  /// Moves the host's timer forward when the next deadline is earlier.
  @inline(__always)
  func armTimer() {
    var deadline = timers.nextDeadline() ?? .max
    if let next = newFlows.deadline { deadline = min(deadline, next) }
    guard deadline < hostTimerDeadline else { return }
    host.cancel(timer: hostTimer)
    hostTimer = host.timer(at: max(deadline, now))
    hostTimerDeadline = hostTimer == 0 ? .max : deadline
  }

  /// The host's timer fired; false when the timer is not the current one.
  func takeTimer(_ timer: HandleID) -> Bool {
    guard timer == hostTimer else { return false }
    hostTimer = 0
    hostTimerDeadline = .max
    return true
  }

  func cancelTimer() {
    host.cancel(timer: hostTimer)
    hostTimer = 0
    hostTimerDeadline = .max
  }

  // MARK: Memory

  /// Called after chunks are released: memory that stays unused is returned to the kernel.
  @inline(__always)
  package func noteChunksFreed() {
    guard !isHousekeepingDue, chunks.mayTrim else { return }
    isHousekeepingDue = true
    _ = timers.schedule(
      at: now &+ 1_000_000_000, token: EventToken(.stack, index: 0, generation: 0).rawValue)
  }

  func housekeeping() {
    isHousekeepingDue = false
    chunks.trim()
    noteChunksFreed()
  }
}
