// SPDX-License-Identifier: Apache-2.0
//
// A shared or host network: a gateway on the switch whose one address is served by two stacks. Frames for the address
// itself pass by a TAP to the host's own network stack; DHCP, DNS and routed packets are NetStack's. HostFilter.swift
// decides.
//
// The TAP is not a port of the switch: all frames between it and the guests pass through this plugin, so that the
// filter sees each. Loop thread only.

import Gateway
import LimaNetdSDK
import NetStack
import PluginAPI
import Wire

/// An instance of modes `shared` and `host`.
package final class SharedNetwork: SwitchedGateway {
  let options: SharedOptions
  private let filter: HostFilter
  private let tap: HostTap
  private let uplinks: HostUplinks
  private var uplink: lnd_port = 0
  private var counters = Counters()

  struct Counters {
    /// Frames to the host and from it, and those that the filter dropped.
    var toHost: UInt64 = 0
    var fromHost: UInt64 = 0
    var guestsRefused: UInt64 = 0
    var hostRefused: UInt64 = 0
    /// Frames dropped because the TAP was full.
    var dropped: UInt64 = 0
  }

  package required init(host: HostContext, config: NetworkConfig) throws(PluginFailure) {
    options = try SharedOptions(config.options, mode: config.mode)
    guard let tap = HostTap(host), let uplinks = HostUplinks(host) else {
      throw PluginFailure(
        LND_ERR_UNSUPPORTED, "this lima-netd gives a network no TAP of the host's")
    }
    self.tap = tap
    self.uplinks = uplinks
    let mac = MACAddress(bytes: tap.mac)
    // The interface's present address is used: an earlier version created it without one, and the host may have IPv6 off.
    let gateway6 = options.ipv6.isOn ? InterfaceAddress.ipv6(of: tap.name) : nil
    if options.ipv6.isOn, gateway6 == nil {
      host.log(
        .warn,
        "guests have no IPv6: the host has no IPv6 address on \(tap.name). If IPv6 is on here, "
          + "`lima-netd doctor` says what mends it")
    }
    filter = HostFilter(
      mac: mac.rawValue, gateway: options.gateway.v4, prefixLength: options.subnet.prefixLength,
      servesDNS: !options.hostDNS, gateway6: gateway6)
    let stack = try Stack.make(host, options.stackConfig(mac: mac))
    try super.init(
      host: host, config: config, settings: options.settings(gateway6: gateway6), stack: stack)
    ownInterface = tap.name
  }

  package override class func implementation(_ config: NetworkConfig) -> NetworkPlugin.Type {
    if PeerNetwork.serves(config) { return PeerNetwork.self }
    // Next to Lima's own helper: a port of its bridge, and the helper provides the rest.
    return BridgedNetwork.serves(config) ? BridgedNetwork.self : self
  }

  package override class func validate(
    host: HostContext, config: NetworkConfig
  ) throws(PluginFailure) {
    _ = try SharedOptions(config.options, mode: config.mode)
  }

  package override func start() throws(PluginFailure) {
    try super.start()
    uplink = try tap.add(flags: LND_UPLINK_DIRECT)
  }

  package override func rx(_ port: lnd_port, _ frames: UnsafePointer<lnd_frame>, _ count: Int) {
    if port == uplink { return fromHost(frames, count) }
    var start = 0
    var way = HostFilter.Way.drop
    for index in 0..<count {
      let next = decide(frames + index)
      guard next != way else { continue }
      emit(frames + start, index &- start, way)
      start = index
      way = next
    }
    emit(frames + start, count &- start, way)
  }

  @inline(__always)
  private func decide(_ frame: UnsafePointer<lnd_frame>) -> HostFilter.Way {
    guard let bytes = Self.bytes(of: frame) else { return .drop }
    let way = filter.fromGuest(bytes)
    guard way == .host, stack.hasFlowsTowardGuests, stack.awaits(frame, on: port) else {
      return way
    }
    return .stack
  }

  /// A contiguous frame with a complete Ethernet header.
  @inline(__always)
  private static func bytes(of frame: UnsafePointer<lnd_frame>) -> ByteView? {
    guard let data = frame.pointee.data, frame.pointee.flags & LND_FRAME_SLICES == 0,
      frame.pointee.length >= EthernetHeader.encodedLength
    else { return nil }
    return ByteView(data, count: Int(frame.pointee.length))
  }

  private func emit(
    _ frames: UnsafePointer<lnd_frame>, _ count: Int, _ way: HostFilter.Way
  ) {
    guard count > 0 else { return }
    switch way {
    case .drop: counters.guestsRefused &+= UInt64(count)
    case .stack: super.rx(port, frames, count)
    case .host: toHost(frames, count)
    case .both:
      toHost(frames, count)
      super.rx(port, frames, count)
    }
  }

  private func toHost(_ frames: UnsafePointer<lnd_frame>, _ count: Int) {
    guard uplink != 0 else { return }
    let taken = Int(host.send(uplink, frames, UInt32(truncatingIfNeeded: count)))
    counters.toHost &+= UInt64(taken)
    // The kernel's queue is full: the frames are lost, as on a wire.
    counters.dropped &+= UInt64(count &- taken)
  }

  private func fromHost(_ frames: UnsafePointer<lnd_frame>, _ count: Int) {
    var start = 0
    for index in 0..<count where Self.bytes(of: frames + index).map(filter.fromHost) != true {
      relay(frames + start, index &- start)
      start = index &+ 1
      counters.hostRefused &+= 1
    }
    relay(frames + start, count &- start)
  }

  private func relay(_ frames: UnsafePointer<lnd_frame>, _ count: Int) {
    guard count > 0 else { return }
    counters.fromHost &+= UInt64(count)
    uplinks.relay(frames, count)
  }

  package override func portDown(_ port: lnd_port) {
    if port == uplink { uplink = 0 }
    super.portDown(port)
  }

  package override func status(_ sink: lnd_sink) {
    let own: JSONObject = [
      "interface": .string(tap.name),
      "uplink":
        [
          "toHost": JSONValue(counters.toHost),
          "fromHost": JSONValue(counters.fromHost),
          "guestsRefused": JSONValue(counters.guestsRefused),
          "hostRefused": JSONValue(counters.hostRefused),
          "dropped": JSONValue(counters.dropped),
        ],
    ]
    host.write(sink, JSONValue.object(networkMembers + own + stack.statusMembers).text)
  }
}
