// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import Platform

/// The files that configure the host's name resolution: resolv.conf(5), hosts(5), nsswitch.conf(5). Loop thread.
final class HostFiles {
  /// Where the nameservers come from.
  enum Source: Equatable {
    /// The servers of resolv.conf.
    case file
    /// Nameservers that the system prefers to those.
    case preferred
    /// The plugin's option, because the file lists none.
    case fallback
    /// This machine, the C library's default (resolv.conf(5)).
    case thisMachine
    case nobody
  }

  private var resolvConf: FollowedFile<ResolvConf>
  private let hosts: FollowedHosts
  private var order: FollowedFile<HostsOrder>
  /// nil: the C library's default.
  private let fallback: [ServerAddress]?
  /// Nameservers preferred to those of resolv.conf; read again whenever a file has changed.
  private let preferred: (() -> [ServerAddress])?
  private var preferredServers: [ServerAddress] = []
  /// Whether the C library reads the same resolv.conf.
  let isSystem: Bool
  /// Start of the current interval of checks, nanoseconds, and the number of checks in it.
  private var looks: (since: UInt64, count: Int) = (0, 0)
  /// Incremented with each change; workers compare it to know when to read the files again.
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
  ///   - order: replaces nsswitch.conf.
  ///   - preferred: returns nameservers preferred to those of the file.
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

  /// Reads long files on a thread, which calls `notify` when `finish` has a result.
  func readInBackground(notify: @escaping @Sendable () -> Void) {
    hosts.readInBackground(notify: notify)
  }

  /// Takes the thread's result; true when there is a new one.
  func finish() -> Bool { hosts.finish() }

  func stop(within milliseconds: Int) { hosts.stop(within: milliseconds) }

  /// Maximum checks per millisecond. Single queries each cause one; in a flood, three stats for each query would be a
  /// seventh of its cost.
  private static let looksPerMillisecond = 4

  /// Checks whether one of the files has changed; true when it has, or with `force`.
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

  /// The host's nameservers, or the default for hosts without any.
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

  /// - Parameter isInFile: the result of `find`; a name that may be in the file is left to the system.
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

  /// Whether the host knows names below this one from other sources than DNS.
  func isAbove(_ name: DNSName, _ finding: HostsFile.Finding) -> Bool {
    if finding == .above { return true }
    return ownName.map { $0 != name && $0.isWithin(name) } ?? false
  }

  private var ownName: DNSName? {
    order.content.knowsOwnName ? HostDNSSyscalls.hostName.flatMap { DNSName($0) } : nil
  }

  /// The hosts file's name for the address of a reverse name.
  func hostsName(ofReverse name: DNSName) -> DNSName? {
    guard order.content.usesFile else { return nil }
    return name.reverseAddress.flatMap { hosts.content.name(of: $0) }
  }
}
