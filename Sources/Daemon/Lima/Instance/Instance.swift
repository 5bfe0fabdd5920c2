// SPDX-License-Identifier: Apache-2.0
//
// Instance: one instance of Lima that is up: holds its networks, has its forwards and names, follows its address.
// What it added to a network it takes away again, and nothing else.
// Loop thread.

import HostProtocol
import Platform

final class Instance {
  let plan: InstancePlan
  let file: String
  /// Never 0.
  let sshLocalPort: Int
  var since: String

  private let wanted: [StaticForward]
  /// The network of eth0, by which the guest is reached.
  private let network: () -> Network?
  private let others: () -> [Network]
  var lease: LeaseReport?
  /// The guest's IPv6 address: for its names.
  var address6: String?
  var name6: String?
  /// The network was told which forwards there are to be.
  var hasForwards = false
  private var ended = false
  /// Networks that it holds before it has begun.
  private var prepared: [Network] = []
  /// Its name on its networks but the first, whose names have more.
  private var reserved: [ReservedName] = []

  /// - Parameters:
  ///   - before: what the instance was until now.
  ///   - find: a network by name, as the configuration has it at the time.
  init(
    plan: InstancePlan, file: String, sshLocalPort: Int, before: Instance? = nil,
    find: @escaping (String) -> Network?
  ) {
    self.plan = plan
    self.file = file
    self.sshLocalPort = sshLocalPort
    since = before?.since ?? WallClock.timestamp()
    let names = plan.interfaces.compactMap(\.network)
    network = { names.first.flatMap(find) }
    others = { names.dropFirst().compactMap(find) }
    wanted =
      [
        StaticForward(
          protocol: "tcp", host: "127.0.0.1:\(sshLocalPort)", guestIP: nil, guestPort: 22)
      ] + plan.statics
    if let before, before.plan.interfaces.first == plan.interfaces.first {
      (lease, address6, name6) = (before.lease, before.address6, before.name6)
    }
  }

  var name: String { plan.identity.name }
  private var key: String { "instance \(name)" }
  var address: String? { lease?.address }

  /// Has the networks run before the instance begins: they stay until `unprepare`, whatever comes of this.
  func prepare() async throws(ErrorReport) {
    let networks = [network()].compactMap { $0 } + others()
    prepared = networks
    try await run(networks, for: key + ", coming up")
  }

  func unprepare() {
    for network in prepared {
      network.demand.holders.remove(key + ", coming up")
      network.considerStopping()
    }
    prepared = []
  }

  /// Starts the networks.
  /// - Throws: why one of them cannot run.
  func begin() async throws(ErrorReport) {
    guard let primary = network() else { throw ErrorReport(.notFound, absence) }
    primary.setResolver(plan.resolver, of: key)
    try await run([primary] + others(), for: key)
    follow()
  }

  /// All are started at once; the first that cannot run is told when each of them does or cannot.
  private func run(_ networks: [Network], for holder: String) async throws(ErrorReport) {
    let starts = networks.map { network in
      network.demand.holders.insert(holder)
      return network.whenRunning()
    }
    var failure: ErrorReport?
    for start in starts {
      do throws(ErrorReport) { _ = try await start.value() } catch { failure = failure ?? error }
    }
    if let failure { throw failure }
  }

  private func follow() {
    guard !ended, let network = network() else { return }
    network.names.set(names(of: network))
    // First: they have the owners of those that come.
    reserved = []
    reserved = plan.interfaces.dropFirst().compactMap { interface in
      guard interface.network != network.name,
        let other = others().first(where: { $0.name == interface.network })
      else { return nil }
      return ReservedName(
        "\(key), \(interface.mac)", hostname: plan.identity.hostname, mac: interface.mac, on: other)
    }
    network.leases.follow(
      key,
      LeaseObserver(
        isWaiting: { [weak self] in self.map { $0.lease == nil } ?? false },
        onLeases: { [weak self] in self?.took($0) }))
    if lease != nil { open(on: network) } else { announceForwards(on: network) }
  }

  /// Its forwards are listed, though nobody knows where they lead.
  private func announceForwards(on network: Network) {
    network.forwards.announce(
      wanted.map { Forward(protocol: $0.protocol, host: $0.host, guest: nil) }, of: key,
      reason: "instance \(name) has no address yet")
  }

  /// Its network is another one of the same name, to which nothing was told yet.
  func networkCame() {
    hasForwards = false
    lease = nil
    address6 = nil
  }

  /// Forwards, names and the networks themselves are let go of. Idempotent.
  /// - Parameter next: takes over what it wants as well.
  func end(inFavourOf next: Instance? = nil) {
    guard !ended else { return }
    ended = true
    reserved = []
    let kept = next?.plan.interfaces.compactMap(\.network) ?? []
    if let network = network() {
      network.leases.follow(key, nil)
      network.forwards.announce([], of: key, reason: "")
      if kept.first != network.name {
        network.names.set(NameSet(owner: key))
        network.setResolver(nil, of: key)
        network.forwards.set([], of: key)
      } else if let next, next.lease == nil {
        // Its forwards wait for an address, and none of them leads anywhere meanwhile.
        network.forwards.set([], of: key)
      }
    }
    for network in [network()].compactMap({ $0 }) + others() where !kept.contains(network.name) {
      network.demand.holders.remove(key)
      network.considerStopping()
    }
  }

  // MARK: The guest's address

  private func took(_ leases: [LeaseReport]) {
    guard !ended, let network = network() else { return }
    let mac = plan.interfaces[0].mac
    let own = leases.filter { $0.mac?.lowercased() == mac && !$0.isAbsent }
    // Of IPv6 addresses the first is the lasting one.
    let found = own.first { !$0.isIPv6 }
    let found6 = own.first { $0.isIPv6 }?.address
    let isSame6 = address6 == found6
    address6 = found6
    name6 = own.first { $0.isIPv6 }?.name
    let before = lease
    lease = found
    let isSame = before?.address == found?.address && before?.name == found?.name
    if !isSame || !isSame6 { network.names.set(names(of: network)) }
    // A lease that ended leaves the forwards: the guest gets the same address again.
    let leadsTo6 = wanted.contains { forward in targetOf6(forward) }
    if found != nil || found6 != nil, !isSame || !hasForwards || !isSame6 && leadsTo6 {
      open(on: network)
    }
  }

  private func names(of network: Network) -> NameSet {
    var hosts = plan.hosts.mapValues { [$0] }
    // Without an address they are kept from other guests, who choose their names.
    func own(_ name: String) {
      let own = [address, address6].compactMap { $0 }
      hosts[name] = own.isEmpty ? hosts[name] ?? [] : own
    }
    own("\(plan.identity.hostname).internal")
    // On an isolated network all guests have one address: Lima's own name for it there.
    if network.wanted.settings.mode != InstancePlan.replacingMode { own(plan.identity.hostname) }
    return NameSet(owner: key, hosts: hosts)
  }

  // MARK: Forwards

  private func open(on network: Network) {
    guard lease != nil || address6 != nil else { return }
    hasForwards = true
    network.forwards.announce([], of: key, reason: "")
    var seen: Set<Forward> = []
    network.forwards.set(
      wanted.compactMap { forward(for: $0, on: network) }.filter {
        seen.insert($0).inserted
      },
      of: key)
  }

  /// Whether a forward follows the guest's IPv6 address: it asks for one, or there is no other.
  private func targetOf6(_ wanted: StaticForward) -> Bool {
    wanted.guestIP == nil && (wanted.wantsIPv6 && address6 != nil || lease == nil)
  }

  /// Guests of an isolated network share one address: a forward names its guest. Nil: the guest has no address yet.
  private func forward(for wanted: StaticForward, on network: Network) -> Forward? {
    let own = targetOf6(wanted) ? address6 : lease?.address
    guard lease != nil || address6 != nil else { return nil }
    let guest = (wanted.guestIP ?? own).flatMap { ForwardIP($0) }?.with(port: wanted.guestPort)
    return guest.map {
      Forward(
        protocol: wanted.protocol, host: wanted.host, guest: $0,
        guestName: network.isIsolated ? lease?.name ?? name6 ?? "" : "")
    }
  }

  /// As the network has them.
  var forwards: [InstanceForward] {
    let network = network()
    let listed = network?.forwards.listed(of: key) ?? []
    var seen: Set<StaticForward> = []
    return wanted.filter { seen.insert($0).inserted }.map { wanted in
      let asked = network.flatMap { forward(for: wanted, on: $0) }
      var result = InstanceForward(
        protocol: wanted.protocol, host: wanted.host, guest: asked?.guest, state: .waiting)
      let same = listed.filter {
        $0.protocol == wanted.protocol && $0.host == wanted.host
          && (asked == nil || $0.guest == asked?.guest)
      }
      if let found = same.first {
        result.guest = found.guest
        result.state = found.state ?? .waiting
        result.reason = found.reason
        result.error = found.error
      } else if network == nil {
        result.reason = absence
      } else if hasForwards {
        result.state = .failed
        result.reason = "it was removed: `lima-netd instance up` opens it again"
      } else {
        result.reason = "the guest has no address yet"
      }
      return result
    }
  }

  /// Why it has no network; it is there again as soon as networks.yaml has it.
  private var absence: String {
    "there is no network \(plan.interfaces.first?.network ?? "") in networks.yaml"
  }

  // MARK: Report

  /// Where it listens, or wants to, with what asks for it.
  var listeners: [InstanceListener] {
    wanted.enumerated().map { index, forward in
      InstanceListener(
        instance: name, what: index == 0 ? "ssh.localPort" : "portForwards",
        key: ForwardKey(protocol: forward.protocol, host: forward.host),
        target: "\(forward.guestIP ?? ""):\(forward.guestPort)")
    }
  }

  /// - Parameter others: what other instances listen at.
  func report(mode: (String) -> String?, others: [InstanceListener] = []) -> InstanceReport {
    InstanceReport(
      name: name, directory: plan.identity.directory, file: file, vmType: plan.vmType,
      arch: plan.arch, hostname: plan.identity.hostname, address: address,
      sshLocalPort: sshLocalPort,
      interfaces: plan.interfaces.map { InterfaceReport($0, mode: $0.network.flatMap(mode)) },
      nameservers: plan.nameservers, forwards: forwards,
      names: network().map { names(of: $0).hosts.filter { !$0.value.isEmpty } } ?? [:],
      warnings: plan.warnings
        + [network() == nil ? absence : network()?.resolverWarning(of: key)].compactMap { $0 }
        + InstanceListener.conflicts(listeners, others),
      since: since)
  }
}
