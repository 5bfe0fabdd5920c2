// SPDX-License-Identifier: Apache-2.0
//
// A network that goes on with another supervisor: what is handed over, and how it is taken. Its process notices nothing.

import HostProtocol
import Platform

extension Network {
  /// What an upgrade has to wait for; nil: nothing.
  var handoverObstacle: String? {
    if state == .starting || state == .stopping { return "network \(name) is \(state.rawValue)" }
    if let text = uplink.handoverObstacle { return "network \(name): \(text)" }
    if let text = listeners.obstacle { return "network \(name): \(text)" }
    if let link, !link.hasEnded, !link.isQuiet {
      return "network \(name): its process \(link.pid) has not answered"
    }
    if settling.isUnderWay { return "network \(name) takes its configuration" }
    return nil
  }

  /// Who waits for an answer is told that none comes for now.
  func disappointForUpgrade() {
    listeners.disappoint()
    let error = ErrorReport(.busy, "the daemon is being upgraded: ask again")
    link?.disappoint(HostError(.busy, error.message))
    if state == .restarting { flushWaiters(.failure(error)) }
  }

  func hand(_ list: DescriptorList) -> NetworkHandover {
    var handed = NetworkHandover(
      name: name, phase: .stopped, failure: nil, complaint: nil, process: nil, plan: nil,
      restarts: life.restarts, isPinned: demand.isPinned, lastExit: record.lastExit,
      pluginStates: record.pluginStates, guests: guests.hand(list), forwards: forwards.hand(list),
      names: names.hand(), leases: leases.hand(), exposed: exposed, lastCapture: captures.last,
      keeper: listeners.handKeeper(list), uplink: uplink.hand(list))
    switch life.state {
    case .stopped(let it): handed.complaint = it.complaint
    case .failed(let it):
      handed.phase = .failed
      handed.failure = NetworkHandover.Failure(report: it.report, until: it.until)
    case .running(let it):
      handed.phase = .running
      handed.complaint = it.complaint
      handed.plan = it.plan
      handed.process = it.process.hand(list)
    case .starting, .restarting, .stopping: handed.phase = .restarting
    }
    return handed
  }

  /// Goes on with what was handed over. Its sockets are open.
  /// - Parameter replaces: its process is ended, and another takes its place as after a crash.
  /// - Returns: whether its process goes on.
  func resume(_ handed: NetworkHandover, replaces: Bool) -> Bool {
    demand.isPinned = handed.isPinned
    record.lastExit = handed.lastExit
    record.pluginStates = handed.pluginStates
    exposed = handed.exposed
    captures.last = handed.lastCapture
    guests.resume(handed.guests)
    context.guestIDs.connected += guests.count
    forwards.resume(handed.forwards)
    names.resume(handed.names)
    leases.resume(handed.leases)
    let link = handed.process.flatMap { process in resumeLink(process, handed.plan) }
    if let uplink = handed.uplink { self.uplink.resume(uplink, link: link) }
    life = NetworkLife(resuming: lifeState(handed, link), restarts: handed.restarts)
    core.running = life.state.running
    guard let link else {
      for guest in guests.all { watchHangup(guest) }
      return false
    }
    listeners.unwatchUnixgram()
    leases.begin()
    if replaces {
      log(.notice, "process \(link.pid) is of another version, and is replaced")
      step(.hung(reason: "replaced at the daemon's upgrade"))
    }
    return !replaces
  }

  /// After instances have said what they need.
  func resumed() {
    if core.running != nil { return considerStopping() }
    if life.state.process == nil, guests.hasLinks || guests.hasUnixgramAddresses { start() }
  }

  private func lifeState(
    _ handed: NetworkHandover, _ link: HostLink?
  ) -> NetworkState<LaunchPlan, HostLink> {
    if let link, let plan = handed.plan {
      return .running(.init(plan: plan, process: link, complaint: handed.complaint))
    }
    if let failure = handed.failure {
      return .failed(.init(report: failure.report, until: failure.until))
    }
    return .stopped(.init(complaint: handed.complaint))
  }

  private func resumeLink(_ process: ProcessState, _ plan: LaunchPlan?) -> HostLink? {
    let link: HostLink
    do throws(SystemError) {
      link = try HostLink(
        resuming: process, loop: core.loop, resolver: plan?.resolverCopies(core))
    } catch {
      log(.error, "its process \(process.pid) cannot be taken over: \(error)")
      ChildProcess.kill(process.pid, 9)
      return nil
    }
    link.boundLog(core.logFile)
    link.onEvent = { [weak self, weak link] event in
      guard let self, let link, self.link === link else { return }
      handle(event)
    }
    link.onExit = { [weak self, weak link] status in
      guard let self, let link, self.link === link else { return }
      ended(link, status)
    }
    watch(link)
    return link
  }
}
