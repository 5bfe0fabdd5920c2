// SPDX-License-Identifier: Apache-2.0
//
// A learning switch for the guests of a switched network, its plugin and the plugin's uplinks. This file: ports,
// addresses and notices; Switch+Frames.swift: forwarding.
//
// Rules
//   - Addresses are learned from the frames of ports and of the plugin. Those that the plugin declares its own, and
//     those the configuration gives a guest, cannot move: such frames of other guests are dropped and counted. The
//     plugin may send from any address.
//   - A frame to a known address goes to its port only, and never back to the port it came from.
//   - Broadcast, multicast and unknown addresses go to the plugin and all other ports. But a unicast frame of the
//     plugin never reaches another guest: it goes to the port of the last frame from its destination, and to uplinks
//     if there was none, or the port is gone. A guest's frame to an address that is gone also goes to the plugin.
//   - 01:80:c2:00:00:0x stays on its link (IEEE 802.1Q, 8.6.3).
//   - A port that forms a loop with the uplink is closed (LoopProbe.swift).
//   - Consecutive frames with one destination stay one batch. GSO frames stay whole: a port whose link cannot carry
//     them segments them.
//   - Frames between ports are dropped where there is no room. Small ones may be held back until `sendHeld`, to be
//     sent with others to the same port; the order per port is kept.
//   - The plugin waits for a full port, unless that port has made no progress for `stall`: a paused guest must not
//     stop the others. A plugin that waits for one guest at a time (`waitsPatiently`) waits without limit.
//   - What a guest's frame claims about addresses is checked by the guard (AddressGuard.swift). An Ethernet address
//     with a bound IP address that another port claims after a silence moves when its station does not answer.
//   - A guest may change its Ethernet address and keep its IP address: the plugin decides whether the binding moves
//     to another station behind the same port (Switch+Change.swift).
//
// Thread: loop only.

import Platform
import PluginAPI
import Wire

package final class Switch {
  package enum Role: Sendable {
    case guest, uplink
    /// An uplink that only the plugin uses: its frames bypass the switch.
    case direct
  }

  package struct Counters: Sendable, Equatable {
    /// Frames to all, once each.
    package var flooded: UInt64 = 0
    /// Frames to a station that is gone, and frames of the plugin to an unknown one.
    package var absent: UInt64 = 0
    /// Frames whose destination is the port they came from.
    package var hairpin: UInt64 = 0
    /// Frames from an Ethernet address that another station keeps.
    package var spoofed: UInt64 = 0
    /// From guests: ARP that claims another station's address, IP from another station's address, messages of a DHCP
    /// server, and of an IPv6 router. Neighbor Discovery: also of addresses that another guest is about to have.
    package var arpSpoofed: UInt64 = 0
    package var ipSpoofed: UInt64 = 0
    package var ndpSpoofed: UInt64 = 0
    /// From guests: from an IP address that is none of the network's.
    package var ipOutside: UInt64 = 0
    /// Frames to all beyond what a guest may send.
    package var floodsLimited: UInt64 = 0
    package var dhcpServers: UInt64 = 0
    package var ipv6Routers: UInt64 = 0
    /// Frames of link-local protocols, frames with a group address as source, and frames with more tags or extension
    /// headers than the guard follows.
    package var filtered: UInt64 = 0
    package var malformed: UInt64 = 0
    /// Addresses that moved to another port, and addresses for which there was no room.
    package var moved: UInt64 = 0
    package var notLearned: UInt64 = 0
    /// Frames of the plugin dropped because their port had stalled.
    package var stalled: UInt64 = 0
    /// Frames sent to removed ports.
    package var stale: UInt64 = 0
    /// Loop probes that returned.
    package var rings: UInt64 = 0
    package init() {}
  }

  /// The plugin's port (LND_PORT_SWITCH). It supports all offloads.
  package static let handle: lnd_port = 1 << 63
  package static let offloads = UInt32(
    LND_OFFLOAD_CSUM | LND_OFFLOAD_TSO4 | LND_OFFLOAD_TSO6 | LND_OFFLOAD_UDP_SEGMENT)
  /// How long the plugin waits for a port without progress, ns.
  static let stall: UInt64 = 100_000_000

  /// Events to be reported, off the data path.
  package enum Notice: Sendable, Equatable {
    /// An address was learned behind a port, or (`moved`) moved there from another.
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
  /// Called from inside `receive`, before the frame is forwarded.
  package var onNotice: ((Notice) -> Void)?
  /// Called for a plugin's frame that violates the rules of lnd_frame; it is dropped.
  package var onMalformed: ((UnsafePointer<lnd_frame>) -> Void)?
  /// The plugin is inside a call into the host that sends: nothing is delivered to it meanwhile.
  package internal(set) var pluginIsCalling = false
  /// When a port is full, the plugin keeps only the frames for that guest.
  package var waitsPatiently = false
  /// Monotonic, ns.
  let clock: () -> UInt64
  let plugin: FrameReceiver
  var ports: PortTable
  var addresses: MACTable

  /// When a port began to make the plugin wait, and its frame count then.
  struct Wait {
    var since: UInt64 = 0
    var frames: UInt64 = 0
  }
  let waits: UnsafeMutablePointer<Wait>
  /// The guard's cached result of each port.
  let vouched: UnsafeMutablePointer<AddressGuard.Vouched>
  /// Rate limits of each port's broadcast, multicast and unknown-unicast frames.
  let floodGates: UnsafeMutablePointer<RateGate>
  /// Ports that hold frames back, by index; some may have been replaced since.
  private let holders: UnsafeMutablePointer<Int>
  private var holderCount = 0
  private(set) var uplinks: Set<lnd_port> = []
  /// Their indices.
  private(set) var uplinkIndices: [Int] = []
  /// For each port index whether it is direct: nothing is flooded to it.
  let isDirect: UnsafeMutablePointer<Bool>
  /// For each port index whether its other side is the plugin (PluginPort).
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

  /// The port's handle (also in `port.handle`), or nil at the limit. Frames flow from now on. A guest's `mac`, if
  /// known, is pinned to the port.
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

  /// Idempotent. The addresses behind the port are gone. A plugin that waited for it is notified.
  package func detach(_ port: Port) {
    guard let index = ports.index(of: port.handle) else { return }
    port.sendHeld()
    addresses.depart(port: Int32(index), now: second())
    addressGuard.tentative.depart(port: Int32(index))
    uplinks.remove(port.handle)
    uplinkIndices.removeAll { $0 == index }
    port.receiver = .discard
    let wasAwaited = port.owesReady
    port.owesReady = false
    ports.remove(index)
    if wasAwaited { plugin.ready?(plugin.context, Switch.handle) }
  }

  /// Sends the frames that ports hold back. Called when all ports have been read, before the loop waits.
  package func sendHeld() {
    for i in 0..<holderCount { ports[holders[i]]?._withUnsafeGuaranteedRef { $0.sendHeld() } }
    holderCount = 0
  }

  /// Records that a port holds frames back.
  func holds(_ index: Int) {
    if holderCount == ports.capacity { sendHeld() }
    holders[holderCount] = index
    holderCount += 1
  }

  /// Whether a port is a guest's, not an uplink of the plugin.
  package func isGuest(_ handle: lnd_port) -> Bool {
    ports.index(of: handle) != nil && !uplinks.contains(handle)
  }

  /// The port of the guest that a station is behind; nil: no guest's.
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

  /// The plugin may have sent to the uplink directly, or through the switch.
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

  /// Where addresses were learned: ids of ports. The plugin's own are left out.
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
