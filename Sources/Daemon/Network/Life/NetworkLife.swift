// SPDX-License-Identifier: Apache-2.0
//
// NetworkLife: the state machine of a network. Events and what is known besides go in, effects come out, in the order in
// which they are to be done; it does nothing itself, knows no clock and no process, and assigns its state in one place.
//
//                 start                      process answers
//     stopped ───────────────► starting ───────────────► running ──┐
//        ▲  ▲                   │    ▲                     │       │ nobody is left,
//        │  └──── failed ◄──────┘    │ delay over          │ ends  │ stop
//        │   cannot start            │                     ▼       │
//        │                       restarting ◄──────────────┘       │
//        └──────────────────────── stopping ◄──────────────────────┘

import HostProtocol

/// What happens to a network.
enum NetworkEvent<Plan, Process> {
  // Wishes.

  /// Somebody wants it to run.
  case start
  /// - Parameter reason: for the log.
  case stop(reason: String)
  /// Guests or holders have come or gone.
  case demandChanged
  case configured

  // Its sockets.

  case socketsOpened
  case socketsRefused(ErrorReport)

  // The course of a start.

  case planned(Plan, attempt: Int)
  case spawned(Process)
  /// The process has answered `start`.
  case started
  /// It has answered that it cannot.
  /// - Parameter mayPass: because of something that may be over soon.
  case refused(ErrorReport, mayPass: Bool)
  /// There is no process to be had.
  case cannotStart(ErrorReport)
  /// For want of an interface of the host's.
  case noInterface(ErrorReport)
  /// What it could not start for is there: the next start may well do.
  case interfaceAppeared

  // The process.

  case complained(ErrorReport)
  /// It runs with this from now on.
  case revised(Plan)
  case interfaceLost(ErrorReport, reason: String)
  /// It does not respond, and is to be replaced.
  case hung(reason: String)
  /// - Parameters:
  ///   - lifetime: ns.
  ///   - report: what is to be said of one that had not started yet; nil: it had.
  case ended(lifetime: UInt64, _ report: ErrorReport? = nil)

  // Timers.

  case retryDue
  case graceOver
}

/// What a network is to do.
enum NetworkEffect<Process> {
  /// Make a plan from configuration and plugins, then get what it needs, and a process.
  case prepare(attempt: Int)
  /// Give the process guests, names, forwards; who waited for it is told.
  case serve(Process)
  /// Tell it to end; nil: nothing has to, and it is as if it had.
  case end(Process?)
  case kill(Process)

  /// - Parameter delay: ns.
  case scheduleRetry(delay: UInt64)
  case cancelRetry
  case beginGrace
  case cancelGrace

  /// For the log.
  case complain(ErrorReport)
  /// The log has it once, however often the interface is asked for.
  case complainOfInterface(ErrorReport)
  case announceStop(reason: String)
  /// Who waits for it to run is told why it does not.
  case refuse(ErrorReport)
  /// The same, while it stops.
  case refuseForStop
  /// The same, when the process ended while it started.
  case refuseForDeath

  /// Clients of unix forwards are refused until the next process runs.
  case closeForwards
  /// Guests wait for the next process: only who hangs up is noticed.
  case watchGuests
  case dismissGuests(reason: String)
  /// No process, and no wish for one: uplink, sockets of forwards, captures.
  case letGo(isFailure: Bool)
  /// Frames of unixgram guests are dropped for a second.
  case dropFrames
  /// The next such frame starts the network.
  case watchFrames
  /// Who waited for it to come to rest is told.
  case settle
  /// Start if anybody wants it by now.
  /// - Parameter asked: somebody did meanwhile.
  case startIfWanted(asked: Bool)
  /// Look whether anybody wants it still.
  case reconsider
}

/// What an event finds.
struct NetworkFacts {
  /// Why it must not begin: it is retired, or its sockets are another's; nil: it may.
  var obstacle: ErrorReport?
  /// Guests whose links the supervisor holds.
  var hasLinks = false
  /// Of the unixgram socket, as the process has them.
  var hasUnixgram = false
  /// The same, as a process before had them.
  var hasUnixgramAddresses = false
  /// Somebody wants it to run without guests, too.
  var isHeld = false
  /// Somebody waits for it to run.
  var hasWaiters = false
  /// ns, monotonic.
  var now: UInt64 = 0
  /// ns since 1970.
  var wallClock: UInt64 = 0

  /// Nobody needs the process that runs.
  var isIdle: Bool { !hasLinks && !hasUnixgram && !isHeld }
  /// Somebody needs another process.
  var isWanted: Bool { hasLinks || hasUnixgramAddresses || isHeld }
}

struct NetworkLife<Plan, Process> {
  typealias State = NetworkState<Plan, Process>
  typealias Event = NetworkEvent<Plan, Process>
  typealias Effect = NetworkEffect<Process>

  private(set) var state = State.stopped(State.Stopped())
  /// How often a process ended by itself.
  private(set) var restarts: Int
  private(set) var backoff = Backoff()
  /// Of tries to get the host's interface back. A process that dies when it is back is replaced as soon as any other.
  private var interfaceBackoff = Backoff()
  private var attempts = 0
  /// Processes that ended, one after the other, before they had started, and what is to be said of the last.
  private(set) var failedStarts = 0
  private var failedStart: ErrorReport?

  /// ns in which guests do not start a network that failed.
  static var failurePause: UInt64 { 1_000_000_000 }
  /// ns beyond which clients of unix forwards are refused, as those of TCP are, instead of waiting for the next process.
  static var longestWaitOfClients: UInt64 { 1_000_000_000 }

  init(restarts: Int = 0) { self.restarts = restarts }

  /// Goes on where a supervisor before this one has stopped.
  init(resuming state: State, restarts: Int) {
    self.state = state
    self.restarts = restarts
  }

  mutating func step(_ event: Event, _ facts: NetworkFacts) -> [Effect] {
    let (next, effects) = transition(event, facts)
    guard let next else { return effects }
    let timers = Self.timersToCancel(leaving: state, for: next)
    state = next
    return timers + effects
  }

  /// The next state, nil for the same, and what is to be done.
  private mutating func transition(_ event: Event, _ facts: NetworkFacts) -> (State?, [Effect]) {
    switch event {
    case .start: return start(facts)
    case .stop(let reason): return stop(reason)
    case .demandChanged: return demandChanged(facts)
    case .configured, .socketsOpened, .interfaceAppeared:
      switch state {
      case .failed: return (.stopped(State.Stopped()), [])
      case .running(var it) where it.complaint != nil:
        // What was wrong may be right now.
        it.complaint = nil
        return (.running(it), [])
      default: return (nil, [])
      }
    case .socketsRefused(let report): return (socketsRefused(report), [])
    case .planned, .spawned, .started, .refused, .cannotStart, .noInterface:
      guard case .starting(let it) = state else { return (nil, []) }
      return start(it, event, facts)
    case .complained(let report): return (complained(report), [])
    case .revised(let plan):
      guard case .running(var it) = state else { return (nil, []) }
      it.plan = plan
      return (.running(it), [])
    case .interfaceLost(let report, let reason):
      guard case .running(var it) = state else { return (nil, []) }
      it.complaint = report
      it.endReason = reason
      return (.running(it), [.kill(it.process)])
    case .hung(let reason):
      guard case .running(var it) = state else { return (nil, []) }
      it.endReason = reason
      return (.running(it), [.kill(it.process)])
    case .ended(let lifetime, let report): return ended(lifetime, report, facts)
    case .retryDue:
      guard case .restarting = state else { return (nil, []) }
      return begin(facts)
    case .graceOver: return graceOver(facts)
    }
  }

  /// Each timer belongs to a state.
  private static func timersToCancel(leaving old: State, for new: State) -> [Effect] {
    var effects: [Effect] = []
    if old.isInGracePeriod, !new.isInGracePeriod { effects.append(.cancelGrace) }
    if old.retryAt != nil, new.retryAt == nil { effects.append(.cancelRetry) }
    return effects
  }

  // MARK: Starting

  private mutating func start(_ facts: NetworkFacts) -> (State?, [Effect]) {
    switch state {
    case .running, .starting: return (nil, [])
    case .stopping(var it):
      it.startsAgain = true
      return (.stopping(it), [])
    case .stopped, .failed, .restarting: return begin(facts)
    }
  }

  private mutating func begin(_ facts: NetworkFacts) -> (State?, [Effect]) {
    if let obstacle = facts.obstacle { return fail(obstacle, facts) }
    attempts += 1
    return (
      .starting(State.Starting(attempt: attempts, plan: state.plan)),
      [.prepare(attempt: attempts)]
    )
  }

  private mutating func start(
    _ old: State.Starting, _ event: Event, _ facts: NetworkFacts
  ) -> (State?, [Effect]) {
    var it = old
    switch event {
    case .planned(let plan, let attempt):
      guard attempt == it.attempt else { return (nil, []) }
      it.plan = plan
      return (.starting(it), [])
    case .spawned(let process):
      interfaceBackoff.reset()
      it.process = process
      return (.starting(it), [])
    case .started:
      guard let process = it.process else { return (nil, []) }
      (failedStarts, failedStart) = (0, nil)
      return (.running(State.Running(plan: it.plan, process: process)), [.serve(process)])
    case .refused(let report, let mayPass):
      (failedStarts, failedStart) = (0, nil)
      let kill = it.process.map { [Effect.kill($0)] } ?? []
      // After a crash the trouble may pass (an address still taken), and guests wait: keep trying.
      guard mayPass, restarts > 0, facts.hasLinks else {
        let (next, effects) = fail(report, facts)
        return (next, kill + effects)
      }
      let (next, effects) = restart(it.plan, report, after: backoff.delay(afterLife: 0), facts)
      return (next, kill + [.complain(report)] + effects)
    case .noInterface(let report):
      // It ran, and guests wait: what was taken away may come back.
      guard restarts > 0, facts.isWanted else { return fail(report, facts) }
      let (next, effects) = restart(
        it.plan, report, after: interfaceBackoff.delay(afterLife: 0), waitIsUnknown: true, facts)
      // Guests that were there wait on; who asks for the network meanwhile is told at once what it waits for. They may
      // have been all who wanted it.
      return (next, [.complainOfInterface(report)] + effects + [.refuse(report), .reconsider])
    case .cannotStart(let report): return fail(report, facts)
    default: return (nil, [])
    }
  }

  /// It cannot start: guests are sent away, for nobody will ever answer them.
  private func fail(_ report: ErrorReport, _ facts: NetworkFacts) -> (State?, [Effect]) {
    (
      .failed(State.Failed(report: report, until: facts.now &+ Self.failurePause)),
      [
        .letGo(isFailure: true), .complain(report), .refuse(report),
        .dismissGuests(reason: "the network cannot start"), .dropFrames, .settle,
      ]
    )
  }

  private func socketsRefused(_ report: ErrorReport) -> State? {
    switch state {
    case .stopped: .failed(State.Failed(report: report, until: 0))
    case .failed(let it): .failed(State.Failed(report: report, until: it.until))
    // Its sockets are open in all others.
    case .starting, .running, .restarting, .stopping: nil
    }
  }

  // MARK: The process

  private func complained(_ report: ErrorReport) -> State? {
    switch state {
    case .starting(var it):
      it.complaint = report
      return .starting(it)
    case .running(var it):
      it.complaint = report
      return .running(it)
    case .stopping(var it):
      it.complaint = report
      return .stopping(it)
    case .stopped, .failed, .restarting: return nil
    }
  }

  private mutating func ended(
    _ lifetime: UInt64, _ report: ErrorReport?, _ facts: NetworkFacts
  ) -> (State?, [Effect]) {
    switch state {
    case .stopped, .failed, .restarting: return (nil, [])
    case .stopping(let it): return rest(it.complaint, asked: it.startsAgain)
    case .starting(let it):
      restarts += 1
      failedStarts += 1
      failedStart = report
      guard facts.isWanted || facts.hasWaiters else {
        return restFailed() ?? rest(it.complaint)
      }
      let (next, effects) = restart(
        it.plan, it.complaint, after: backoff.delay(afterLife: lifetime), facts)
      // Held guests wait on; a command gets its answer. The first time it is tried again before.
      let isAgain = backoff.failures > 1 && facts.hasWaiters
      return (next, [.watchGuests] + effects + (isAgain ? [.refuseForDeath] : []))
    case .running(let it):
      restarts += 1
      // One that ran and died is no failed start: who has come meanwhile waits for the next one.
      guard facts.isWanted || facts.hasWaiters else { return rest(it.complaint) }
      let (next, effects) = restart(
        it.plan, it.complaint, after: backoff.delay(afterLife: lifetime), facts)
      return (next, [.watchGuests] + effects)
    }
  }

  /// - Parameter waitIsUnknown: it may take far longer than the delay.
  private func restart(
    _ plan: Plan?, _ complaint: ErrorReport?, after delay: UInt64, waitIsUnknown: Bool = false,
    _ facts: NetworkFacts
  ) -> (State?, [Effect]) {
    let isLong = waitIsUnknown || delay >= Self.longestWaitOfClients
    return (
      .restarting(
        State.Restarting(
          plan: plan, complaint: complaint, retryAt: facts.wallClock &+ delay)),
      [.scheduleRetry(delay: delay)] + (isLong ? [.closeForwards] : [])
    )
  }

  private mutating func rest(
    _ complaint: ErrorReport?, asked: Bool = false
  ) -> (State?, [Effect]) {
    backoff.reset()
    return (
      .stopped(State.Stopped(complaint: complaint)),
      [.letGo(isFailure: false), .watchFrames, .settle, .startIfWanted(asked: asked)]
    )
  }

  /// At rest, and it says why: its last process ended before it had started. The next who wants it has it tried again.
  /// - Returns: nil: nothing is to be said of it.
  private mutating func restFailed() -> (State?, [Effect])? {
    guard let failedStart else { return nil }
    backoff.reset()
    return (
      .failed(State.Failed(report: failedStart, until: 0)),
      [
        .letGo(isFailure: false), .dismissGuests(reason: "the network cannot start"), .watchFrames,
        .settle, .startIfWanted(asked: false),
      ]
    )
  }

  // MARK: Stopping

  private mutating func stop(_ reason: String) -> (State?, [Effect]) {
    // Somebody knows, and has it end: nothing is left to say.
    (failedStarts, failedStart) = (0, nil)
    switch state {
    case .stopped: return (nil, [.settle])
    case .failed: return (.stopped(State.Stopped()), [.settle])
    case .stopping(var it):
      it.startsAgain = false
      return (.stopping(it), [])
    case .starting, .running, .restarting:
      let process = state.process
      return (
        .stopping(
          State.Stopping(plan: state.plan, process: process, complaint: state.error)),
        [
          .announceStop(reason: reason), .dismissGuests(reason: reason), .refuseForStop,
          .end(process),
        ]
      )
    }
  }

  /// Begins the grace period when nobody is left, ends it when somebody is.
  private mutating func demandChanged(_ facts: NetworkFacts) -> (State?, [Effect]) {
    switch state {
    case .restarting where facts.isIdle && !facts.hasUnixgramAddresses:
      return restFailed() ?? stop("its guests have left")
    case .running(var it):
      guard it.isInGracePeriod != facts.isIdle else { return (nil, []) }
      it.isInGracePeriod = facts.isIdle
      return (.running(it), facts.isIdle ? [.beginGrace] : [])
    case .restarting, .stopped, .failed, .starting, .stopping: return (nil, [])
    }
  }

  private mutating func graceOver(_ facts: NetworkFacts) -> (State?, [Effect]) {
    guard case .running(var it) = state, it.isInGracePeriod else { return (nil, []) }
    if facts.isIdle { return stop("no guests") }
    it.isInGracePeriod = false
    return (.running(it), [])
  }
}

extension NetworkEvent: Sendable where Plan: Sendable, Process: Sendable {}
