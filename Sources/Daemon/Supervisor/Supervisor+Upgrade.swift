// SPDX-License-Identifier: Apache-2.0
//
// Another version of the daemon in this one's place, with everything that this one has (`lima-netd upgrade`, SIGUSR2):
//
//   1. the new program looks at the state as it is now, as a child, while the loop goes on
//   2. nobody is accepted any more, and what is under way comes to its end
//   3. the new program looks at the very state that it gets, while the loop stands still
//   4. execve(2)
//
// Until 4 has succeeded this one can go on serving, and does. Loop thread.

import HostProtocol
import Platform

extension Supervisor {
  /// ns between two looks whether something is under way.
  private static let look: UInt64 = 5_000_000

  /// SIGUSR2.
  package func upgradeBySignal() {
    context.actor.begin { [self] in
      do throws(ErrorReport) { _ = try await upgrade(UpgradeRequest()) } catch {
        log.error("no upgrade: \(error.message)")
      }
    }
  }

  /// - Returns: what is about to happen, once the new program has looked at the state.
  /// - Throws: why it does not.
  func upgrade(_ request: UpgradeRequest) async throws(ErrorReport) -> UpgradeReport {
    #if os(Linux)
      guard !shuttingDown, !upgrades.isUnderWay else {
        throw ErrorReport(.busy, shuttingDown ? "the daemon stops" : "an upgrade is under way")
      }
      upgrades.begin(from: options.version, executable: options.installation.executable)
      upgrades.replacesProcesses = request.restartNetworks ?? false
      do throws(ErrorReport) {
        let memory = try writeState(DescriptorList())
        defer { Descriptor.close(memory) }
        let version = try await candidate.check(memory, loop: loop)
        guard !shuttingDown else { throw ErrorReport(.busy, "the daemon stops") }
        upgrades.name(version)
      } catch {
        upgrades.fail(error)
        throw error
      }
      loop.later { [weak self] in self?.pauseForUpgrade() }
      return upgrades.report
    #else
      throw ErrorReport(
        .unsupported, "this system has no upgrade in place: use `lima-netd restart`")
    #endif
  }
}

#if os(Linux)
  extension Supervisor {
    private var candidate: UpgradeCandidate {
      UpgradeCandidate(
        path: options.installation.executable,
        words: Array(CommandLine.arguments.dropFirst()))
    }

    // MARK: What is under way

    private func pauseForUpgrade() {
      upgrades.pausedAt = MonotonicClock.now()
      upgrades.patience = UpgradePatience(now: upgrades.pausedAt)
      pause(true)
      // Their streams end whole, for the pipes are this process's.
      for network in networks.values { network.captures.endAll() }
      lookForUpgrade()
    }

    private func pause(_ isPaused: Bool) {
      listeners.pause(isPaused)
      for network in networks.values { network.listeners.pause(isPaused) }
    }

    private var upgradeObstacle: String? {
      if servers.open.count > 0 {
        return Plural.text(servers.open.count, "request") + " of the control API"
      }
      if !leaving.isEmpty { return "network \(leaving[0].name) is being removed" }
      if !switchPorts.isIdle { return "Open vSwitch is asked" }
      if let obstacle = listeners.obstacle { return obstacle }
      let all = networks.values.sorted { $0.name < $1.name }
      return all.lazy.compactMap(\.handoverObstacle).first
    }

    private func lookForUpgrade() {
      guard !shuttingDown else { return failUpgrade(ErrorReport(.busy, "the daemon stops")) }
      switch upgrades.patience.step(now: MonotonicClock.now(), obstacle: upgradeObstacle) {
      case .goOn: return replaceProgram()
      case .giveUp(let obstacle):
        return failUpgrade(
          ErrorReport(
            .busy,
            "the daemon is not upgraded, and goes on as it is: there was something under way for "
              + "\(UpgradePatience.forAll / 1_000_000_000) s: \(obstacle)"))
      case .disappoint:
        servers.open.disappoint()
        listeners.disappoint()
        for network in networks.values { network.disappointForUpgrade() }
      case .wait: break
      }
      loop.schedule(after: Self.look) { [weak self] in self?.lookForUpgrade() }
    }

    private func failUpgrade(_ error: ErrorReport) {
      upgrades.fail(error)
      upgrades.pausedAt = 0
      servers.open.resume()
      if !shuttingDown { pause(false) }
      log.error("no upgrade: \(error.message)")
    }

    // MARK: The program

    /// Returns when it has failed.
    private func replaceProgram() {
      let list = DescriptorList()
      do throws(ErrorReport) {
        let memory = try writeState(list)
        defer { Descriptor.close(memory) }
        let version = try candidate.checkNow(memory).get()
        log.notice("upgrade: version \(version) takes over from \(options.version)")
        do throws(SystemError) {
          try ProgramReplacement.execute(
            candidate.path, candidate.words,
            variable: (Handover.variable, "\(CurrentProcess.id):\(memory)"),
            keeping: list.all + [memory])
        } catch {
          throw candidate.cannotRun(error)
        }
      } catch {
        failUpgrade(error)
      }
    }

    private func writeState(_ list: DescriptorList) throws(ErrorReport) -> Int32 {
      do {
        return try HandoverMemory.make(JSONText.encode(state(list)))
      } catch {
        throw ErrorReport(.system, "the daemon's state cannot be written: \(error)")
      }
    }

    private func state(_ list: DescriptorList) -> DaemonState {
      let all = networks.values.sorted { $0.name < $1.name }
      var state = DaemonState(
        header: StateHeader(program: options.version), home: options.home.path, descriptors: [],
        started: started, upgrade: upgrades.report, pausedAt: upgrades.pausedAt,
        replacesProcesses: upgrades.replacesProcesses, lock: listeners.handLock(list),
        inherited: InheritedSockets.descriptors.map { list.give($0) }, notify: upgrades.notify,
        sockets: listeners.hand(list) + all.flatMap { $0.listeners.hand(list) },
        clients: listeners.handClients(list), lastGuestID: context.guestIDs.last,
        configuration: .init(configuration.current), networks: all.map { $0.hand(list) },
        instances: instances.hand())
      state.descriptors = list.all
      return state
    }
  }
#endif

// MARK: The program that came

extension Supervisor {
  /// The configuration's networks are there, and their sockets open.
  func resumeNetworks() {
    guard let handover else { return }
    started = handover.state.started
    context.guestIDs.last = handover.state.lastGuestID
    let strangers = Set(
      StateCheck.strangers(in: handover.state, understood: HostProtocolVersion.understood)
        .map(\.name))
    var kept: [String] = []
    var guests = 0
    for (name, network) in networks.sorted(by: { $0.key < $1.key }) {
      guard let handed = handover.networks.removeValue(forKey: name) else { continue }
      if network.resume(handed, replaces: strangers.contains(name)) { kept.append(name) }
      guests += network.guests.total
    }
    listeners.resumeClients(handover) { self.networks[$0] }
    instances.resume(handover.state.instances)
    upgrades.finish(
      handover.state.upgrade, version: options.version,
      pause: MonotonicClock.now() &- handover.state.pausedAt)
    upgrades.kept(kept, restarted: strangers.sorted(), guests: guests)
  }

  /// Instances are up again: who is needed by nobody begins to end. Nothing else is taken.
  func finishHandover() {
    guard let handover else { return }
    self.handover = nil
    HandedSockets.closeRest()
    for network in networks.values { network.resumed() }
    #if os(Linux)
      // Of runs that were under way. A network's process and Lima's are waited for by others.
      let known = Set(
        handover.state.networks.flatMap {
          [$0.process?.pid, $0.keeper?.pid].compactMap { $0 }
        })
      for pid in ChildProcess.children() where !known.contains(pid) {
        ChildWatch.begin(pid, on: loop) { _ in }
      }
    #endif
    let report = upgrades.report
    log.notice(
      """
      upgraded from \(report.from ?? "") to \(options.version) in \(report.pause ?? 0) ms: \
      \(Plural.text(report.networks.count, "network")) and \(Plural.text(report.guests, "guest")) go on
      """
    )
    // What was written meanwhile.
    configuration.reload()
  }
}

extension Handover {
  /// Before its sockets are opened.
  func prepare(_ network: Network) { network.listeners.resume(networks[network.name]?.keeper) }
}
