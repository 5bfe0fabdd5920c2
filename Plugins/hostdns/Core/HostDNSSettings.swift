// SPDX-License-Identifier: Apache-2.0
import LimaNetdSDK

/// The validated options of hostdns. schema.json documents them for users.
package struct HostDNSSettings: Sendable {
  /// Seconds for each server and attempt; nil: resolv.conf's.
  package var timeout: UInt32?
  /// How often each server is tried; nil: resolv.conf's.
  package var attempts: UInt32?
  /// All queries go to the nameservers of `resolvConf`, none to the host's resolver.
  package var forwardsAll = false
  /// Nameservers used for all queries instead of the host's resolver; empty: not set.
  package var servers: [ServerAddress] = []
  /// Nameservers used when resolv.conf lists none; nil: the C library's default, empty: none.
  package var fallback: [ServerAddress]?
  /// Whether AAAA queries are answered; otherwise NODATA.
  package var ipv6 = true
  /// Maximum threads that call getaddrinfo.
  package var workers = 8
  /// Seconds, for addresses from getaddrinfo, which reports no TTL.
  package var timeToLive: UInt32 = 5
  /// The file that lists the host's nameservers.
  package var resolvConf = Self.systemResolvConf

  /// The C library's file.
  package static let systemResolvConf = "/etc/resolv.conf"

  package static let maximumServers = 8

  package init(_ options: Options) throws(PluginFailure) {
    if let value = try options.integer("timeout", in: 1...30) { timeout = UInt32(value) }
    if let value = try options.integer("attempts", in: 1...5) { attempts = UInt32(value) }
    if let value = try options.bool("ipv6") { ipv6 = value }
    if let value = try options.string("resolver") {
      guard value == "system" || value == "forward" else {
        throw .invalid("/resolver", "\"\(value)\" is neither system nor forward")
      }
      forwardsAll = value == "forward"
    }
    if let value = try options.integer("workers", in: 1...64) { workers = Int(value) }
    if let value = try options.integer("ttl", in: 0...86_400) { timeToLive = UInt32(value) }
    if let value = try options.string("resolvConf") {
      guard value.hasPrefix("/") else { throw .invalid("/resolvConf", "not an absolute path") }
      resolvConf = value
    }
    servers = try Self.servers(options, "servers") ?? servers
    fallback = try Self.servers(options, "fallback") ?? fallback
  }

  private static func servers(
    _ options: Options, _ key: String
  ) throws(PluginFailure) -> [ServerAddress]? {
    guard let list = try options.strings(key) else { return nil }
    guard list.count <= maximumServers else {
      throw .invalid("/\(key)", "more than \(maximumServers) servers")
    }
    var servers: [ServerAddress] = []
    for (index, text) in list.enumerated() {
      guard let server = ServerAddress(text) else {
        throw .invalid(
          "/\(key)/\(index)",
          "\"\(text)\" is no address; write 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:53")
      }
      servers.append(server)
    }
    return servers
  }
}
