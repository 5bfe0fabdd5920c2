// SPDX-License-Identifier: Apache-2.0
//
// A learning switch that joins the guests of a switched network, its plugin and
// the plugin's uplinks. This file: ports, addresses, and what is learned;
// Switch+Frames.swift: the way of frames.
//
// Rules
//   - Addresses are learned from what ports and the plugin send. Those that the plugin declares
//     its own, and those the configuration gives a guest, cannot be taken by another: such
//     frames of guests are dropped and counted. The plugin may send from whatever it likes.
//   - To a known address: to its port only, and never back where it came from.
//   - Broadcast, multicast, unknown addresses: to the plugin and all other ports. But what the
//     plugin sends to one station is for no other guest: to where it was last seen, and to uplinks
//     if it never was, or is gone. What guests send to one that is gone goes to the plugin, too.
//   - 01:80:c2:00:00:0x stays on its link (IEEE 802.1Q, 8.6.3).
//   - A port that leads round to the uplink is closed (LoopProbe.swift).
//   - Consecutive frames with one target stay one batch. Super-frames stay whole:
//     a port that cannot carry one cuts it itself.
//   - Frames between ports find room or are dropped. Small ones may wait for others to the
//     same port, until `sendHeld`; none is overtaken by another to its port.
//   - The plugin is made to wait for a full port, unless that port has not moved for
//     `stall`: a guest that is paused must not stop the others. A plugin that waits for
//     one guest at a time (`waitsPatiently`) is never cut short.
//   - What a guest's frame claims of addresses that others have is held against the guard
//     (AddressGuard.swift). An address that somebody has an IP address by, and that another port
//     claims after a silence, moves when its station does not answer.
//   - A guest may change its Ethernet address and keep its IP address: the plugin is asked whether
//     that goes to another station behind the port of the one that has it (Switch+Change.swift).
//
// Thread: loop only.

import Platform
import PluginAPI
import Wire

package final class Switch {
  package enum Role: Sendable {
    case guest, uplink
    /// An uplink that only the plugin hears and speaks to: frames pass the switch by.
    case direct
  }

  package struct Counters: Sendable, Equatable {
    /// Frames to all, once each.
    package var flooded: UInt64 = 0
    /// Frames to a station that is gone, and of the plugin to one that was never here.
    package var absent: UInt64 = 0
    /// Frames whose target is where they came from.
    package var hairpin: UInt64 = 0
    /// Frames from an address that belongs to somebody else.
    package var spoofed: UInt64 = 0
    /// From guests: ARP that puts somebody's address elsewhere, IPv4 from somebody's address,
    /// words of a DHCP server, and of an IPv6 router.
    package var arpSpoofed: UInt64 = 0
    package var ipSpoofed: UInt64 = 0
    package var ndpSpoofed: UInt64 = 0
    /// From guests: from an IP address that is none of the network's.
    package var ipOutside: UInt64 = 0
    /// Frames to all beyond what a guest may send.
    package var floodsLimited: UInt64 = 0
    package var dhcpServers: UInt64 = 0
    package var ipv6Routers: UInt64 = 0
    /// Frames of link-local protocols, with a group address as source, and with more tags or
    /// extension headers than the guard follows.
    package var filtered: UInt64 = 0
    package var malformed: UInt64 = 0
    /// Addresses that changed ports, and addresses for which there was no room.
    package var moved: UInt64 = 0
    package var notLearned: UInt64 = 0
    /// Frames of the plugin dropped because their port had stalled.
    package var stalled: UInt64 = 0
    /// Frames sent to ports that are gone.
    package var stale: UInt64 = 0
    /// Probes for rings that came back.
    package var rings: UInt64 = 0
    package init() {}
  }

  /// The plugin's port (LND_PORT_SWITCH). Its offloads are all there are.
  package static let handle: lnd_port = 1 << 63
  package static let offloads = UInt32(
    LND_OFFLOAD_CSUM | LND_OFFLOAD_TSO4 | LND_OFFLOAD_TSO6 | LND_OFFLOAD_UDP_SEGMENT)
  /// How long the plugin waits for a port that does not move, in ns.
  static let stall: UInt64 = 100_000_000

  /// What is worth telling, off the packet path.
  package enum Notice: Sendable, Equatable {
    /// An address was learned behind a port, or (`moved`) came there from another.
    case station(lnd_port, mac: UInt64, moved: Bool)
    case spoofed(lnd_port, mac: UInt64)
    case arpSpoofed(lnd_port, address: IPAddress)
    case ipSpoofed(lnd_port, address: IPAddress)
    case ipOutside(lnd_port, address: IPAddress)
    case ndpSpoofed(lnd_port, address: IPAddress)
    case dhcpServer(lnd_port)
    case ipv6Router(lnd_port)
  }

  package internal(set) var counters = Counters()
  var addressGuard = AddressGuard()
  var security: PortSecurity?
  var loopProbe = LoopProbe()
  /// Called from inside `receive`, before the frame goes on.
  package var onNotice: ((Notice) -> Void)?
  /// A frame of the plugin's that breaks a rule of lnd_frame; it is dropped.
  package var onMalformed: ((UnsafePointer<lnd_frame>) -> Void)?
  /// The plugin is in a call of the host's that sends: nothing goes to it meanwhile.
  package internal(set) var pluginIsCalling = false
  /// The plugin holds back only what is for a guest whose port is full.
  package var waitsPatiently = false
  /// Monotonic, ns.
  let clock: () -> UInt64
  let plugin: FrameReceiver
  var ports: PortTable
  var addresses: MACTable

  /// Since when a port makes the plugin wait, and what it had sent by then.
  struct Wait {
    var since: UInt64 = 0
    var frames: UInt64 = 0
  }
  let waits: UnsafeMutablePointer<Wait>
  /// What the guard found of each port last.
  let vouched: UnsafeMutablePointer<AddressGuard.Vouched>
  /// What each port may send to all.
  let floodGates: UnsafeMutablePointer<RateGate>
  /// Ports that hold frames back, by index; some may have been replaced since.
  private let holders: UnsafeMutablePointer<Int>
  private var holderCount = 0
  private(set) var uplinks: Set<lnd_port> = []
  /// Their indices.
  private(set) var uplinkIndices: [Int] = []
  /// Of each port, whether it is direct: no flood reaches it.
  let isDirect: UnsafeMutablePointer<Bool>
  /// Of each port, whether its other side is the plugin (PluginPort).
  let isPlugins: UnsafeMutablePointer<Bool>

  /// - Parameter plugin: called with `Switch.handle`.
  package init(
    plugin: FrameReceiver, limit: Int = 1024, clock: @escaping () -> UInt64 = MonotonicClock.now
  ) {
    self.plugin = plugin
    self.clock = clock
    ports = PortTable(capacity: limit)
    addresses = MACTable(ports: limit)
    waits = .allocate(capacity: limit)
    waits.initialize(repeating: Wait(), count: limit)
    vouched = .allocate(capacity: limit)
    vouched.initialize(repeating: AddressGuard.Vouched(), count: limit)
    floodGates = .allocate(capacity: limit)
    floodGates.initialize(repeating: RateGate(), count: limit)
    isDirect = .allocate(capacity: limit)
    isDirect.initialize(repeating: false, count: limit)
    isPlugins = .allocate(capacity: limit)
    isPlugins.initialize(repeating: false, count: limit)
    holders = .allocate(capacity: limit)
    holders.initialize(repeating: 0, count: limit)
  }

  deinit {
    for i in 0..<ports.bound { ports[i]?.takeUnretainedValue().receiver = .discard }
    waits.deallocate()
    vouched.deallocate()
    floodGates.deallocate()
    isDirect.deallocate()
    isPlugins.deallocate()
    holders.deallocate()
  }

  /// The port's handle (also in `port.handle`), or nil at the limit. Frames flow
  /// from now on. A guest's `mac`, if known, is its own.
  package func attach(_ port: Port, as role: Role) -> lnd_port? {
    guard let index = ports.add(port) else { return nil }
    waits[index] = Wait()
    isDirect[index] = role == .direct
    isPlugins[index] = port is PluginPort
    (port as? PluginPort)?.pluginIsCalling = { [unowned self] in pluginIsCalling }
    if role != .guest { uplinks.insert(port.handle) }
    secure(index)
    if role == .uplink { uplinkIndices.append(index) }
    if role == .direct {
      port.receiver = plugin
      return port.handle
    }
    if port.mac != 0 { addresses.pin(port.mac, to: Int32(index), now: second()) }
    port.receiver = FrameReceiver(
      context: Unmanaged.passUnretained(self).toOpaque(),
      frames: { context, handle, frames, count in
        guard let context, let frames else { return }
        Unmanaged<Switch>.fromOpaque(context)._withUnsafeGuaranteedRef {
          $0.receive(handle, frames, Int(count))
        }
      },
      ready: role == .guest ? Self.guestReady : Self.uplinkReady)
    if role == .guest { sendProbe() }
    return port.handle
  }

  /// Idempotent. The addresses behind the port are gone. If the plugin waited for
  /// it, it goes on.
  package func detach(_ port: Port) {
    guard let index = ports.index(of: port.handle) else { return }
    port.sendHeld()
    addresses.depart(port: Int32(index), now: second())
    uplinks.remove(port.handle)
    uplinkIndices.removeAll { $0 == index }
    port.receiver = .discard
    let wasAwaited = port.owesReady
    port.owesReady = false
    ports.remove(index)
    if wasAwaited { plugin.ready?(plugin.context, Switch.handle) }
  }

  /// When the ports have been read: what they hold back goes out. Before the loop waits.
  package func sendHeld() {
    for i in 0..<holderCount { ports[holders[i]]?._withUnsafeGuaranteedRef { $0.sendHeld() } }
    holderCount = 0
  }

  /// A port began to hold frames back.
  func holds(_ index: Int) {
    if holderCount == ports.capacity { sendHeld() }
    holders[holderCount] = index
    holderCount += 1
  }

  /// Whether a port is a guest's, and not the plugin's own uplink.
  package func isGuest(_ handle: lnd_port) -> Bool {
    ports.index(of: handle) != nil && !uplinks.contains(handle)
  }

  /// The port of the guest that a station is behind; nil: of none.
  package func guest(behind mac: UInt64) -> lnd_port? {
    guard let index = addresses.lastPort(of: mac), index >= 0, let port = ports[Int(index)] else {
      return nil
    }
    let handle = port._withUnsafeGuaranteedRef { $0.handle }
    return uplinks.contains(handle) ? nil : handle
  }

  package func port(_ handle: lnd_port) -> Port? {
    ports.index(of: handle).flatMap { ports[$0]?.takeUnretainedValue() }
  }

  private static let guestReady: FrameReceiver.Ready = { context, _ in
    guard let context else { return }
    Unmanaged<Switch>.fromOpaque(context)._withUnsafeGuaranteedRef {
      $0.plugin.ready?($0.plugin.context, Switch.handle)
    }
  }

  /// The plugin may have sent to the uplink itself, or through the switch.
  private static let uplinkReady: FrameReceiver.Ready = { context, handle in
    guard let context else { return }
    Unmanaged<Switch>.fromOpaque(context)._withUnsafeGuaranteedRef {
      $0.plugin.ready?($0.plugin.context, handle)
      $0.plugin.ready?($0.plugin.context, Switch.handle)
    }
  }

  // MARK: limanetd.guard/1

  package enum Bound: Sendable { case ok, limit, guestHasIt }

  /// The Ethernet address as a number, first byte highest.
  package func bind(_ address: IPAddress, to mac: UInt64, isOwn: Bool) -> Bound {
    unbind(address)
    if isOwn, !addresses.pin(mac, to: MACTable.plugin, now: second()) {
      return addresses.lastPort(of: mac) == nil ? .limit : .guestHasIt
    }
    guard addressGuard.bind(address, to: mac, isOwn: isOwn) else {
      if isOwn, !addressGuard.isOwn(mac) { addresses.unpin(mac) }
      return .limit
    }
    addresses.setBound(mac, true)
    return .ok
  }

  package func unbind(_ address: IPAddress) {
    guard let mac = addressGuard.station(of: address) else { return }
    let wasOwn = addressGuard.isOwn(mac)
    addressGuard.unbind(address)
    if addressGuard.isBound(mac) { return }
    addresses.setBound(mac, false)
    if wasOwn { addresses.unpin(mac) }
  }

  package func serveDHCP(_ on: Bool) { addressGuard.servesDHCP = on }

  /// Where addresses were learned: the ports' numbers. The plugin's own are left out.
  package var stations: [(address: UInt64, id: UInt64)] {
    addresses.all(now: second()).compactMap { address, index in
      guard index >= 0, let port = ports[Int(index)] else { return nil }
      return (address, port._withUnsafeGuaranteedRef { $0.id })
    }
  }

  package var portCount: Int { ports.count }
  package var addressCount: Int { addresses.count }

  func second() -> UInt32 { UInt32(truncatingIfNeeded: clock() / 1_000_000_000) }
}
