// SPDX-License-Identifier: Apache-2.0
//
// The life of a network's process: start, death and return, stop. See the drawing in Network.swift.

import HostProtocol
import Logging
import Platform

extension Network {
  // MARK: Starting

  /// Starts the network if it is at rest, and tells `waiter` when it runs or why it cannot.
  func whenRunning(_ waiter: @escaping Waiter) {
    if state == .running, let link { return waiter(.success(link)) }
    waiters.append(waiter)
    start()
  }

  /// Idempotent.
  func start() {
    switch state {
    case .running, .starting: break
    case .stopping: startAgain = true
    case .restarting: retry()
    case .stopped, .failed: begin()
    }
  }

  private func begin() {
    guard !retired else {
      return fail(
        ErrorReport(code: HostError.Code.notFound.rawValue, message: "network \(name) is gone"))
    }
    if let graceTimer { context.loop.cancel(graceTimer) }
    graceTimer = nil
    open()
    guard sockets.isOpen else {
      return fail(
        error ?? ErrorReport(code: Self.socketError, message: "network \(name): no sockets"))
    }
    state = .starting
    error = nil
    retryAt = nil
    attempt += 1
    let current = attempt
    context.plugins.refresh(startWhen: { [weak self] in self?.isStartable(with: $0) == true }) {
      [weak self] registry in
      guard let self, state == .starting, attempt == current else { return }
      launch(registry)
    }
  }

  /// What it needs is among the plugins that are known.
  private func isStartable(with registry: Registry) -> Bool {
    (try? LaunchPlan(network: asked, registry: registry, configFile: configFile)) != nil
  }

  private func launch(_ registry: Registry) {
    do throws(ErrorReport) {
      var plan = try planToStart(registry)
      for warning in plan.warnings { log(.warning, warning) }
      join(&plan)
      active = plan
      if try takePeer(plan) { return }
      guard let request = try plan.tapRequest() else {
        leaveInterface()
        return try launch(plan)
      }
      watchInterfaces()
      if let tap, tap.request == request, tap.isAlive { return try launch(plan) }
      if let cards, cards.request == request { return try launch(plan) }
      leaveInterface()
      let current = attempt
      context.taps.obtain(request) { [weak self] result in
        // A TAP that comes too late is closed with its last reference.
        guard let self, state == .starting, attempt == current else { return }
        obtained(result, plan)
      }
    } catch {
      fail(error)
    }
  }

  private func obtained(_ result: Result<HeldTap, HostTapError>, _ plan: LaunchPlan) {
    do throws(ErrorReport) {
      switch result {
      case .success(let held) where held.isCard:
        hasInterface()
        takeCards(held)
      case .success(let held):
        hasInterface()
        tap = held
        log(.info, "has the interface \(held.spec.name)")
        if case .bridge(let bridge) = held.request.place, !held.isOnSwitch,
          let caution = context.taps.bridges.caution(about: bridge)
        {
          log(.warning, caution)
        }
      case .failure(let error):
        let report = leftOver(
          plan,
          HostTapAdvice(
            network: name, command: context.command, home: context.homeWords
          ).report(error))
        lacksInterface = true
        interfaceTriedAt = MonotonicClock.now()
        // It ran, and guests wait: what was taken away may come back.
        if restarts > 0, lastExit != nil, !guests.isEmpty || !unixgramAddresses.isEmpty || isHeld {
          if saidOfInterface != report.message { log(.error, report.message) }
          saidOfInterface = report.message
          self.error = report
          return awaitInterface(report)
        }
        throw report
      }
      try launch(plan)
    } catch {
      fail(error)
    }
  }

  /// Guests that were there wait on; who asks for the network meanwhile is told at once what it waits for.
  private func awaitInterface(_ report: ErrorReport) {
    // The waiting is the interface's: a process that dies when it is back is replaced as soon as any other.
    scheduleRetry(after: interfaceBackoff.delay(afterLife: 0))
    unixListeners.closeAll()
    let waiting = waiters
    waiters = []
    for waiter in waiting { waiter(.failure(report)) }
    // They may have been all who wanted it.
    considerStopping()
  }

  func launch(_ plan: LaunchPlan) throws(ErrorReport) {
    let link = try spawn(plan)
    sockets.unwatchUnixgram()
    let spec = plan.spec(
      stateDirectory: context.home.networkDirectory(name), tap: tap?.spec, peer: peer?.socket,
      cards: cards)
    log(
      .info,
      "starting process \(link.pid): plugin \(plan.plugin.plugin.name) \(plan.plugin.module.version) "
        + "(\(plan.plugin.file)), DNS \(plan.dns.plugin.name) \(plan.dns.module.version)")
    self.link = link
    link.onEvent = { [weak self, weak link] event in
      guard let self, let link, self.link === link else { return }
      handle(event)
    }
    link.onExit = { [weak self, weak link] status in
      guard let self, let link, self.link === link else { return }
      ended(link, status)
    }
    let fds = [journal?.fd ?? -1, tap?.fd ?? -1].filter { $0 >= 0 }
    link.request(.start(spec), fds: fds) { [weak self, weak link] answer in
      guard let self, let link, self.link === link, !link.hasEnded, state == .starting else {
        return
      }
      switch answer {
      case .success: started(link)
      case .failure(let error): refused(link, error)
      }
    }
  }

  private func spawn(_ plan: LaunchPlan) throws(ErrorReport) -> HostLink {
    do throws(SystemError) {
      if journal == nil { journal = try JournalSlots(network: name) }
      let log = try NetworkLog.open(context.home.networkLog(name))
      defer { Descriptor.close(log) }
      let link = try HostLink(
        executable: context.hostExecutable, log: log, loop: context.loop,
        capabilities: plan.capabilities)
      link.boundLog(context.home.networkLog(name))
      return link
    } catch {
      throw ErrorReport(
        code: HostError.Code.system.rawValue,
        message: "network \(name): its process cannot start: \(error)")
    }
  }

  private func started(_ link: HostLink) {
    state = .running
    error = nil
    isAskingForLeases = false
    let milliseconds = (MonotonicClock.now() &- link.started) / 1_000_000
    log(
      .info,
      "running after \(milliseconds) ms, process \(link.pid), \(Plural.text(guests.count, "guest"))"
    )
    context.rest.disturb()
    if sockets.unixgram >= 0 {
      let known = unixgramAddresses.sorted { $0.key < $1.key }.map(\.value)
      unixgramAddresses = [:]
      link.request(
        .addUnixgramListener(ListenerSpec(id: 1, guests: known)), fds: [sockets.unixgram]
      ) {
        [weak self] answer in
        if case .failure(let error) = answer, !link.hasEnded {
          self?.log(.error, "no unixgram guests: \(error)")
        }
      }
    }
    beginCards(link)
    for guest in guests.values.sorted(by: { $0.id < $1.id }) { introduce(guest, to: link) }
    connectPeer(link)
    lookAtTap()
    replayNames(to: link)
    replayForwards(to: link)
    for id in captures.keys.sorted() { beginCapture(id, on: link) }
    let waiting = waiters
    waiters = []
    for waiter in waiting { waiter(.success(link)) }
    watchLeases()
    // The configuration may have been reread meanwhile.
    if keptDNS == nil { dnsError = nil }
    if isChanged, keptDNS?.refused != asked.settings { updateDNS() }
    considerStopping()
  }

  /// The host answers that the network cannot start.
  private func refused(_ link: HostLink, _ error: HostError) {
    let report =
      active?.report(error, configFile: configFile)
      ?? ErrorReport(code: error.code.rawValue, message: "network \(name): \(error)")
    abandon(link)
    // After a crash the trouble may pass (an address still taken), and guests wait: keep trying.
    let transient = [.system, .busy, .timeout, .exists].contains(error.code)
    if transient, restarts > 0, lastExit != nil, !guests.isEmpty {
      log(.error, report.message)
      self.error = report
      return scheduleRetry(afterLife: 0)
    }
    fail(report)
  }

  private func abandon(_ link: HostLink) {
    self.link = nil
    link.kill()
  }

  /// The network cannot start: guests are sent away, for nobody will ever answer them.
  func fail(_ report: ErrorReport) {
    state = .failed
    error = report
    active = nil
    unixListeners.closeAll()
    leaveInterface()
    if !lacksInterface || !isHeld { interfaces = nil }
    leavePeer()
    log(.error, report.message)
    failedUntil = MonotonicClock.now() &+ 1_000_000_000
    let waiting = waiters
    waiters = []
    for waiter in waiting { waiter(.failure(report)) }
    dismissGuests("the network cannot start")
    unixgramAddresses = [:]
    endCaptures()
    sockets.drainUnixgram()
    context.loop.schedule(after: 1_000_000_000) { [weak self] in
      guard let self, state == .failed || state == .stopped else { return }
      try? sockets.watchUnixgram()
    }
    settled()
  }

  // MARK: Death

  func handle(_ event: HostEvent) {
    switch event {
    case .portGone(let id, let reason) where peer?.owns(id) == true:
      peer?.lost(id, reason)
    case .portGone(let id, _) where cards?.owns(id) == true:
      cards?.lost(id)
    case .portGone(let id, let reason):
      guestLeft(id, reason, tellHost: false)
    case .guestUp(let id, let name, _, let address):
      // A host that invents guests without end is not believed.
      guard unixgramGuests.count < 1024 else { return }
      unixgramGuests[id] = GuestReport(
        id: id, name: name, transport: "unixgram", mac: nil, since: WallClock.timestamp())
      unixgramAddresses[id] = address
      log(.info, "guest \(name) came by \(sockets.paths.unixgram)")
      cards?.serve(id)
      watchLeases()
      considerStopping()
    case .guestGone(let id):
      guard let guest = unixgramGuests.removeValue(forKey: id) else { return }
      unixgramAddresses[id] = nil
      cards?.forget(id)
      log(.info, "guest \(guest.name) left")
      watchLeases()
      considerStopping()
    case .leasesChanged:
      leasesChanged()
    case .fatal(let error):
      log(.error, "its process gives up: \(error)")
      self.error = ErrorReport(code: error.code.rawValue, message: error.description)
    }
  }

  private func ended(_ link: HostLink, _ status: ChildProcess.ExitStatus) {
    self.link = nil
    peer?.rest()
    cards?.rest()
    for id in unixgramGuests.keys { cards?.forget(id) }
    if state == .stopping { return stopped(status) }
    // One that ran and died is no failed start: who has come meanwhile waits for the next one.
    let wasStarting = state == .starting
    let reason = endReason ?? link.protocolError ?? status.description
    endReason = nil
    lastExit = ExitReport(
      time: WallClock.timestamp(), reason: reason,
      log: NetworkLog.tail(context.home.networkLog(name)), plugin: active?.plugin.loaded,
      dns: active?.dns.loaded)
    restarts += 1
    let plugin =
      active.map { "plugin \($0.plugin.plugin.name) \($0.plugin.module.version)" } ?? "no plugin"
    log(
      .error,
      "process \(link.pid) ended: \(reason) (\(plugin)); its log: \(context.home.networkLog(name))")
    unixgramGuests = [:]
    endCaptures(startedOnly: true)
    noteDeathForDNS()
    guard !guests.isEmpty || !unixgramAddresses.isEmpty || isHeld || !waiters.isEmpty else {
      return stopped(status)
    }
    for guest in guests.values { watchHangup(guest) }
    scheduleRetry(afterLife: MonotonicClock.now() &- link.started)
    if wasStarting, backoff.failures > 1, !waiters.isEmpty {
      // Held guests wait on; a command gets its answer.
      let report = ErrorReport(
        code: HostError.Code.internal.rawValue,
        message:
          "network \(name): its process ended while starting: \(reason); see \(context.home.networkLog(name))"
      )
      let waiting = waiters
      waiters = []
      for waiter in waiting { waiter(.failure(report)) }
    }
  }

  private func scheduleRetry(afterLife lifetime: UInt64) {
    scheduleRetry(after: backoff.delay(afterLife: lifetime))
  }

  /// Beyond this clients of unix forwards are refused, as those of TCP are, instead of waiting for the next process.
  private static let longestWaitOfClients: UInt64 = 1_000_000_000

  private func scheduleRetry(after delay: UInt64) {
    state = .restarting
    if delay >= Self.longestWaitOfClients { unixListeners.closeAll() }
    retryAt = WallClock.timestamp(WallClock.now() &+ delay)
    if delay > 0 { log(.notice, "starts again in \(Double(delay / 1_000_000) / 1000) s") }
    retryTimer = context.loop.schedule(after: delay) { [weak self] in
      self?.retryTimer = nil
      self?.retry()
    }
  }

  private func retry() {
    guard state == .restarting else { return }
    if let retryTimer { context.loop.cancel(retryTimer) }
    retryTimer = nil
    begin()
  }

  // MARK: Stopping

  /// Starts the grace period when nobody is left, ends it when somebody is.
  func considerStopping() {
    let idle = guests.isEmpty && unixgramGuests.isEmpty && !isHeld
    if state == .restarting, idle, unixgramAddresses.isEmpty {
      return stop("its guests have left")
    }
    guard state == .running, idle else {
      if let graceTimer { context.loop.cancel(graceTimer) }
      graceTimer = nil
      return
    }
    guard graceTimer == nil else { return }
    graceTimer = context.loop.schedule(after: context.gracePeriod) { [weak self] in
      guard let self else { return }
      graceTimer = nil
      if state == .running, guests.isEmpty, unixgramGuests.isEmpty, !isHeld { stop("no guests") }
    }
  }

  /// Sends the guests away and stops the process. `done` is called when it is at rest.
  func stop(_ reason: String, done: (() -> Void)? = nil) {
    if let done { onStopped.append(done) }
    pinned = false
    startAgain = false
    if let graceTimer { context.loop.cancel(graceTimer) }
    graceTimer = nil
    if let retryTimer { context.loop.cancel(retryTimer) }
    retryTimer = nil
    switch state {
    case .stopping:
      return
    case .stopped:
      return settled()
    case .failed:
      state = .stopped
      error = nil
      return settled()
    case .starting, .running, .restarting:
      break
    }
    log(.info, "stopping: \(reason)")
    state = .stopping
    dismissGuests(reason)
    unixgramGuests = [:]
    unixgramAddresses = [:]
    endCaptures()
    let waiting = waiters
    waiters = []
    for waiter in waiting {
      waiter(
        .failure(
          ErrorReport(
            code: HostError.Code.busy.rawValue, message: "network \(name) is being stopped")))
    }
    guard let link else { return stopped(nil) }
    // Asked before it is told to end, answered before it does.
    if usernet != nil { askForLeases(link) }
    link.stop()
  }

  private func stopped(_ status: ChildProcess.ExitStatus?) {
    if let status, state == .stopping {
      switch status {
      case .exited(0):
        log(.info, "stopped")
      default:
        log(.warning, "stopped, but its process did not end well: \(status)")
        lastExit = ExitReport(
          time: WallClock.timestamp(), reason: "\(status) while stopping",
          log: NetworkLog.tail(context.home.networkLog(name)), plugin: active?.plugin.loaded,
          dns: active?.dns.loaded)
      }
    }
    state = .stopped
    active = nil
    unixListeners.closeAll()
    leaveInterface()
    interfaces = nil
    lacksInterface = false
    leavePeer()
    dnsError = nil
    keptDNS = nil
    nextDNS = nil
    retryAt = nil
    backoff.reset()
    try? sockets.watchUnixgram()
    settled()
    guard !retired else { return }
    if startAgain || !guests.isEmpty || !waiters.isEmpty {
      startAgain = false
      start()
    }
  }

  private func settled() {
    let callbacks = onStopped
    onStopped = []
    for callback in callbacks { callback() }
  }
}
