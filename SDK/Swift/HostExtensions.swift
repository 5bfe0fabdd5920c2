// SPDX-License-Identifier: Apache-2.0
//
// Extensions the host offers to network plugins. All [loop].

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
