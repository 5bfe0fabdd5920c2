// SPDX-License-Identifier: Apache-2.0
//
// The host's side of the extensions: dns/1, names/1, uplink/1, tap/1 and guard/1 for network plugins, dns-cache/1 and
// dns-next/1 for DNS plugins, loopcheck/1 for both. Static tables of C functions; `context` is the bridge, whose role
// carries out the call.

import Platform
import PluginAPI
import Wire

enum HostExtensions {
  // Immutable after initialisation and never freed, so that threads may share it.
  nonisolated(unsafe) static let loopCheck = forever(
    lnd_host_loopcheck(
      size: UInt32(MemoryLayout<lnd_host_loopcheck>.stride), flags: 0, on_loop: isOnLoop))

  // As above.
  nonisolated(unsafe) static let dns = forever(
    lnd_host_dns(
      size: UInt32(MemoryLayout<lnd_host_dns>.stride), flags: 0, query: dnsQuery,
      cancel: dnsCancel))

  // As above.
  nonisolated(unsafe) static let names = forever(
    lnd_host_names(
      size: UInt32(MemoryLayout<lnd_host_names>.stride), flags: 0, publish: namesPublish,
      withdraw: namesWithdraw))

  // As above.
  nonisolated(unsafe) static let uplink = forever(
    lnd_host_uplink(
      size: UInt32(MemoryLayout<lnd_host_uplink>.stride), flags: 0, add: uplinkAdd,
      remove: uplinkRemove, relay: uplinkRelay))

  // As above.
  nonisolated(unsafe) static let tap = forever(
    lnd_host_tap(
      size: UInt32(MemoryLayout<lnd_host_tap>.stride), flags: 0, describe: tapDescribe,
      add: tapAdd))

  // As above.
  nonisolated(unsafe) static let addressGuard = forever(
    lnd_host_guard(
      size: UInt32(MemoryLayout<lnd_host_guard>.stride), flags: 0, bind: guardBind,
      unbind: guardUnbind, serve: guardServe))

  // As above.
  nonisolated(unsafe) static let dnsCache = forever(
    lnd_host_dns_cache(
      size: UInt32(MemoryLayout<lnd_host_dns_cache>.stride), flags: 0, flush: dnsCacheFlush,
      keep_private: dnsKeepPrivate))

  // As above.
  nonisolated(unsafe) static let dnsNext = forever(
    lnd_host_dns_next(
      size: UInt32(MemoryLayout<lnd_host_dns_next>.stride), flags: 0, query: dnsNextQuery,
      cancel: dnsNextCancel))

  private static func forever<Table: BitwiseCopyable>(_ table: Table) -> UnsafeRawPointer {
    UnsafeRawPointer(ABITable.forever(table))
  }
}

/// Calls `body` with the network plugin of a bridge.
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

/// A copy of a plugin's question; nil if it is invalid.
private func question(
  _ raw: UnsafePointer<lnd_dns_query>?, _ bridge: PluginBridge
) -> (message: [UInt8], transport: DNSTransport, deadline: UInt64, from: DNSQuestioner)? {
  guard
    let query = try? ABITable.copy(raw, into: lnd_dns_query(), minimum: ABI10.dnsQuery),
    let message = query.message, query.length <= 65535, query.reserved.0 == 0,
    query.reserved.1 == 0, query.client.reserved == 0, query.server.reserved == 0
  else {
    bridge.noteMisuse("query", "with what is no lnd_dns_query of ABI 1")
    return nil
  }
  var questioner = DNSQuestioner()
  questioner.port = query.port
  questioner.mac = withUnsafeBytes(of: query.mac) { $0.reduce(UInt64(0)) { $0 << 8 | UInt64($1) } }
  if let name = query.name { questioner.name = String(cString: name) }
  questioner.client = query.client
  questioner.server = query.server
  return (
    Array(UnsafeBufferPointer(start: message, count: Int(query.length))),
    DNSTransport(rawValue: query.transport) ?? .udp, query.deadline_ns, questioner
  )
}

private func dnsQuery(_ context: Context?, _ query: UnsafePointer<lnd_dns_query>?) -> lnd_op {
  network(context, else: 0) { plugin in
    guard var asked = question(query, plugin.bridge) else { return 0 }
    // Adds what the host knows of the guest.
    asked.from = plugin.identified(asked.from)
    return plugin.services?.pluginAsks(
      asked.message, asked.transport, deadline: asked.deadline, from: asked.from) ?? 0
  }
}

private func dnsNextQuery(
  _ context: Context?, _ purpose: lnd_op, _ query: UnsafePointer<lnd_dns_query>?
) -> lnd_op {
  onLoop(context, else: 0) { bridge in
    guard let plugin = bridge.role as? DNSPlugin, bridge.isStarted,
      let asked = question(query, bridge)
    else { return 0 }
    return plugin.askNext(
      for: purpose, asked.message, asked.transport, deadline: asked.deadline, by: asked.from)
  }
}

private func dnsNextCancel(_ context: Context?, _ operation: lnd_op) {
  onLoop(context, else: ()) { ($0.role as? DNSPlugin)?.cancelNext(operation) }
}

private func dnsKeepPrivate(_ context: Context?, _ operation: lnd_op) -> lnd_status {
  onLoop(context, else: LND_ERR_MISUSE) {
    ($0.role as? DNSPlugin)?.keepPrivate(operation) ?? LND_ERR_MISUSE
  }
}

private func dnsCancel(_ context: Context?, _ operation: lnd_op) {
  network(context, else: ()) { $0.services?.pluginCancels(operation) }
}

private func dnsCacheFlush(_ context: Context?) {
  onLoop(context, else: ()) { ($0.role as? DNSPlugin)?.flushCache() }
}

private func namesPublish(
  _ context: Context?, _ name: UnsafePointer<CChar>?, _ address: UnsafePointer<lnd_endpoint>?
) -> lnd_status {
  network(context, else: LND_ERR_MISUSE) { plugin in
    guard let name, let address, address.pointee.reserved == 0 else { return LND_ERR_MISUSE }
    return plugin.services?.publish(
      String(cString: name), address.pointee.ipAddress.description) ?? LND_ERR_UNSUPPORTED
  }
}

private func namesWithdraw(
  _ context: Context?, _ name: UnsafePointer<CChar>?, _ address: UnsafePointer<lnd_endpoint>?
) -> lnd_status {
  network(context, else: LND_ERR_MISUSE) { plugin in
    guard let name else { return LND_ERR_MISUSE }
    return plugin.services?.withdraw(
      String(cString: name), address.map { $0.pointee.ipAddress.description })
      ?? LND_ERR_UNSUPPORTED
  }
}

/// Flags that an uplink may have.
private let uplinkFlags = LND_UPLINK_VNET_HDR | LND_UPLINK_DIRECT

private func uplinkAdd(
  _ context: Context?, _ uplink: UnsafePointer<lnd_uplink>?, _ port: UnsafeMutablePointer<lnd_port>?
) -> lnd_status {
  port?.pointee = 0
  return network(context, else: LND_ERR_MISUSE) { plugin in
    let bridge = plugin.bridge
    guard let port, let uplink else {
      return bridge.failed(LND_ERR_MISUSE, "uplink.add needs an uplink, and a place for its port")
    }
    let asked: lnd_uplink
    do throws(ABITable.Failure) {
      asked = try ABITable.copy(
        uplink, into: lnd_uplink(), minimum: ABI10.uplink, flags: uplinkFlags)
    } catch {
      // The host owns the descriptor whatever the result of the call.
      if case .flags = error, uplink.pointee.fd >= 0 { Descriptor.close(uplink.pointee.fd) }
      return bridge.failed(error.status, "the uplink's table \(error.text)")
    }
    let isPlugins = asked.transport == LND_UPLINK_PLUGIN
    guard isPlugins == (asked.fd < 0), !isPlugins || asked.flags & uplinkFlags == 0 else {
      if asked.fd >= 0 { Descriptor.close(asked.fd) }
      return bridge.failed(
        LND_ERR_MISUSE,
        isPlugins
          ? "an uplink that is the plugin itself has no descriptor and no flags"
          : "an uplink needs a descriptor")
    }
    guard let services = plugin.services else {
      if asked.fd >= 0 { Descriptor.close(asked.fd) }
      return LND_ERR_UNSUPPORTED
    }
    let (status, added) = services.addUplink(asked, takesOffloads: true)
    port.pointee = added
    return status
  }
}

extension PluginBridge {
  /// Records the reason of a failure; returns its status.
  func failed(_ status: lnd_status, _ text: String) -> lnd_status {
    fail(status, nil, text)
    return status
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
  network(context, else: LND_ERR_MISUSE) { plugin in
    guard let tap else { return LND_ERR_MISUSE }
    guard let given = plugin.tap else { return LND_ERR_NOT_FOUND }
    var table = given.table
    let size = Int(tap.pointee.size)
    guard size >= ABI10.tap, size <= ABITable.maximumSize else { return LND_ERR_MISUSE }
    table.size = UInt32(min(size, MemoryLayout<lnd_tap>.stride))
    withUnsafeBytes(of: table) { bytes in
      UnsafeMutableRawBufferPointer(start: tap, count: Int(table.size))
        .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<Int(table.size)]))
    }
    return LND_OK
  }
}

private func tapAdd(
  _ context: Context?, _ flags: UInt32, _ port: UnsafeMutablePointer<lnd_port>?
) -> lnd_status {
  port?.pointee = 0
  return network(context, else: LND_ERR_MISUSE) { plugin in
    guard let port else {
      return plugin.bridge.failed(LND_ERR_MISUSE, "tap.add needs a place for its port")
    }
    guard flags & mustUnderstand & ~LND_UPLINK_DIRECT == 0 else {
      return plugin.bridge.failed(LND_ERR_UNSUPPORTED, "tap.add knows no such flags: \(flags)")
    }
    guard let services = plugin.services, let tap = plugin.tap, let uplink = tap.takeUplink(flags)
    else {
      return plugin.bridge.failed(
        LND_ERR_NOT_FOUND, "there is no TAP, or it is an uplink already")
    }
    let (status, added) = services.addUplink(uplink, takesOffloads: tap.takesOffloads)
    port.pointee = added
    return status
  }
}

private func uplinkRemove(_ context: Context?, _ port: lnd_port) {
  network(context, else: ()) { $0.services?.removeUplink(port) }
}

private func guardBind(
  _ context: Context?, _ binding: UnsafePointer<lnd_guard_binding>?
) -> lnd_status {
  network(context, else: LND_ERR_MISUSE) { plugin in
    let asked: lnd_guard_binding
    do throws(ABITable.Failure) {
      asked = try ABITable.copy(
        binding, into: lnd_guard_binding(), minimum: ABI10.guardBinding, flags: LND_GUARD_OWN)
    } catch {
      return error.status
    }
    guard asked.reserved.0 == 0, asked.reserved.1 == 0, asked.address.reserved == 0 else {
      return LND_ERR_MISUSE
    }
    let address = asked.address.ipAddress
    guard address.isUnicast else { return LND_ERR_INVALID_CONFIG }
    let mac = withUnsafeBytes(of: asked.mac) { $0.reduce(UInt64(0)) { $0 << 8 | UInt64($1) } }
    guard MACAddress(mac).isUnicast else { return LND_ERR_INVALID_CONFIG }
    guard let learningSwitch = plugin.learningSwitch else { return LND_ERR_UNSUPPORTED }
    let isOwn = asked.flags & LND_GUARD_OWN != 0
    plugin.services?.leasesChanged()
    return switch learningSwitch.bind(address, to: mac, isOwn: isOwn) {
    case .ok: LND_OK
    case .limit: LND_ERR_LIMIT
    case .guestHasIt: LND_ERR_EXISTS
    }
  }
}

private func guardUnbind(_ context: Context?, _ address: UnsafePointer<lnd_endpoint>?) {
  network(context, else: ()) { plugin in
    guard let address = address?.pointee.ipAddress else { return }
    plugin.services?.leasesChanged()
    plugin.learningSwitch?.unbind(address)
  }
}

private func guardServe(_ context: Context?, _ services: UInt32) {
  network(context, else: ()) { $0.learningSwitch?.serveDHCP(services & LND_GUARD_DHCP != 0) }
}
