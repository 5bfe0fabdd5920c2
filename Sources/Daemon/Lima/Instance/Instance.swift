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
  let since = WallClock.timestamp()
  private(set) var forwards: [InstanceForward]

  private let wanted: [StaticForward]
  /// The network of eth0, by which the guest is reached.
  private let network: () -> Network?
  private let others: () -> [Network]
  private var lease: LeaseReport?
  private var ended = false

  /// - Parameter find: a network by name, as the configuration has it at the time.
  init(
    plan: InstancePlan, file: String, sshLocalPort: Int, find: @escaping (String) -> Network?
  ) {
    self.plan = plan
    self.file = file
    self.sshLocalPort = sshLocalPort
    let names = plan.interfaces.compactMap(\.network)
    network = { names.first.flatMap(find) }
    others = { names.dropFirst().compactMap(find) }
    wanted =
      [
        StaticForward(
          protocol: "tcp", host: "127.0.0.1:\(sshLocalPort)", guestIP: nil, guestPort: 22)
      ] + plan.statics
    forwards = wanted.map {
      InstanceForward(protocol: $0.protocol, host: $0.host, guest: nil, state: .waiting)
    }
  }

  var name: String { plan.identity.name }
  private var key: String { "instance \(name)" }
  var address: String? { lease?.address }

  /// Starts the networks, and tells when they run or why one cannot.
  func begin(_ answer: @escaping (Result<Void, ErrorReport>) -> Void) {
    guard let primary = network() else {
      return answer(
        .failure(
          ErrorReport(
            code: HostError.Code.notFound.rawValue,
            message: "there is no network `\(plan.interfaces[0].network ?? "")`")))
    }
    primary.setResolver(plan.resolver, of: key)
    let networks = [primary] + others()
    var left = networks.count
    var failure: ErrorReport?
    for network in networks {
      network.holders.insert(key)
      network.whenRunning { [self] result in
        if case .failure(let error) = result { failure = failure ?? error }
        left -= 1
        guard left == 0 else { return }
        if let failure { return answer(.failure(failure)) }
        follow()
        answer(.success(()))
      }
    }
  }

  private func follow() {
    guard !ended, let network = network() else { return }
    network.setNames(names(of: network))
    network.leaseObservers[key] = LeaseObserver(
      isWaiting: { [weak self] in self.map { $0.lease == nil } ?? false },
      onLeases: { [weak self] in self?.took($0) })
    network.watchLeases()
  }

  /// Forwards, names and the networks themselves are let go of. Idempotent.
  func end() {
    guard !ended else { return }
    ended = true
    if let network = network() {
      network.leaseObservers[key] = nil
      network.setNames(NameSet(owner: key))
      network.setResolver(nil, of: key)
      network.dropWaiting(of: key)
      for forward in forwards where forward.state == .open { remove(forward, from: network) }
    }
    for network in [network()].compactMap({ $0 }) + others() {
      network.holders.remove(key)
      network.considerStopping()
    }
  }

  // MARK: The guest's address

  private func took(_ leases: [LeaseReport]) {
    guard !ended, let network = network() else { return }
    let mac = plan.interfaces[0].mac
    let found = leases.first { $0.mac?.lowercased() == mac && !$0.isAbsent }
    let before = lease
    lease = found
    if before?.address != found?.address || before?.name != found?.name {
      network.setNames(names(of: network))
      // A lease that ended leaves the forwards: the guest gets the same address again.
      if found != nil { open(on: network) }
    } else if found != nil, forwards.contains(where: { $0.state == .waiting }) {
      open(on: network)
    }
  }

  private func names(of network: Network) -> NameSet {
    var hosts = plan.hosts.mapValues { [$0] }
    // Without an address they are kept from other guests, who choose their names.
    func own(_ name: String) {
      if let address { hosts[name] = [address] } else { hosts[name] = hosts[name] ?? [] }
    }
    own("\(plan.identity.hostname).internal")
    // On an isolated network all guests have one address: Lima's own name for it there.
    if network.wanted.settings.mode != InstancePlan.replacingMode { own(plan.identity.hostname) }
    return NameSet(owner: key, hosts: hosts)
  }

  // MARK: Forwards

  private func open(on network: Network) {
    guard let lease else { return }
    for index in wanted.indices {
      let guest = ForwardIP(wanted[index].guestIP ?? lease.address)?
        .with(port: wanted[index].guestPort)
      guard let guest,
        forwards[index].guest != guest || forwards[index].state != .open
          || isIsolated(network)
      else { continue }
      switch forwards[index].state {
      case .open: remove(forwards[index], from: network)
      case .failed:
        network.dropWaiting(
          of: key,
          ExposedKey(protocol: forwards[index].protocol, host: forwards[index].host))
      case .waiting: break
      }
      forwards[index].guest = guest
      add(index, to: network, guestName: isIsolated(network) ? lease.name ?? "" : "")
    }
  }

  /// Guests of an isolated network share one address: a forward names its guest.
  private func isIsolated(_ network: Network) -> Bool {
    network.active?.plugin.plugin.isolated ?? false
  }

  private func add(_ index: Int, to network: Network, guestName: String) {
    let forward = Forward(
      protocol: forwards[index].protocol, host: forwards[index].host, guest: forwards[index].guest,
      guestName: guestName)
    // Open until the answer says otherwise: a second lease report must not add it again.
    forwards[index].state = .open
    forwards[index].error = nil
    network.keepForward(forward, owner: key) { [weak self, weak network] error in
      guard let self else { return }
      // Whatever came meanwhile is about another address of the guest.
      guard forwards[index].guest == forward.guest || ended else { return }
      forwards[index].state = error == nil ? .open : .failed
      forwards[index].error = error
      guard ended, let network else { return }
      network.dropWaiting(of: key)
      if error == nil { remove(forwards[index], from: network) }
    }
  }

  private func remove(_ forward: InstanceForward, from network: Network) {
    network.removeForward(
      Forward(protocol: forward.protocol, host: forward.host, guest: nil)
    ) { _ in }
  }

  // MARK: Report

  /// Where it listens, or wants to, with what asks for it.
  var listeners: [InstanceListener] {
    wanted.enumerated().map { index, forward in
      InstanceListener(
        instance: name, what: index == 0 ? "ssh.localPort" : "portForwards",
        key: ExposedKey(protocol: forward.protocol, host: forward.host))
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
      warnings: plan.warnings + [network()?.resolverWarning(of: key)].compactMap { $0 }
        + InstanceListener.conflicts(listeners, others),
      since: since)
  }
}
