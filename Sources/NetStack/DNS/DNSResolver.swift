// SPDX-License-Identifier: Apache-2.0
//
// limanetd.dns/1 as the stack calls it: the host's side of the extension, proven to be
// complete once. Loop thread only.

import PluginAPI
import Wire

/// Hands DNS messages to the network's DNS plugin, through the host.
package struct DNSResolver {
  private let context: UnsafeMutableRawPointer?
  private let ask:
    @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<lnd_dns_query>?) -> lnd_op
  private let forget: @convention(c) (UnsafeMutableRawPointer?, lnd_op) -> Void

  /// Nil when the host offers no DNS.
  package init?(_ host: UnsafePointer<lnd_host>) {
    guard let getExtension = host.pointee.get_extension,
      let table = getExtension(host.pointee.ctx, LND_EXT_DNS),
      // The whole table was there from the first revision on.
      table.loadUnaligned(as: UInt32.self) >= UInt32(MemoryLayout<lnd_host_dns>.size)
    else { return nil }
    let dns = table.assumingMemoryBound(to: lnd_host_dns.self).pointee
    guard let query = dns.query, let cancel = dns.cancel else { return nil }
    context = host.pointee.ctx
    ask = query
    forget = cancel
  }

  /// Asks; 0 when too many questions are under way.
  /// - Parameter deadline: 0 lets the host choose; one that is over asks for what the host knows
  ///   without its DNS plugin.
  func query(_ message: ByteView, transport: UInt32, deadline: UInt64 = 0) -> lnd_op {
    var query = lnd_dns_query()
    query.size = UInt32(MemoryLayout<lnd_dns_query>.size)
    query.transport = transport
    query.message = message.base.assumingMemoryBound(to: UInt8.self)
    query.length = UInt32(truncatingIfNeeded: message.count)
    query.deadline_ns = deadline
    return ask(context, &query)
  }

  /// No answer is wanted any more.
  func cancel(_ op: lnd_op) { forget(context, op) }
}
