// SPDX-License-Identifier: Apache-2.0
//
// Extensions of the host: for network plugins, and HostDNSCache and HostDNSNext for DNS plugins. All [loop].

import PluginAPI

/// limanetd.dns/1: the network's DNS plugin answers guests' questions.
public struct HostDNS {
  private let table: lnd_host_dns
  private let context: UnsafeMutableRawPointer?

  /// nil if the host does not have the extension.
  public init?(_ host: HostContext) {
    guard let table = host.extension(LND_EXT_DNS, as: lnd_host_dns.self), table.query != nil,
      table.cancel != nil
    else { return nil }
    self.table = table
    context = host.context
  }

  /// Sends a question; the answer comes as `onOpDone(op, LND_OK, message)`. Returns 0 if too many questions are in
  /// progress: then send no answer.
  ///
  /// - Parameter transport: `LND_DNS_UDP` or `LND_DNS_TCP`.
  public func query(
    _ message: UnsafeRawBufferPointer, transport: UInt32, deadline: UInt64 = 0
  ) -> lnd_op {
    query(DNSQuery(transport: transport, message: message, deadline: deadline))
  }

  /// The same, with the questioner. On a switched network `port` may be 0 if `mac` is given; the host knows the name.
  public func query(_ query: DNSQuery) -> lnd_op { query.withRaw { table.query(context, $0) } }

  /// Cancels a question; no `onOpDone` follows.
  public func cancel(_ op: lnd_op) { table.cancel(context, op) }
}

/// limanetd.dns-cache/1: the host's cache of a DNS plugin's answers.
public struct HostDNSCache {
  private let table: lnd_host_dns_cache
  private let context: UnsafeMutableRawPointer?

  /// nil if the host does not have the extension.
  public init?(_ host: HostContext) {
    guard let table = host.extension(LND_EXT_DNS_CACHE, as: lnd_host_dns_cache.self),
      table.flush != nil
    else { return nil }
    self.table = table
    context = host.context
  }

  /// Drops all cached answers, and does not cache those of questions in progress.
  public func flush() { table.flush(context) }

  /// Before `complete` of a question: its answer is valid for the questioner only.
  public func keepPrivate(_ op: lnd_op) { _ = table.keep_private?(context, op) }
}

/// limanetd.dns-next/1: the next DNS plugin in the chain.
public struct HostDNSNext {
  private let table: lnd_host_dns_next
  private let context: UnsafeMutableRawPointer?

  /// nil if this plugin is the last.
  public init?(_ host: HostContext) {
    guard let table = host.extension(LND_EXT_DNS_NEXT, as: lnd_host_dns_next.self),
      table.query != nil, table.cancel != nil
    else { return nil }
    self.table = table
    context = host.context
  }

  /// Sends it a question; the answer comes as `onOpDone(op, LND_OK, message)`. Returns 0 if too many questions are in
  /// progress.
  ///
  /// - Parameter op: the question that this one is for, or 0.
  public func query(for op: lnd_op, _ query: DNSQuery) -> lnd_op {
    query.withRaw { table.query(context, op, $0) }
  }

  /// Cancels a question; no `onOpDone` follows.
  public func cancel(_ op: lnd_op) { table.cancel(context, op) }
}

/// limanetd.names/1: names that the network's DNS answers itself.
public struct HostNames {
  private let table: lnd_host_names
  private let context: UnsafeMutableRawPointer?

  /// nil if the host does not have the extension.
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

  /// Removes an address from a name, or all of them.
  public func withdraw(_ name: String, _ address: String? = nil) {
    guard let address else {
      _ = table.withdraw(context, name, nil)
      return
    }
    guard var endpoint = Endpoint(address: address)?.raw else { return }
    _ = table.withdraw(context, name, &endpoint)
  }
}

/// limanetd.guard/1: bindings of addresses to stations, which the switch enforces for guests.
public struct HostGuard {
  private let table: lnd_host_guard
  private let context: UnsafeMutableRawPointer?

  /// nil if the host does not have the extension.
  public init?(_ host: HostContext) {
    guard let table = host.extension(LND_EXT_GUARD, as: lnd_host_guard.self), table.bind != nil,
      table.unbind != nil, table.serve != nil
    else { return nil }
    self.table = table
    context = host.context
  }

  /// Binds an address ("192.168.104.3") to a station.
  ///
  /// - Parameter own: they are the plugin's own: no guest may use either.
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

  /// Removes the binding of an address.
  public func unbind(_ address: String) {
    guard var endpoint = Endpoint(address: address)?.raw else { return }
    table.unbind(context, &endpoint)
  }

  /// Sets which services the plugin provides (`LND_GUARD_DHCP`, ...) and guests may not.
  public func serve(_ services: UInt32) { table.serve(context, services) }

  /// Whether guests may not be DHCP servers.
  public func serveDHCP(_ on: Bool) { serve(on ? LND_GUARD_DHCP : 0) }
}
