// SPDX-License-Identifier: Apache-2.0
//
// The DNS plugin of a running network, and its replacement by another: the new one is loaded,
// made and started while the old one still answers, so that a failure changes nothing. Questions
// that are with the old one are asked again; then it winds down and is destroyed. Its file stays
// mapped, as every file does. Thread: loop only.

import HostProtocol
import Platform
import PluginAPI

extension NetworkProcess {
  /// A change that waits for the hash of its plugin's file.
  struct DNSChange {
    var request: UInt64
    var spec: DNSSpec
  }

  /// Has another plugin, or the same with other options, answer soon: its file is read first, on a thread. The reply comes
  /// then.
  func beginDNSChange(_ change: DNSChange) throws(HostError) {
    guard hashing.begin(change.spec.plugin.file, for: change) else {
      throw HostError(.busy, "many changes of the network's DNS are under way")
    }
  }

  /// At the end of a turn: those whose file was read, in order.
  func finishDNSChanges() {
    for (change, hash) in hashing.take() {
      do throws(HostError) {
        guard phase == .running else {
          throw HostError(.notFound, "the network does not run any more")
        }
        try setDNS(change.spec, hash)
        control.reply(change.request, .ok)
      } catch {
        control.reply(change.request, .failed(error))
      }
    }
  }

  /// Has another plugin answer from now on.
  /// - Throws: why it cannot; the one before goes on.
  private func setDNS(_ spec: DNSSpec, _ hash: Result<String, SystemError>) throws(HostError) {
    let before = dnsPlugin
    let plugin: DNSPlugin
    do throws(HostError) {
      if let path = confinement.firstOutOfReach(of: spec.readable ?? []) {
        throw HostError(
          .unsupported,
          "the network's process is confined and may not read \(path) any more: "
            + "lima-netd network restart \(networkName), which ends its connections",
          plugin: spec.plugin.name)
      }
      plugin = try startDNS(spec, hash)
    } catch {
      let stays = before.map { "\($0.plugin.descriptor.name) stays" } ?? "there is none"
      log.error("host", "the network's DNS is not changed, \(stays): \(error)")
      throw error
    }
    dnsPlugin = plugin
    dns?.replacePlugin(plugin, policy: spec.policy)
    log.info("host", "DNS by \(plugin.plugin.label) from now on")
    if let before { retire(before) }
  }

  /// Loads, makes and starts a DNS plugin. Nothing of it is left when it throws.
  /// - Parameter hash: of its file, where that is known; as for `load`.
  func startDNS(_ spec: DNSSpec, _ hash: Result<String, SystemError>? = nil) throws(HostError)
    -> DNSPlugin
  {
    let loaded = try load(spec.plugin, LND_KIND_DNS, hash)
    guard case .dns(let ops) = loaded.descriptor.operations else {
      throw HostError(.internal, "\(spec.plugin.file) is no DNS plugin")
    }
    let plugin = DNSPlugin(loaded, ops, log: log, reactor: reactor)
    try plugin.start(network: networkName, options: spec.options)
    return plugin
  }

  func load(
    _ reference: PluginRef, _ kind: String, _ hash: Result<String, SystemError>? = nil
  ) throws(HostError) -> LoadedPlugin {
    do throws(LoadError) {
      // A pre-flight takes as long as its child likes, up to 10 s: not while guests are served. The
      // supervisor has had the file inspected before it asked.
      let plugin = try Loader.load(
        reference, kind: kind, executable: phase == .running ? nil : executable, hash: hash)
      // The dynamic linker knows files by their names: it would hand out the old code.
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

  private func retire(_ plugin: DNSPlugin) {
    retirements += 1
    let retirement = DNSRetirement(plugin, number: retirements)
    retiring.append(retirement)
    reactor.schedule(
      .retireDeadline(retirement.number), at: MonotonicClock.now() &+ Self.stopTime)
    retirement.begin()
  }

  /// At the end of a turn, outside of all callbacks: destroys those that have stopped.
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

/// A DNS plugin that is no longer asked and winds down.
final class DNSRetirement: DNSPluginOwner {
  let plugin: DNSPlugin
  let number: UInt64
  /// It has stopped, or its time is over.
  var isQuiet = false

  init(_ plugin: DNSPlugin, number: UInt64) {
    self.plugin = plugin
    self.number = number
  }

  func begin() {
    plugin.owner = self
    plugin.bridge.stop()
  }

  func dnsOperationDone(_ operation: Operation, _ result: Result<[UInt8], HostError>) {
    if case .stop = operation { isQuiet = true }
  }

  /// What is kept is another's.
  func dnsFlush() {}
}
