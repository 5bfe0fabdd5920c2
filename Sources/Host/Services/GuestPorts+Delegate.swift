// SPDX-License-Identifier: Apache-2.0
//
// The delegate methods of ports and listeners, and the plugin's uplinks (limanetd.uplink/1).

import HostProtocol
import JSONCoding
import Platform
import PluginAPI

extension GuestPorts: UnixgramListenerDelegate {
  func portInterestChanged(_ port: Port) { interestChanged(port) }

  func portWantsRetry(_ port: Port, at deadline: UInt64) { wantsRetry(port, at: deadline) }

  func portWaitsForGate(_ port: Port, at deadline: UInt64) { waitsForGate(port, at: deadline) }

  func portEnded(_ port: Port) { noteEnd(port) }

  func unixgramGuestKnocks(_ listener: UnixgramListener, address: String) -> PortOptions? {
    // Its name is the file name of its socket.
    let file = address.split(separator: "/").last.map { String($0) } ?? ""
    return PortOptions(id: newOwnID(), name: file)
  }

  func unixgramGuestArrived(_ listener: UnixgramListener, _ port: DgramPort, address: String) {
    do throws(HostError) {
      try join(Entry(port, kind: "unixgram", listener: listener))
      emit(.guestUp(id: port.id, name: port.name, listener: listener.id, address: address))
    } catch {
      log.warning("ports", "a guest of listener \(listener.id) was refused: \(error)")
    }
  }
}

extension GuestPorts {
  /// The uplink to another daemon's network, which the supervisor connected; the plugin is not notified.
  func addPeer(_ port: Port) throws(HostError) {
    guard let learningSwitch = plugin.learningSwitch else {
      port.close()
      throw HostError(.unsupported, "a network without a switch has no uplinks")
    }
    guard learningSwitch.attach(port, as: .uplink) != nil else {
      port.close()
      throw HostError(.limit, "the switch has no port left")
    }
    try join(Entry(port, kind: "uplink", isUplink: true))
    log.info("ports", "peer \(label(port)) is connected")
    learningSwitch.probe(port)
    scheduleRingProbe()
  }

  /// Sends the next loop probe while there is such an uplink.
  func probeRing() {
    isRingProbeScheduled = false
    guard let learningSwitch = plugin.learningSwitch, learningSwitch.isProbing else { return }
    learningSwitch.sendProbe()
    scheduleRingProbe()
  }

  /// Adds the macvtap of one guest.
  func addCard(_ port: Port, of guest: UInt64) throws(HostError) {
    guard let cards, let guest = entries[guest], !guest.isUplink else {
      port.close()
      throw HostError(.notFound, "there is no guest \(guest) that a network card could be for")
    }
    try join(Entry(port, kind: CardWires.kind, isUplink: true))
    cards.join(guest.port, to: port)
  }

  /// Takes ownership of the fd in every case. After a failure the port is 0, and `fail` was called.
  func addUplink(_ uplink: lnd_uplink, takesOffloads: Bool) -> (lnd_status, lnd_port) {
    let name = uplink.name.map { String(cString: $0) } ?? ""
    let options = PortOptions(id: newOwnID(), name: name, mtu: uplink.mtu)
    guard let learningSwitch = plugin.learningSwitch else {
      if uplink.fd >= 0 { Descriptor.close(uplink.fd) }
      return (plugin.bridge.failed(LND_ERR_UNSUPPORTED, "the network has no switch"), 0)
    }
    let port: Port
    switch uplink.transport {
    case LND_UPLINK_TAP:
      let vnet = uplink.flags & LND_UPLINK_VNET_HDR != 0
      port = TapPort(
        options, fd: uplink.fd, vnetHeader: vnet, takesOffloads: takesOffloads, memory: memory)
    case LND_UPLINK_STREAM:
      port = StreamPort(options, fd: uplink.fd, journal: nil, resumed: false, memory: memory)
    case LND_UPLINK_DGRAM:
      port = DgramPort(options, fd: uplink.fd, isUplink: true, memory: memory)
    case LND_UPLINK_PLUGIN:
      let takes = plugin.plugin.descriptor.wantsPlainFrames ? 0 : uplink.offloads
      port = PluginPort(options, offloads: takes, plugin: plugin.receiver, memory: memory)
    default:
      if uplink.fd >= 0 { Descriptor.close(uplink.fd) }
      let text = "no such transport of an uplink: \(uplink.transport)"
      return (plugin.bridge.failed(LND_ERR_UNSUPPORTED, text), 0)
    }
    let role: Switch.Role = uplink.flags & LND_UPLINK_DIRECT != 0 ? .direct : .uplink
    guard learningSwitch.attach(port, as: role) != nil else {
      port.close()
      return (plugin.bridge.failed(LND_ERR_LIMIT, "the switch has no port left"), 0)
    }
    do throws(HostError) {
      try join(Entry(port, kind: "uplink", isUplink: true))
    } catch {
      learningSwitch.detach(port)
      return (plugin.bridge.failed(LND_ERR_SYSTEM, error.message), 0)
    }
    plugin.unannounced.append(port)
    return (LND_OK, port.handle)
  }

  /// Idempotent. Done at the end of the iteration: removing a port may call the plugin, which must not happen inside
  /// the plugin's own call.
  func removeUplink(_ handle: lnd_port) {
    guard let entry = entry(of: handle), entry.isUplink else { return }
    doom(entry)
  }

  /// The switch's counters, for `status`.
  var switchCounters: [String: UInt64] {
    if let binding = plugin.binding { return ["stale": binding.stale] }
    guard let counters = plugin.learningSwitch?.counters else { return [:] }
    return [
      "flooded": counters.flooded, "absent": counters.absent, "hairpin": counters.hairpin,
      "spoofed": counters.spoofed,
      "arpSpoofed": counters.arpSpoofed, "ipSpoofed": counters.ipSpoofed,
      "ndpSpoofed": counters.ndpSpoofed, "ipOutside": counters.ipOutside,
      "floodsLimited": counters.floodsLimited,
      "dhcpServers": counters.dhcpServers, "ipv6Routers": counters.ipv6Routers,
      "filtered": counters.filtered, "malformed": counters.malformed, "moved": counters.moved,
      "notLearned": counters.notLearned, "stalled": counters.stalled, "stale": counters.stale,
      "rings": counters.rings,
    ]
  }

  /// Ethernet addresses with the ids of their ports, as JSON. Without a switch: the addresses by which the guests are
  /// known.
  var stations: JSONValue {
    let known =
      cards?.stations ?? plugin.learningSwitch?.stations
      ?? entries.values.compactMap { $0.port.mac == 0 ? nil : ($0.port.mac, $0.port.id) }
    let members = known.sorted { $0.address < $1.address }
      .map { (MACText.text($0.address), JSONValue.unsigned($0.id)) }
    return .object(JSONObject(members))
  }

  /// Malformed frames of the plugin, of all ports.
  var malformedFrames: UInt64 {
    entries.values.reduce(0) { $0 &+ $1.port.counters.txMalformed }
  }

  /// The next ports, for `status`, and whether there are more.
  func status(after last: UInt64, limit: Int) -> ([PortStatus], Bool) {
    let ids = entries.values.lazy.map(\.port.id).filter { $0 > last }.sorted()
    return (
      ids.prefix(limit).compactMap { id in entries[id].map { status($0) } }, ids.count > limit
    )
  }

  private func status(_ entry: Entry) -> PortStatus {
    let counters = entry.port.counters
    var status = PortStatus(id: entry.port.id, name: entry.port.name, kind: entry.kind)
    status.rxFrames = counters.rxFrames
    status.rxBytes = counters.rxBytes
    status.txFrames = counters.txFrames
    status.txBytes = counters.txBytes
    status.drops = counters.drops
    let reasons = [
      ("rxRunt", counters.rxRunt), ("rxOversize", counters.rxOversize),
      ("rxMalformed", counters.rxMalformed), ("txMalformed", counters.txMalformed),
      ("txQueueFull", counters.txQueueFull), ("txRefused", counters.txRefused),
      ("txEnded", counters.txEnded), ("txBlocked", counters.txBlocked),
      ("rxLimited", counters.rxLimited), ("rxPaused", counters.rxPaused),
      ("txPaused", counters.txPaused),
      ("txSegmented", counters.txSegmented), ("spoofed", counters.spoofed),
      ("arpSpoofed", counters.arpSpoofed), ("ipSpoofed", counters.ipSpoofed),
      ("dhcpServers", counters.dhcpServers), ("ipv6Routers", counters.ipv6Routers),
      ("filtered", counters.filtered), ("ipOutside", counters.ipOutside),
      ("floodsLimited", counters.floodsLimited),
    ]
    for (name, count) in reasons where count > 0 { status.counters[name] = count }
    return status
  }
}

/// "52:55:55:12:34:56" as a number, first byte highest.
enum MACText {
  /// 0 for nil and "", nil for a text that is not an address.
  static func parse(_ text: String?) -> UInt64? {
    guard let text, !text.isEmpty else { return 0 }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 6 else { return nil }
    var value: UInt64 = 0
    for part in parts {
      guard part.utf8.count == 2, let byte = UInt8(part, radix: 16) else { return nil }
      value = value << 8 | UInt64(byte)
    }
    return value
  }

  static func text(_ value: UInt64) -> String {
    bytes(value).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
  }

  static func bytes(_ value: UInt64) -> [UInt8] {
    (0..<6).map { UInt8(truncatingIfNeeded: value >> UInt64(40 - 8 * $0)) }
  }
}
