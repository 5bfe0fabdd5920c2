// SPDX-License-Identifier: Apache-2.0
//
// Starting a network: the plugins are loaded and made, DNS first, because the network plugin uses it.

import HostProtocol
import Platform
import PluginAPI

extension NetworkProcess {
  /// Replies to `request` when the network runs, or cannot start.
  /// - Parameter tap: of `spec.tap`. Takes ownership of both descriptors.
  func start(_ spec: NetworkSpec, journal: Int32?, tap: Int32?, request: UInt64) throws(HostError) {
    var tap = tap
    defer { if let tap { Descriptor.close(tap) } }
    let memory = try mapJournal(journal)
    if let confined = spec.confinement { confinement.boundFiles(confined) }
    let loaded = try load(spec.plugin, LND_KIND_NETWORK)
    guard case .network(let ops) = loaded.descriptor.operations else {
      throw HostError(.internal, "\(spec.plugin.file) is no network plugin")
    }
    networkName = spec.name
    stateDirectory = spec.stateDirectory
    try leaveFiles(spec)
    isStarting = true
    let given = tap
    tap = nil
    let goOn = { [unowned self] (dnsPlugin: DNSPlugin?) in
      self.dnsPlugin = dnsPlugin
      startNetwork(spec, loaded, ops, memory, tap: given, request: request)
    }
    guard let reference = spec.dns else { return goOn(nil) }
    let dns = DNSSpec(plugin: reference, options: spec.dnsOptions, behind: spec.dnsBehind)
    startDNS(dns) { [unowned self] result in
      switch result {
      case .success(let plugin): goOn(plugin)
      case .failure(let error):
        if let given { Descriptor.close(given) }
        startFailed(request, error)
      }
    }
  }

  /// The second half, after its DNS has started. Takes ownership of `tap`.
  private func startNetwork(
    _ spec: NetworkSpec, _ loaded: LoadedPlugin, _ ops: lnd_network_ops,
    _ journal: UnsafeMutableRawPointer?, tap: Int32?, request: UInt64
  ) {
    let plugin = NetworkPlugin(loaded, ops, log: log, reactor: reactor)
    plugin.services = self
    plugin.bridge.onReport = { [weak self] in self?.tellReport(loaded, $0, $1) }
    network = plugin
    dns = DNSService(
      plugin: dnsPlugin,
      answerPlugin: { [unowned plugin, unowned self] in
        questions?.forget($0)
        plugin.complete($0, $1, $2)
      },
      answerRequest: { [weak self] in self?.control.reply($0, $1) })
    dns?.broker.policy = spec.dnsPolicy
    let ports = GuestPorts(
      plugin: plugin, reactor: reactor, log: log, journal: journal,
      isHolding: spec.holdsGuests ?? false,
      emit: { [weak self] in self?.control.emit($0) })
    self.ports = ports
    if let journal {
      let questions = QuestionJournal(memory: journal + JournalLayout.questions)
      questionsLeft = questions.takeLeft()
      self.questions = questions
      ports.onJoined = { [unowned self] in askAgain($0) }
    }
    ports.setLimits(spec.limits ?? LinkLimits())
    ports.onTapLost = { [weak self] name in
      self?.giveUp(HostError(.system, "the interface \(name) was taken away"))
    }
    dns?.together = { [memory = ports.memory] in memory.together($0) }
    do throws(HostError) {
      do throws(HostError) {
        if spec.hasCards { try ports.serveCards() }
      } catch {
        if let tap { Descriptor.close(tap) }
        throw error
      }
      try plugin.beginStart(spec, tap: tap)
      plugin.learningSwitch?.secure(spec.portSecurity)
    } catch {
      return startFailed(request, error)
    }
    whenStarted(plugin.bridge) { [unowned self] result in
      do throws(HostError) {
        try result.get()
        try plugin.finishStart()
      } catch {
        return startFailed(request, error)
      }
      finishConfinement(spec.confinement)
      if confinement.isStrict, !confinement.status.systemCalls {
        let why = confinement.status.missing.joined(separator: "; ")
        return startFailed(
          request, HostError(.unsupported, "`sandbox: strict` cannot be had: \(why)"))
      }
      log.info(
        "host",
        "network \(spec.name) runs: \(plugin.plugin.label)"
          + (dnsPlugin.map { ", DNS by \($0.label)" } ?? ", without a DNS plugin"))
      runs()
      control.reply(request, .ok)
    }
  }

  /// A guest's link is here: what it had asked when the process before died.
  private func askAgain(_ port: Port) {
    guard !questionsLeft.isEmpty else { return }
    let now = MonotonicClock.now()
    let mine = questionsLeft.filter { $0.guest == port.id }
    questionsLeft.removeAll { $0.guest == port.id || now &- $0.came > QuestionJournal.longest }
    for question in mine where now &- question.came <= QuestionJournal.longest {
      // A question on which processes crash must not be asked again and again.
      replay = (isRefused: question.deaths > 1, deaths: question.deaths)
      question.bytes.withUnsafeBufferPointer { bytes in
        var frame = question.frame
        frame.data = bytes.baseAddress
        // As of one that was read from its link: behind a switch nothing else tells whose it is.
        frame.source = port.handle
        port.receiver.frames(port.receiver.context, port.handle, &frame, 1)
      }
      replay = nil
    }
    guard !mine.isEmpty else { return }
    log.info(
      "dns",
      "\(mine.count) question\(mine.count == 1 ? "" : "s") of guest \(port.id) that the process before died over: asked again"
    )
  }

  /// Nothing runs: the process has no use any more.
  func startFailed(_ request: UInt64, _ error: HostError) {
    control.reply(request, .failed(error))
    guard phase == .idle else { return }
    log.error("host", error.description)
    exitStatus = 1
    stop()
  }

  /// Called after the plugins have started.
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

  /// Serves DNS without a network. Takes ownership of both sockets and the journal. Replies when it serves, or cannot.
  func serveDNS(
    _ spec: DNSServerSpec, udp: Int32, tcp: Int32, journal: Int32?, request: UInt64
  ) throws(HostError) {
    networkName = spec.name
    let memory = try mapJournal(journal)
    let server = try DNSServer(
      udp: udp, tcp: tcp,
      journal: memory.map { QuestionJournal(memory: $0 + JournalLayout.questions) },
      reactor: reactor)
    self.server = server
    if let confined = spec.confinement { confinement.boundFiles(confined) }
    isStarting = true
    startDNS(spec.dns) { [unowned self] result in
      switch result {
      case .success(let plugin): serveDNS(spec, by: plugin, server, request: request)
      case .failure(let error): startFailed(request, error)
      }
    }
  }

  private func serveDNS(
    _ spec: DNSServerSpec, by plugin: DNSPlugin, _ server: DNSServer, request: UInt64
  ) {
    dnsPlugin = plugin
    let dns = DNSService(
      plugin: plugin,
      answerPlugin: { [unowned server] operation, status, bytes in
        server.answered(operation, status == LND_OK ? bytes : nil)
      },
      answerRequest: { [weak self] in self?.control.reply($0, $1) })
    dns.broker.policy = spec.dns.policy
    self.dns = dns
    server.ask = { [unowned dns] in
      dns.pluginAsks(
        $0, $1, deadline: 0, from: DNSQuestioner(), by: .client($2), refuses: $3)
    }
    server.forget = { [unowned dns] in dns.pluginCancels($0) }
    finishConfinement(spec.confinement)
    log.info("host", "DNS \(spec.name) is served: \(plugin.label)")
    runs()
    control.reply(request, .ok)
    let count = server.askAgain()
    guard count > 0 else { return }
    log.info(
      "dns",
      "\(count) question\(count == 1 ? "" : "s") that the process before died over: asked again")
  }

  /// Records that the network has started.
  func runs() {
    phase = .running
    reactor.schedule(.startIsOver, at: MonotonicClock.now() &+ RestingMemory.delay)
  }

  /// Mapped until the process ends; the fd is no longer needed.
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

extension DNSPlugin {
  /// This plugin and those behind it, for the log.
  var label: String { chain.map(\.plugin.label).joined(separator: ", then ") }
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
