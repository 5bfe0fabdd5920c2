// SPDX-License-Identifier: Apache-2.0
//
// The DNS plugin of a running network, and its replacement by another: the new one is loaded, made and started while
// the old one still answers, so that a failure changes nothing. Queries under way at the old one are asked again;
// then it is stopped and destroyed. Its file stays mapped, as every plugin's does. Thread: loop only.

import HostProtocol
import Platform
import PluginAPI

extension NetworkProcess {
  /// A change that waits for the hash of its plugin's file.
  struct DNSChange {
    var request: UInt64
    var spec: DNSSpec
  }

  /// Begins to replace the DNS plugin or its options: a worker thread hashes its file first. The reply follows.
  func beginDNSChange(_ change: DNSChange) throws(HostError) {
    // The file is out of reach; what is loaded has the hash that it was loaded with.
    if hasLeftFiles { return setDNS(change, .success(change.spec.plugin.sha256)) }
    guard hashing.begin(change.spec.plugin.file, for: change) else {
      throw HostError(.busy, "many changes of the network's DNS are under way")
    }
  }

  /// At the end of an iteration: continues the changes whose file was hashed, in order.
  func finishDNSChanges() {
    for (change, hash) in hashing.take() { setDNS(change, hash) }
  }

  /// Replaces the DNS plugin. The reply reports success, or why the previous one stays.
  private func setDNS(_ change: DNSChange, _ hash: Result<String, SystemError>) {
    let spec = change.spec
    let fail = { [unowned self] (error: HostError) in
      let stays = dnsPlugin.map { "\($0.plugin.descriptor.name) stays" } ?? "there is none"
      log.error("host", "the network's DNS is not changed, \(stays): \(error)")
      control.reply(change.request, .failed(error))
    }
    guard phase == .running else {
      return fail(HostError(.notFound, "the network does not run any more"))
    }
    if let path = confinement.firstOutOfReach(of: spec.readable ?? []) {
      return fail(
        HostError(
          .unsupported,
          "the network's process is confined and may not read \(path) any more: "
            + "lima-netd network restart \(networkName), which ends its connections",
          plugin: spec.plugin.name))
    }
    startDNS(spec, hash) { [unowned self] result in
      switch result {
      case .failure(let error): fail(error)
      case .success(let plugin):
        guard phase == .running else {
          for plugin in plugin.chain { plugin.bridge.destroy() }
          return fail(HostError(.notFound, "the network does not run any more"))
        }
        let before = dnsPlugin
        dnsPlugin = plugin
        dns?.replacePlugin(plugin, policy: spec.policy)
        log.info("host", "DNS by \(plugin.label) from now on")
        if let before { retire(before) }
        control.reply(change.request, .ok)
      }
    }
  }

  /// Loads, makes and starts a chain of DNS plugins, the last of the chain first. After a failure none of them is
  /// left.
  /// - Parameters:
  ///   - hash: of the first one's file, if known; as for `load`.
  ///   - then: called once with the first, perhaps before this returns.
  func startDNS(
    _ spec: DNSSpec, _ hash: Result<String, SystemError>? = nil,
    _ then: @escaping (Result<DNSPlugin, HostError>) -> Void
  ) {
    var front: DNSPlugin?
    do throws(HostError) {
      let stages = [DNSStage(plugin: spec.plugin, options: spec.options)] + (spec.behind ?? [])
      for (index, stage) in stages.enumerated().reversed() {
        let made = try makeDNS(
          stage, number: stages[..<index].count { $0.plugin.name == stage.plugin.name },
          behind: front, hash: index == 0 ? hash : nil)
        front = made
      }
    } catch {
      for plugin in front?.chain ?? [] { plugin.bridge.destroy() }
      return then(.failure(error))
    }
    guard let front else { return }
    let chain = front.chain
    for plugin in chain { plugin.bridge.beginStart() }
    var left = chain.count
    var failure: HostError?
    for plugin in chain {
      whenStarted(plugin.bridge) { result in
        left -= 1
        if case .failure(let error) = result { failure = failure ?? error }
        guard left == 0 else { return }
        guard let failure else { return then(.success(front)) }
        for plugin in chain { plugin.bridge.destroy() }
        then(.failure(failure))
      }
    }
  }

  private func makeDNS(
    _ stage: DNSStage, number: Int, behind next: DNSPlugin?, hash: Result<String, SystemError>?
  ) throws(HostError) -> DNSPlugin {
    let loaded = try load(stage.plugin, LND_KIND_DNS, hash)
    guard case .dns(let ops) = loaded.descriptor.operations else {
      throw HostError(.internal, "\(stage.plugin.file) is no DNS plugin")
    }
    let plugin = DNSPlugin(loaded, ops, next: next, log: log, reactor: reactor)
    plugin.bridge.onReport = { [weak self] in self?.tellReport(loaded, $0, $1) }
    let name = loaded.descriptor.name
    try plugin.bridge.create(
      loaded.descriptor,
      InstanceSettings(
        network: networkName, instance: number == 0 ? name : "\(name).\(number + 1)",
        options: stage.options, stateDirectory: stateDirectory))
    return plugin
  }

  func load(
    _ reference: PluginRef, _ kind: String, _ hash: Result<String, SystemError>? = nil
  ) throws(HostError) -> LoadedPlugin {
    if let known = try loadedBefore(reference, kind) { return known }
    do throws(LoadError) {
      // No pre-flight here: it waits for a child process, up to 10 s, and guests are being served. The supervisor has
      // had the file inspected before its request.
      let plugin = try Loader.load(
        reference, kind: kind, executable: phase == .running ? nil : executable, hash: hash)
      // The dynamic linker identifies files by name: it would return the old code.
      if let before = loadedFiles[plugin.file], before != plugin.sha256 {
        throw LoadError(
          .loadFailed,
          "it was replaced after this network loaded it; the new file holds from the network's "
            + "next start on (lima-netd network stop \(networkName))")
      }
      loadedFiles[plugin.file] = plugin.sha256
      return plugin
    } catch {
      throw HostError(
        .invalidConfig, "\(reference.file) cannot be loaded: \(error.detail)",
        plugin: reference.name)
    }
  }

  // MARK: The one before

  /// Retires it and the plugins behind it.
  private func retire(_ plugin: DNSPlugin) {
    for plugin in plugin.chain { retireAlone(plugin) }
  }

  private func retireAlone(_ plugin: DNSPlugin) {
    retirements += 1
    let retirement = DNSRetirement(plugin, number: retirements)
    retiring.append(retirement)
    reactor.schedule(
      .retireDeadline(retirement.number), at: MonotonicClock.now() &+ Self.stopTime)
    retirement.begin()
  }

  /// At the end of an iteration, outside all callbacks: destroys those that have stopped.
  func destroyRetired() {
    guard !retiring.isEmpty else { return }
    for retirement in retiring where retirement.isQuiet { retirement.plugin.bridge.destroy() }
    retiring.removeAll { $0.isQuiet }
  }

  func retireDeadlinePassed(_ number: UInt64) {
    guard let late = retiring.first(where: { $0.number == number }) else { return }
    log.warning(
      "host",
      "DNS plugin \(late.plugin.plugin.descriptor.name) did not stop within "
        + "\(Self.stopTime / 1_000_000_000) s; ending it all the same")
    late.isQuiet = true
  }
}

/// A DNS plugin that gets no more queries and is being stopped.
final class DNSRetirement: DNSPluginOwner {
  let plugin: DNSPlugin
  let number: UInt64
  /// It has stopped, or its time limit has passed.
  var isQuiet = false

  init(_ plugin: DNSPlugin, number: UInt64) {
    self.plugin = plugin
    self.number = number
  }

  func begin() {
    plugin.owner = self
    plugin.bridge.stop()
  }

  func dnsOperationDone(
    _ operation: Operation, _ result: Result<[UInt8], HostError>, isPrivate: Bool
  ) {
    if case .stop = operation { isQuiet = true }
  }

  /// The cache holds another plugin's answers.
  func dnsFlush() {}
}
