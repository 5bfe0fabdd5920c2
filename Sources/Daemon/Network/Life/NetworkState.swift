// SPDX-License-Identifier: Apache-2.0
//
// NetworkState: what a network does, and what it has only while it does that. NetworkLife has the transitions.

import HostProtocol

/// - Parameters:
///   - Plan: what its process is, or will be, started with.
///   - Process: the process.
enum NetworkState<Plan, Process> {
  /// At rest: sockets listen, no process runs.
  case stopped(Stopped)
  /// It cannot start; guests are sent away.
  case failed(Failed)
  /// A plan, an interface and a process are being got for it.
  case starting(Starting)
  case running(Running)
  /// It ran, or began to, and starts again soon: guests wait.
  case restarting(Restarting)
  case stopping(Stopping)

  struct Stopped {
    /// What its last process complained of.
    var complaint: ErrorReport?
  }

  struct Failed {
    var report: ErrorReport
    /// ns, monotonic: guests try every second, and do not start it until then.
    var until: UInt64
  }

  struct Starting {
    /// Counts starts, so that answers to an earlier one are recognised.
    var attempt: Int
    /// Until there is one: that of the process before.
    var plan: Plan?
    var process: Process?
    var complaint: ErrorReport?
  }

  struct Running {
    var plan: Plan?
    var process: Process
    var complaint: ErrorReport?
    /// Nobody is left, and it ends unless somebody comes in time.
    var isInGracePeriod = false
    /// Why its process is being ended, where that is known.
    var endReason: String?
  }

  struct Restarting {
    var plan: Plan?
    var complaint: ErrorReport?
    /// When, ns since 1970.
    var retryAt: UInt64
  }

  struct Stopping {
    var plan: Plan?
    /// Nil: there is none to wait for.
    var process: Process?
    var complaint: ErrorReport?
    /// A guest or a command came meanwhile.
    var startsAgain = false
  }

  // MARK: What is there

  var phase: NetworkPhase {
    switch self {
    case .stopped: .stopped
    case .failed: .failed
    case .starting: .starting
    case .running: .running
    case .restarting: .restarting
    case .stopping: .stopping
    }
  }

  /// What the process runs with, or is about to.
  var plan: Plan? {
    switch self {
    case .stopped, .failed: nil
    case .starting(let it): it.plan
    case .running(let it): it.plan
    case .restarting(let it): it.plan
    case .stopping(let it): it.plan
    }
  }

  /// The process, however far it is.
  var process: Process? {
    switch self {
    case .stopped, .failed, .restarting: nil
    case .starting(let it): it.process
    case .running(let it): it.process
    case .stopping(let it): it.process
    }
  }

  /// The process that answers.
  var running: Process? {
    if case .running(let it) = self { it.process } else { nil }
  }

  /// Why it does not run, or what its process complained of.
  var error: ErrorReport? {
    switch self {
    case .stopped(let it): it.complaint
    case .failed(let it): it.report
    case .starting(let it): it.complaint
    case .running(let it): it.complaint
    case .restarting(let it): it.complaint
    case .stopping(let it): it.complaint
    }
  }

  /// ns since 1970.
  var retryAt: UInt64? {
    if case .restarting(let it) = self { it.retryAt } else { nil }
  }

  var isInGracePeriod: Bool {
    if case .running(let it) = self { it.isInGracePeriod } else { false }
  }

  var endReason: String? {
    if case .running(let it) = self { it.endReason } else { nil }
  }

  /// Guests who come are sent away.
  /// - Parameter now: ns, monotonic.
  func refusesGuests(at now: UInt64) -> Bool {
    if case .failed(let it) = self { now < it.until } else { false }
  }

  /// An answer to this attempt to start is still wanted.
  func isStarting(_ attempt: Int) -> Bool {
    if case .starting(let it) = self { it.attempt == attempt } else { false }
  }
}
