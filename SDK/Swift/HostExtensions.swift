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
    query(DNSQuery(transport: transport, message: message, deadline: deadline))
  }

  /// The same, with who asks. Of a switched network `port` may be left 0 with `mac` given; `name` is the host's to know.
  public func query(_ query: DNSQuery) -> lnd_op { query.withRaw { table.query(context, $0) } }

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

  /// Before `complete` of a question: its answer is for nobody but who asked.
  public func keepPrivate(_ op: lnd_op) { _ = table.keep_private?(context, op) }
}

/// limanetd.dns-next/1: the DNS plugin behind this one.
public struct HostDNSNext {
  private let table: lnd_host_dns_next
  private let context: UnsafeMutableRawPointer?

  /// nil when this one is the last.
  public init?(_ host: HostContext) {
    guard let table = host.extension(LND_EXT_DNS_NEXT, as: lnd_host_dns_next.self),
      table.query != nil, table.cancel != nil
    else { return nil }
    self.table = table
    context = host.context
  }

  /// Asks it; the answer comes as `onOpDone(op, LND_OK, message)`. 0 when too many questions are under way.
  ///
  /// - Parameter op: of the question that it is asked for, or 0.
  public func query(for op: lnd_op, _ query: DNSQuery) -> lnd_op {
    query.withRaw { table.query(context, op, $0) }
  }

  /// Forgets the question; no `onOpDone` follows.
  public func cancel(_ op: lnd_op) { table.cancel(context, op) }
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
    guard var endpoint = Endpoint(address: address)?.raw else {
      throw PluginFailure(LND_ERR_INVALID_CONFIG, "\(address) is no address")
    }
    let status = table.publish(context, name, &endpoint)
    guard status == LND_OK else {
      throw PluginFailure(status, "cannot publish \(name) as \(address)")
    }
  }

  /// Takes an address off a name, or all of them.
  public func withdraw(_ name: String, _ address: String? = nil) {
    guard let address else {
      _ = table.withdraw(context, name, nil)
      return
    }
    guard var endpoint = Endpoint(address: address)?.raw else { return }
    _ = table.withdraw(context, name, &endpoint)
  }
}

/// limanetd.guard/1: the switch keeps guests from each other's addresses.
public struct HostGuard {
  private let table: lnd_host_guard
  private let context: UnsafeMutableRawPointer?

  /// nil when the host does not offer it.
  public init?(_ host: HostContext) {
    guard let table = host.extension(LND_EXT_GUARD, as: lnd_host_guard.self), table.bind != nil,
      table.unbind != nil, table.serve != nil
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
    guard let endpoint = Endpoint(address: address) else {
      throw PluginFailure(LND_ERR_INVALID_CONFIG, "\(address) is no address")
    }
    var binding = lnd_guard_binding()
    binding.size = UInt32(MemoryLayout<lnd_guard_binding>.size)
    binding.flags = own ? LND_GUARD_OWN : 0
    binding.address = endpoint.raw
    binding.mac = mac
    let status = table.bind(context, &binding)
    guard status == LND_OK else {
      throw PluginFailure(status, "the switch cannot guard \(address)")
    }
  }

  /// The address is free again.
  public func unbind(_ address: String) {
    guard var endpoint = Endpoint(address: address)?.raw else { return }
    table.unbind(context, &endpoint)
  }

  /// What the plugin is for the network (`LND_GUARD_DHCP`, ...), and guests are not.
  public func serve(_ services: UInt32) { table.serve(context, services) }

  /// Whether guests are kept from being DHCP servers.
  public func serveDHCP(_ on: Bool) { serve(on ? LND_GUARD_DHCP : 0) }
}
