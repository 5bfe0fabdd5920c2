// SPDX-License-Identifier: Apache-2.0
//
// The host's side of the extensions: dns/1, names/1, uplink/1, guard/1 and, for DNS plugins,
// dns-cache/1; loopcheck/1 for all.
// Static tables of C functions; `context` is the bridge, whose role does it.

import Platform
import PluginAPI
import Wire

enum HostExtensions {
  // Immutable once made, for the life of the process: safe to share.
  nonisolated(unsafe) static let loopCheck = forever(
    lnd_host_loopcheck(
      size: UInt32(MemoryLayout<lnd_host_loopcheck>.stride), reserved: 0, on_loop: isOnLoop))

  // As above.
  nonisolated(unsafe) static let dns = forever(
    lnd_host_dns(
      size: UInt32(MemoryLayout<lnd_host_dns>.stride), reserved: 0, query: dnsQuery,
      cancel: dnsCancel))

  // As above.
  nonisolated(unsafe) static let names = forever(
    lnd_host_names(
      size: UInt32(MemoryLayout<lnd_host_names>.stride), reserved: 0, publish: namesPublish,
      withdraw: namesWithdraw))

  // As above.
  nonisolated(unsafe) static let uplink = forever(
    lnd_host_uplink(
      size: UInt32(MemoryLayout<lnd_host_uplink>.stride), reserved: 0, add: uplinkAdd,
      remove: uplinkRemove, relay: uplinkRelay))

  // As above.
  nonisolated(unsafe) static let tap = forever(
    lnd_host_tap(
      size: UInt32(MemoryLayout<lnd_host_tap>.stride), reserved: 0, describe: tapDescribe,
      add: tapAdd))

  // As above.
  nonisolated(unsafe) static let addressGuard = forever(
    lnd_host_guard(
      size: UInt32(MemoryLayout<lnd_host_guard>.stride), reserved: 0, bind: guardBind,
      unbind: guardUnbind, serve_dhcp: guardServeDHCP))

  // As above.
  nonisolated(unsafe) static let dnsCache = forever(
    lnd_host_dns_cache(
      size: UInt32(MemoryLayout<lnd_host_dns_cache>.stride), reserved: 0, flush: dnsCacheFlush))

  private static func forever<Table>(_ table: Table) -> UnsafeRawPointer {
    let memory = UnsafeMutablePointer<Table>.allocate(capacity: 1)
    memory.initialize(to: table)
    return UnsafeRawPointer(memory)
  }
}

/// Runs `body` with the network plugin of a bridge.
private func network<Result>(
  _ context: Context?, else fallback: Result, _ body: (NetworkPlugin) -> Result
) -> Result {
  onLoop(context, else: fallback) { bridge in
    guard let plugin = bridge.role as? NetworkPlugin else { return fallback }
    return body(plugin)
  }
}

private func isOnLoop(_ context: Context?) -> Int32 {
  withBridge(context, else: 0) { ThreadID.current == $0.thread ? 1 : 0 }
}

private func dnsQuery(_ context: Context?, _ query: UnsafePointer<lnd_dns_query>?) -> lnd_op {
  network(context, else: 0) { plugin in
    guard
      let query = try? ABITable.copy(query, into: lnd_dns_query(), minimum: ABI10.dnsQuery),
      let message = query.message, query.length <= 65535
    else { return 0 }
    let bytes = Array(UnsafeBufferPointer(start: message, count: Int(query.length)))
    return plugin.services?.pluginAsks(
      bytes, DNSTransport(rawValue: query.transport) ?? .udp, deadline: query.deadline_ns) ?? 0
  }
}

private func dnsCancel(_ context: Context?, _ operation: lnd_op) {
  network(context, else: ()) { $0.services?.pluginCancels(operation) }
}

private func dnsCacheFlush(_ context: Context?) {
  onLoop(context, else: ()) { ($0.role as? DNSPlugin)?.flushCache() }
}

private func namesPublish(
  _ context: Context?, _ name: UnsafePointer<CChar>?, _ address: UnsafePointer<CChar>?
) -> lnd_status {
  network(context, else: LND_ERR_INTERNAL) { plugin in
    guard let name, let address else { return LND_ERR_INVALID_CONFIG }
    return plugin.services?.publish(String(cString: name), String(cString: address))
      ?? LND_ERR_UNSUPPORTED
  }
}

private func namesWithdraw(
  _ context: Context?, _ name: UnsafePointer<CChar>?, _ address: UnsafePointer<CChar>?
) -> lnd_status {
  network(context, else: LND_ERR_INTERNAL) { plugin in
    guard let name else { return LND_ERR_INVALID_CONFIG }
    return plugin.services?.withdraw(String(cString: name), address.map { String(cString: $0) })
      ?? LND_ERR_UNSUPPORTED
  }
}

private func uplinkAdd(_ context: Context?, _ uplink: UnsafePointer<lnd_uplink>?) -> lnd_port {
  network(context, else: 0) { plugin in
    guard let uplink = try? ABITable.copy(uplink, into: lnd_uplink(), minimum: ABI10.uplink) else {
      plugin.bridge.fail(LND_ERR_INVALID_CONFIG, nil, "the uplink's table is no ABI 1")
      return 0
    }
    guard uplink.fd >= 0 else {
      plugin.bridge.fail(LND_ERR_INVALID_CONFIG, nil, "an uplink needs a descriptor")
      return 0
    }
    guard let services = plugin.services else {
      Descriptor.close(uplink.fd)
      return 0
    }
    return services.addUplink(uplink, takesOffloads: true)
  }
}

private func uplinkRelay(
  _ context: Context?, _ frames: UnsafePointer<lnd_frame>?, _ count: UInt32
) {
  onLoop(context, else: ()) { bridge in
    guard let frames, let network = bridge.network else { return }
    network._withUnsafeGuaranteedRef { $0.relay(frames, Int(count)) }
  }
}

private func tapDescribe(_ context: Context?, _ tap: UnsafeMutablePointer<lnd_tap>?) -> lnd_status {
  network(context, else: LND_ERR_INTERNAL) { plugin in
    guard let tap else { return LND_ERR_INVALID_CONFIG }
    guard let given = plugin.tap else { return LND_ERR_NOT_FOUND }
    var table = given.table
    let size = Int(tap.pointee.size)
    guard size >= ABI11.tap, size <= ABITable.maximumSize else { return LND_ERR_INVALID_CONFIG }
    table.size = UInt32(min(size, MemoryLayout<lnd_tap>.stride))
    withUnsafeBytes(of: table) { bytes in
      UnsafeMutableRawBufferPointer(start: tap, count: Int(table.size))
        .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<Int(table.size)]))
    }
    return LND_OK
  }
}

private func tapAdd(_ context: Context?, _ flags: UInt32) -> lnd_port {
  network(context, else: 0) { plugin in
    guard let services = plugin.services, let tap = plugin.tap, let uplink = tap.takeUplink(flags)
    else {
      plugin.bridge.fail(LND_ERR_NOT_FOUND, nil, "there is no TAP, or it is an uplink already")
      return 0
    }
    return services.addUplink(uplink, takesOffloads: tap.takesOffloads)
  }
}

private func uplinkRemove(_ context: Context?, _ port: lnd_port) {
  network(context, else: ()) { $0.services?.removeUplink(port) }
}

private func guardBind(
  _ context: Context?, _ binding: UnsafePointer<lnd_guard_binding>?
) -> lnd_status {
  network(context, else: LND_ERR_INTERNAL) { plugin in
    guard
      let binding = try? ABITable.copy(
        binding, into: lnd_guard_binding(), minimum: ABI11.guardBinding),
      let text = binding.address
    else { return LND_ERR_INVALID_CONFIG }
    guard let address = IPAddress(String(cString: text)) else { return LND_ERR_INVALID_CONFIG }
    let mac = withUnsafeBytes(of: binding.mac) { $0.reduce(UInt64(0)) { $0 << 8 | UInt64($1) } }
    guard MACAddress(mac).isUnicast else { return LND_ERR_INVALID_CONFIG }
    guard let learningSwitch = plugin.learningSwitch else { return LND_ERR_UNSUPPORTED }
    let isOwn = binding.flags & LND_GUARD_OWN != 0
    plugin.services?.leasesChanged()
    return switch learningSwitch.bind(address, to: mac, isOwn: isOwn) {
    case .ok: LND_OK
    case .limit: LND_ERR_LIMIT
    case .guestHasIt: LND_ERR_EXISTS
    }
  }
}

private func guardUnbind(_ context: Context?, _ address: UnsafePointer<CChar>?) {
  network(context, else: ()) { plugin in
    guard let address, let address = IPAddress(String(cString: address)) else { return }
    plugin.services?.leasesChanged()
    plugin.learningSwitch?.unbind(address)
  }
}

private func guardServeDHCP(_ context: Context?, _ on: UInt32) {
  network(context, else: ()) { $0.learningSwitch?.serveDHCP(on != 0) }
}
