// SPDX-License-Identifier: Apache-2.0
//
// Starting a network: the plugins are loaded and made, DNS first, so that the
// network plugin finds it ready.

import HostProtocol
import Platform
import PluginAPI

extension NetworkProcess {
  /// - Parameter tap: of `spec.tap`. Both descriptors are taken over.
  func start(_ spec: NetworkSpec, journal: Int32?, tap: Int32? = nil) throws(HostError) {
    var tap = tap
    defer { if let tap { Descriptor.close(tap) } }
    let memory = try mapJournal(journal)
    if let confined = spec.confinement { confinement.boundFiles(confined) }
    let loaded = try load(spec.plugin, LND_KIND_NETWORK)
    guard case .network(let ops) = loaded.descriptor.operations else {
      throw HostError(.internal, "\(spec.plugin.file) is no network plugin")
    }
    networkName = spec.name
    if let reference = spec.dns {
      dnsPlugin = try startDNS(DNSSpec(plugin: reference, options: spec.dnsOptions))
    }
    let plugin = NetworkPlugin(loaded, ops, log: log, reactor: reactor)
    plugin.services = self
    network = plugin
    dns = DNSService(
      plugin: dnsPlugin,
      answerPlugin: { [unowned plugin] in plugin.complete($0, $1, $2) },
      answerRequest: { [weak self] in self?.control.reply($0, $1) })
    dns?.broker.policy = spec.dnsPolicy
    let ports = GuestPorts(
      plugin: plugin, reactor: reactor, log: log, journal: memory,
      emit: { [weak self] in self?.control.emit($0) })
    self.ports = ports
    if spec.hasCards { try ports.serveCards() }
    ports.onTapLost = { [weak self] name in
      self?.giveUp(HostError(.system, "the interface \(name) was taken away"))
    }
    dns?.together = { [memory = ports.memory] in memory.together($0) }
    let given = tap
    tap = nil
    try plugin.start(spec, tap: given)
    finishConfinement(spec.confinement)
    log.info(
      "host",
      "network \(spec.name) runs: \(plugin.plugin.label)"
        + (dnsPlugin.map { ", DNS by \($0.plugin.label)" } ?? ", without a DNS plugin"))
  }

  /// The plugins have started.
  private func finishConfinement(_ spec: ConfinementSpec?) {
    guard spec != nil else {
      return log.warning("host", "not confined: `sandbox: off`")
    }
    confinement.boundSystemCalls()
    log.info("host", "confined: \(confinement.description)")
    for sentence in confinement.status.missing {
      log.warning("host", "not confined in full: \(sentence)")
    }
  }

  /// Serves DNS without a network. Takes over both sockets.
  func serveDNS(_ spec: DNSServerSpec, udp: Int32, tcp: Int32) throws(HostError) {
    networkName = spec.name
    let server = try DNSServer(udp: udp, tcp: tcp, reactor: reactor)
    self.server = server
    if let confined = spec.confinement { confinement.boundFiles(confined) }
    let plugin = try startDNS(spec.dns)
    dnsPlugin = plugin
    let dns = DNSService(
      plugin: plugin,
      answerPlugin: { [unowned server] operation, status, bytes in
        server.answered(operation, status == LND_OK ? bytes : nil)
      },
      answerRequest: { [weak self] in self?.control.reply($0, $1) })
    dns.broker.policy = spec.dns.policy
    self.dns = dns
    server.ask = { [unowned dns] in dns.pluginAsks($0, $1, deadline: 0, by: .client($2)) }
    server.forget = { [unowned dns] in dns.pluginCancels($0) }
    finishConfinement(spec.confinement)
    log.info("host", "DNS \(spec.name) is served: \(plugin.plugin.label)")
  }

  /// Started.
  func runs() {
    phase = .running
    reactor.schedule(.startIsOver, at: MonotonicClock.now() &+ RestingMemory.delay)
  }

  /// Mapped for the life of the process; the fd is done with.
  private func mapJournal(_ fd: Int32?) throws(HostError) -> UnsafeMutableRawPointer? {
    guard let fd else { return nil }
    defer { Descriptor.close(fd) }
    do throws(SystemError) {
      return try SharedMemory.map(fd, size: JournalLayout.size)
    } catch {
      throw HostError(.system, "the journal: \(error)")
    }
  }
}

extension LoadedPlugin {
  /// "slirp 1.0.0 (/usr/lib/.../liblima-net-slirp.so, sha256 0123456789ab)"
  var label: String {
    "\(descriptor.name) \(module.version) (\(file), sha256 \(sha256.prefix(12)))"
  }

  var status: ModuleStatus {
    ModuleStatus(
      kind: descriptor.kind, name: descriptor.name, file: file, id: module.id,
      version: module.version, sha256: sha256)
  }
}
