// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import Platform

/// The files that say how the host finds names: resolv.conf(5), hosts(5), nsswitch.conf(5).
/// Loop thread.
final class HostFiles {
  /// Who is asked.
  enum Source: Equatable {
    /// The servers of resolv.conf.
    case file
    /// Servers that the system puts before those.
    case preferred
    /// The plugin's option, since the file names none.
    case fallback
    /// This machine, as the C library does (resolv.conf(5)).
    case thisMachine
    case nobody
  }

  private var resolvConf: FollowedFile<ResolvConf>
  private let hosts: FollowedHosts
  private var order: FollowedFile<HostsOrder>
  /// nil: as the C library does.
  private let fallback: [ServerAddress]?
  /// Servers that go before those of resolv.conf; read again whenever a file changed.
  private let preferred: (() -> [ServerAddress])?
  private var preferredServers: [ServerAddress] = []
  /// Whether the C library reads the same resolv.conf.
  let isSystem: Bool
  /// Since when looks are counted, nanoseconds, and how many there were.
  private var looks: (since: UInt64, count: Int) = (0, 0)
  /// Grows with each change; workers compare it to know when to read anew, too.
  private(set) var generation: UInt32 = 0

  convenience init(_ settings: HostDNSSettings) {
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
    resolvConf path: String, hosts: String = "/etc/hosts", fallback: [ServerAddress]?,
    order fixed: HostsOrder?, preferred: (() -> [ServerAddress])? = nil
  ) {
    resolvConf = FollowedFile(
      path: path, limit: ResolvConf.maximumLength, parse: ResolvConf.init(parsing:))
    self.hosts = FollowedHosts(path: hosts)
    order = FollowedFile(path: "/etc/nsswitch.conf", limit: 64 << 10) {
      fixed ?? HostsOrder(parsing: $0)
    }
    self.fallback = fallback
    self.preferred = preferred
    isSystem = path == HostDNSSettings.systemResolvConf
  }

  /// Has long files read on a thread, which calls `notify` when `finish` has something to take.
  func readInBackground(notify: @escaping @Sendable () -> Void) {
    hosts.readInBackground(notify: notify)
  }

  /// Takes what was read on the thread; true when it is new.
  func finish() -> Bool { hosts.finish() }

  func stop(within milliseconds: Int) { hosts.stop(within: milliseconds) }

  /// Looks in a millisecond. Questions that come one by one each have theirs; for each question of
  /// a flood, three stats would be a seventh of its cost.
  private static let looksPerMillisecond = 4

  /// Looks whether one of them changed; true when it did, or with `force`.
  /// - Parameter now: monotonic nanoseconds.
  func refresh(force: Bool, now: UInt64) -> Bool {
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

  // MARK: Nameservers

  var source: Source {
    if !preferredServers.isEmpty { return .preferred }
    if !resolvConf.content.servers.isEmpty { return .file }
    guard let fallback else { return .thisMachine }
    return fallback.isEmpty ? .nobody : .fallback
  }

  /// The host's nameservers, or those for hosts without any.
  var servers: [ServerAddress] {
    switch source {
    case .file: resolvConf.content.servers
    case .preferred: preferredServers
    case .fallback: fallback ?? []
    case .thisMachine: [ServerAddress(address: .v4(0x7F00_0001))]
    case .nobody: []
    }
  }

  var options: ResolvConf.Options { resolvConf.content.options }

  // MARK: Names

  func find(_ name: DNSName) -> HostsFile.Finding {
    order.content.usesFile ? hosts.content.find(name) : .missing
  }

  /// - Parameter isInFile: what `find` says; a name that may be there is a matter of the system.
  func route(_ name: DNSName, _ finding: HostsFile.Finding) -> HostsOrder.Route {
    let isInFile =
      switch finding {
      case .missing, .above: false
      case .addresses, .unknown: true
      }
    let route = order.content.route(name, isInFile: isInFile, own: ownName)
    guard finding == .unknown else { return route }
    return route == .file ? .system : route == .dnsThenFile ? .dnsThenSystem : route
  }

  /// Whether the host knows names below this one by itself.
  func isAbove(_ name: DNSName, _ finding: HostsFile.Finding) -> Bool {
    if finding == .above { return true }
    return ownName.map { $0 != name && $0.isWithin(name) } ?? false
  }

  private var ownName: DNSName? {
    order.content.knowsOwnName ? HostDNSSyscalls.hostName.flatMap { DNSName($0) } : nil
  }

  /// The name that the hosts file has for a reverse name's address.
  func hostsName(ofReverse name: DNSName) -> DNSName? {
    guard order.content.usesFile else { return nil }
    return name.reverseAddress.flatMap { hosts.content.name(of: $0) }
  }
}
