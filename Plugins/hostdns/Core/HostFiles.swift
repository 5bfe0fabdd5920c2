// SPDX-License-Identifier: Apache-2.0
import DNSMessage

/// The files that say how the host finds names: resolv.conf(5), hosts(5), nsswitch.conf(5).
/// Loop thread.
struct HostFiles {
  private var resolvConf: FollowedFile<[ServerAddress]>
  private var hosts: FollowedFile<HostsFile>
  private var order: FollowedFile<HostsOrder>
  private let fallback: [ServerAddress]
  /// Servers that go before those of resolv.conf; read again whenever a file changed.
  private let preferred: (() -> [ServerAddress])?
  private var preferredServers: [ServerAddress] = []
  /// Whether the C library reads the same resolv.conf.
  let isSystem: Bool
  /// Since when looks are counted, nanoseconds, and how many there were.
  private var looks: (since: UInt64, count: Int) = (0, 0)
  /// Grows with each change; workers compare it to know when to read anew, too.
  private(set) var generation: UInt32 = 0

  init(_ settings: HostDNSSettings) {
    #if canImport(Glibc)
      let order: HostsOrder? = nil
    #else
      let order: HostsOrder? = .system
    #endif
    var preferred: (() -> [ServerAddress])?
    #if os(macOS)
      if settings.forwardsAll { preferred = ServiceOrder.servers }
    #endif
    self.init(
      resolvConf: settings.resolvConf, fallback: settings.fallback, order: order,
      preferred: preferred)
  }

  /// - Parameters:
  ///   - order: instead of nsswitch.conf.
  ///   - preferred: asked for the servers that go before those of the file.
  init(
    resolvConf path: String, fallback: [ServerAddress], order fixed: HostsOrder?,
    preferred: (() -> [ServerAddress])? = nil
  ) {
    resolvConf = FollowedFile(
      path: path, limit: ResolvConf.maximumLength, parse: ResolvConf.servers)
    hosts = FollowedFile(
      path: "/etc/hosts", limit: HostsFile.maximumLength, parse: HostsFile.init(parsing:))
    order = FollowedFile(path: "/etc/nsswitch.conf", limit: 64 << 10) {
      fixed ?? HostsOrder(parsing: $0)
    }
    self.fallback = fallback
    self.preferred = preferred
    isSystem = path == HostDNSSettings.systemResolvConf
  }

  /// Looks in a millisecond. Questions that come one by one each have theirs; for each question of
  /// a flood, three stats would be a seventh of its cost.
  private static let looksPerMillisecond = 4

  /// Looks whether one of them changed; true when it did, or with `force`.
  /// - Parameter now: monotonic nanoseconds.
  mutating func refresh(force: Bool, now: UInt64) -> Bool {
    if now &- looks.since >= 1_000_000 { looks = (now, 0) }
    looks.count += 1
    guard force || looks.count <= Self.looksPerMillisecond else { return false }
    var changed = resolvConf.refresh(force: force)
    changed = hosts.refresh(force: force) || changed
    changed = order.refresh(force: force) || changed
    if changed {
      generation &+= 1
      preferredServers = preferred?() ?? []
    }
    return changed
  }

  /// The host's nameservers, or those for hosts without any.
  var servers: [ServerAddress] {
    if !preferredServers.isEmpty { return preferredServers }
    return resolvConf.content.isEmpty ? fallback : resolvConf.content
  }

  /// The host names no server itself.
  var isWithoutServers: Bool { preferredServers.isEmpty && resolvConf.content.isEmpty }

  func route(_ name: DNSName) -> HostsOrder.Route {
    order.content.route(name, isInFile: hosts.content.mayContain(name))
  }

  /// The name that the hosts file has for a reverse name's address.
  func hostsName(ofReverse name: DNSName) -> DNSName? {
    name.reverseAddress.flatMap { hosts.content.name(of: $0) }
  }
}
