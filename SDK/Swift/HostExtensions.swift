// SPDX-License-Identifier: Apache-2.0
//
// Extensions the host offers: to network plugins, and `HostDNSCache` to DNS plugins. All [loop].

import PluginAPI

/// limanetd.dns/1: guests' questions answered by the network's DNS plugin.
public struct HostDNS {
  private let table: lnd_host_dns
  private let context: UnsafeMutableRawPointer?

  /// nil when the host does not offer it.
  public init?(_ host: HostContext) {
    guard let table = host.extension(LND_EXT_DNS, as: lnd_host_dns.self), table.query != nil,
      table.cancel != nil
    else { return nil }
    self.table = table
    context = host.context
  }

  /// Asks; the answer comes as `onOpDone(op, LND_OK, message)`. 0 when too
  /// many questions are under way: send no answer.
  ///
  /// - Parameter transport: `LND_DNS_UDP` or `LND_DNS_TCP`.
  public func query(
    _ message: UnsafeRawBufferPointer, transport: UInt32, deadline: UInt64 = 0
  ) -> lnd_op {
    var query = lnd_dns_query()
    query.size = UInt32(MemoryLayout<lnd_dns_query>.size)
    query.transport = transport
    query.message = message.baseAddress?.assumingMemoryBound(to: UInt8.self)
    query.length = UInt32(clamping: message.count)
    query.deadline_ns = deadline
    return table.query(context, &query)
  }

  /// Forgets the question; no `onOpDone` follows.
  public func cancel(_ op: lnd_op) { table.cancel(context, op) }
}

/// limanetd.dns-cache/1: what the host keeps of a DNS plugin's answers.
public struct HostDNSCache {
  private let table: lnd_host_dns_cache
  private let context: UnsafeMutableRawPointer?

  /// nil when the host does not offer it.
  public init?(_ host: HostContext) {
    guard let table = host.extension(LND_EXT_DNS_CACHE, as: lnd_host_dns_cache.self),
      table.flush != nil
    else { return nil }
    self.table = table
    context = host.context
  }

  /// Has all answers forgotten, those under way included.
  public func flush() { table.flush(context) }
}

/// limanetd.names/1: names the network's DNS answers by itself.
public struct HostNames {
  private let table: lnd_host_names
  private let context: UnsafeMutableRawPointer?

  /// nil when the host does not offer it.
  public init?(_ host: HostContext) {
    guard let table = host.extension(LND_EXT_NAMES, as: lnd_host_names.self),
      table.publish != nil, table.withdraw != nil
    else { return nil }
    self.table = table
    context = host.context
  }

  /// Adds an address ("192.168.5.2", "fd00::2") to a name.
  public func publish(_ name: String, _ address: String) throws(PluginFailure) {
    let status = table.publish(context, name, address)
    guard status == LND_OK else {
      throw PluginFailure(status, "cannot publish \(name) as \(address)")
    }
  }

  /// Takes an address off a name, or all of them.
  public func withdraw(_ name: String, _ address: String? = nil) {
    _ = table.withdraw(context, name, address)
  }
}

/// limanetd.guard/1: the switch keeps guests from each other's addresses.
public struct HostGuard {
  private let table: lnd_host_guard
  private let context: UnsafeMutableRawPointer?

  /// nil when the host does not offer it.
  public init?(_ host: HostContext) {
    guard let table = host.extension(LND_EXT_GUARD, as: lnd_host_guard.self), table.bind != nil,
      table.unbind != nil, table.serve_dhcp != nil
    else { return nil }
    self.table = table
    context = host.context
  }

  /// Says whose an address ("192.168.104.3") is.
  ///
  /// - Parameter own: the plugin's own: no guest may have either of the two.
  public func bind(
    _ address: String, to mac: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8), own: Bool = false
  ) throws(PluginFailure) {
    let status = address.withCString { text in
      var binding = lnd_guard_binding()
      binding.size = UInt32(MemoryLayout<lnd_guard_binding>.size)
      binding.flags = own ? LND_GUARD_OWN : 0
      binding.address = text
      binding.mac = mac
      return table.bind(context, &binding)
    }
    guard status == LND_OK else {
      throw PluginFailure(status, "the switch cannot guard \(address)")
    }
  }

  /// The address is free again.
  public func unbind(_ address: String) { table.unbind(context, address) }

  /// Whether guests are kept from being DHCP servers.
  public func serveDHCP(_ on: Bool) { table.serve_dhcp(context, on ? 1 : 0) }
}
