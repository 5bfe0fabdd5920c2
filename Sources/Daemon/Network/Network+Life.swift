// SPDX-License-Identifier: Apache-2.0
//
// What is done when NetworkLife says so, and what is told it: wishes, the course of a start, the process's death.

import HostProtocol
import Logging
import Platform

extension Network {
  func step(_ event: NetworkEvent<LaunchPlan, HostLink>) {
    let effects = life.step(event, facts)
    core.running = life.state.running
    for effect in effects { perform(effect) }
  }

  private var facts: NetworkFacts {
    NetworkFacts(
      obstacle: obstacle, hasLinks: guests.hasLinks, hasUnixgram: guests.hasUnixgram,
      hasUnixgramAddresses: guests.hasUnixgramAddresses, isHeld: demand.isHeld,
      hasWaiters: !waiting.forProcess.isEmpty, now: MonotonicClock.now(), wallClock: WallClock.now()
    )
  }

  private var obstacle: ErrorReport? {
    if demand.isRetired { return ErrorReport(.notFound, "network \(name) is gone") }
    if listeners.isOpen { return nil }
    return life.state.error ?? core.report(.system, "no sockets")
  }

  private func perform(_ effect: NetworkEffect<HostLink>) {
    switch effect {
    case .prepare(let attempt): prepare(attempt)
    case .serve(let link): serve(link)
    case .end(let link?): end(link)
    case .end(nil): step(.ended(lifetime: 0))
    case .kill(let link): link.kill()
    case .scheduleRetry(let delay): scheduleRetry(after: delay)
    case .cancelRetry: cancel(&timers.retry)
    case .beginGrace: beginGrace()
    case .cancelGrace: cancel(&timers.grace)
    case .complain(let report): log(.error, report.message)
    case .complainOfInterface(let report):
      if uplink.waits(report) { log(.error, report.message) }
    case .announceStop(let reason): log(.info, "stopping: \(reason)")
    case .refuse(let report): flushWaiters(.failure(report))
    case .refuseForStop:
      flushWaiters(.failure(stopReport))
    case .refuseForDeath:
      flushWaiters(.failure(deathReport(lastExit?.reason ?? "", times: life.failedStarts)))
    case .closeForwards: forwards.closeSockets()
    case .watchGuests: for guest in guests.all { watchHangup(guest) }
    case .dismissGuests(let reason):
      dismissGuests(reason)
      guests.forgetUnixgram()
      captures.endAll()
    case .letGo(let isFailure): letGo(isFailure: isFailure)
    case .dropFrames:
      listeners.drainUnixgram()
      watchUnixgramSoon()
    case .watchFrames: listeners.watchUnixgram()
    case .settle: settle()
    case .startIfWanted(let asked):
      guard !demand.isRetired else { return }
      if asked || guests.hasLinks || !waiting.forProcess.isEmpty { start() }
    case .reconsider: considerStopping()
    }
  }

  // MARK: Wishes

  /// Starts the network if it is at rest.
  /// - Returns: kept when it runs, or cannot.
  func whenRunning() -> Promise<HostLink, ErrorReport> {
    let running = Promise<HostLink, ErrorReport>()
    if let link = core.running {
      running.keep(.success(link))
    } else {
      waiting.forProcess.append(running)
      start()
    }
    return running
  }

  /// Idempotent.
  func start() {
    switch state {
    case .stopped, .failed, .restarting: if !demand.isRetired { open() }
    case .starting, .running, .stopping: break
    }
    step(.start)
  }

  /// Guests or holders have come or gone: the grace period begins when nobody is left, and ends when somebody is.
  func considerStopping() { step(.demandChanged) }

  /// Sends the guests away and stops the process.
  func stop(_ reason: String) {
    demand.isPinned = false
    step(.stop(reason: reason))
  }

  /// For who comes just then.
  var stopReport: ErrorReport {
    ErrorReport(.busy, "network \(name) is being stopped (network stop): try again")
  }

  /// - Parameter times: how many of its processes ended so in a row.
  private func deathReport(_ reason: String, times: Int) -> ErrorReport {
    let what =
      times > 1
      ? "its process ended \(Plural.times(times)) while starting, last: "
      : "its process ended while starting: "
    return core.report(.internal, "\(what)\(reason); see \(core.logFile)")
  }

  /// As `stop`.
  /// - Returns: kept when it is at rest.
  func end(_ reason: String) -> Promise<Void, Never> {
    let rest = Promise<Void, Never>()
    waiting.forRest.append(rest)
    stop(reason)
    return rest
  }

  func flushWaiters(_ result: Result<HostLink, ErrorReport>) {
    let waiters = waiting.forProcess
    waiting.forProcess = []
    for waiter in waiters { waiter.keep(result) }
  }

  private func settle() {
    let waiters = waiting.forRest
    waiting.forRest = []
    for waiter in waiters { waiter.keep() }
  }

  // MARK: Timers

  private func cancel(_ timer: inout EventLoop.TimerID?) {
    if let timer { core.loop.cancel(timer) }
    timer = nil
  }

  private func scheduleRetry(after delay: UInt64) {
    if delay > 0 { log(.notice, "starts again in \(Double(delay / 1_000_000) / 1000) s") }
    timers.retry = core.loop.schedule(after: delay) { [weak self] in
      self?.timers.retry = nil
      self?.step(.retryDue)
    }
  }

  private func beginGrace() {
    timers.grace = core.loop.schedule(after: context.gracePeriod) { [weak self] in
      self?.timers.grace = nil
      self?.step(.graceOver)
    }
  }

  // MARK: Starting

  private func prepare(_ attempt: Int) {
    core.begin { [self] in
      let registry = await context.plugins.refresh(startWhen: isStartable)
      guard life.state.isStarting(attempt) else { return }
      await prepare(attempt, registry)
    }
  }

  /// What it needs is among the plugins that are known.
  private func isStartable(with registry: Registry) -> Bool {
    (try? LaunchPlan(network: asked, registry: registry, configFile: configFile)) != nil
  }

  private func prepare(_ attempt: Int, _ registry: Registry) async {
    var plan: LaunchPlan
    do throws(ErrorReport) { plan = try planToStart(registry) } catch {
      return step(.cannotStart(error))
    }
    for warning in plan.warnings { log(.warning, warning) }
    join(&plan)
    step(.planned(plan, attempt: attempt))
    switch await uplink.prepare(plan, isWanted: { life.state.isStarting(attempt) }) {
    case .ready: launch(plan)
    case .failed(let report): step(.cannotStart(report))
    case .noInterface(let report): step(.noInterface(leftOver(plan, report)))
    case nil: break
    }
  }

  private func launch(_ plan: LaunchPlan) {
    let link: HostLink
    let journal: Int32
    do throws(SystemError) {
      journal = try guests.takeJournal()
      let log = try NetworkLog.open(core.logFile)
      defer { Descriptor.close(log) }
      let setup = try plan.setup(core)
      defer { setup.close() }
      link = try HostLink(
        executable: context.hostExecutable, log: log, loop: core.loop, setup: setup)
      link.boundLog(core.logFile)
    } catch {
      return step(.cannotStart(core.report(.system, "its process cannot start: \(error)")))
    }
    listeners.unwatchUnixgram()
    log(
      .info,
      "starting process \(link.pid): plugin \(plan.plugin.plugin.name) \(plan.plugin.module.version) "
        + "(\(plan.plugin.file)), DNS \(plan.dns.plugin.name) \(plan.dns.module.version)")
    step(.spawned(link))
    link.onEvent = { [weak self, weak link] event in
      guard let self, let link, self.link === link else { return }
      handle(event)
    }
    link.onExit = { [weak self, weak link] status in
      guard let self, let link, self.link === link else { return }
      ended(link, status)
    }
    watch(link)
    var spec = plan.spec(
      stateDirectory: plan.stateDirectory(core), tap: uplink.tapSpec, peer: uplink.socket,
      cards: uplink.guestCards)
    // Until all of them are introduced.
    spec.holdsGuests = true
    let started = link.send(.start(spec), fds: [journal, uplink.tapDescriptor].compactMap { $0 })
    core.begin { [self] in
      var refusal: HostError?
      do throws(HostError) { _ = try await started.value() } catch { refusal = error }
      guard self.link === link, !link.hasEnded, state == .starting else { return }
      if let refusal { refused(refusal) } else { step(.started) }
    }
  }

  /// The process answers that the network cannot start.
  private func refused(_ error: HostError) {
    let report = active?.report(error, configFile: configFile) ?? core.report(error)
    let mayPass = [.system, .busy, .timeout, .exists].contains(error.code)
    step(.refused(report, mayPass: mayPass))
  }

  /// The process runs, and is given everything.
  private func serve(_ link: HostLink) {
    let milliseconds = (MonotonicClock.now() &- link.started) / 1_000_000
    log(
      .info,
      "running after \(milliseconds) ms, process \(link.pid), \(Plural.text(guests.count, "guest"))"
    )
    context.rest.disturb()
    if let unixgram = listeners.unixgram {
      let known = guests.takeUnixgramAddresses()
      let added = link.send(
        .addUnixgramListener(ListenerSpec(id: 1, guests: known)), fds: [unixgram])
      core.begin { [self] in
        do throws(HostError) { _ = try await added.value() } catch {
          if !link.hasEnded { log(.error, "no unixgram guests: \(error)") }
        }
      }
    }
    uplink.begin(link)
    for guest in guests.all { introduce(guest, to: link) }
    link.send(.guestsAreKnown)
    uplink.connect(link)
    names.replay(to: link)
    forwards.replay(to: link)
    captures.begin(on: link)
    flushWaiters(.success(link))
    leases.begin()
    // The configuration may have been reread meanwhile.
    dns.started()
    settling.forgetRefusals()
    if isChanged, dns.kept?.refused != asked.settings { updateDNS() }
    considerStopping()
  }

  // MARK: The process

  func handle(_ event: HostEvent) {
    switch event {
    case .portGone(let id, let reason):
      if !uplink.lost(id, reason) { guestLeft(id, reason, tellHost: false) }
    case .guestUp(let id, let name, _, let address): unixgramCame(id, name, address)
    case .guestGone(let id): unixgramLeft(id)
    case .leasesChanged: leases.changed()
    case .pluginReport(let report): note(report)
    case .fatal(let error):
      log(.error, "its process gives up: \(error)")
      step(.complained(ErrorReport(error.code, error.description)))
    }
  }

  /// Of a process that may be anybody's: few, and short.
  private func note(_ report: PluginReport) {
    record.pluginStates.removeAll { $0.kind == report.kind && $0.plugin == report.plugin }
    guard report.state != "ok" || !report.text.isEmpty, record.pluginStates.count < 16 else {
      return
    }
    record.pluginStates.append(
      PluginStateReport(
        kind: report.kind, plugin: String(report.plugin.prefix(32)),
        state: String(report.state.prefix(16)), text: String(report.text.prefix(512))))
  }

  func ended(_ link: HostLink, _ status: ChildProcess.ExitStatus) {
    record.pluginStates = []
    settling.processEnded()
    uplink.rest(forgetting: guests.unixgramGuests.map(\.id))
    if state == .stopping { noteStop(status) } else { noteDeath(of: link, status) }
    let report =
      state == .starting
      ? life.state.error ?? deathReport(lastExit?.reason ?? "", times: life.failedStarts + 1) : nil
    step(.ended(lifetime: MonotonicClock.now() &- link.started, report))
  }

  private func noteStop(_ status: ChildProcess.ExitStatus) {
    if status == .exited(0) { return log(.info, "stopped") }
    log(.warning, "stopped, but its process did not end well: \(status)")
    record.lastExit = exitReport("\(status) while stopping")
  }

  private func noteDeath(of link: HostLink, _ status: ChildProcess.ExitStatus) {
    let reason = life.state.endReason ?? link.protocolError ?? status.description
    let isAsked = reason == Self.restartReason
    if !isAsked { record.lastExit = exitReport(reason) }
    let plugin =
      active.map { "plugin \($0.plugin.plugin.name) \($0.plugin.module.version)" } ?? "no plugin"
    if !isAsked {
      log(.error, "process \(link.pid) ended: \(reason) (\(plugin)); its log: \(core.logFile)")
    }
    guests.loseUnixgram()
    captures.endAll(begunOnly: true)
    noteDeathForDNS()
  }

  /// Without values that nobody is to read: what a plugin printed itself went to the log as it was.
  private func masked(_ text: String) -> String {
    (active?.secrets ?? []).filter { $0.utf8.count >= 4 }.reduce(text) {
      $0.replacing($1, with: Schema.mask)
    }
  }

  private func exitReport(_ reason: String) -> ExitReport {
    ExitReport(
      time: WallClock.timestamp(), reason: masked(reason),
      log: NetworkLog.tail(core.logFile).map { masked($0) },
      plugin: active?.plugin.loaded, dns: active?.dns.loaded)
  }

  // MARK: Ending

  private func end(_ link: HostLink) {
    // Asked before it is told to end, answered before it does.
    if listeners.usernet != nil { leases.ask(link) }
    link.stop()
  }

  private func letGo(isFailure: Bool) {
    forwards.closeSockets()
    uplink.leave(keepsWatching: isFailure)
    leases.rest()
    guard !isFailure else { return }
    uplink.wantNothing()
    dns.rest()
  }
}
