// SPDX-License-Identifier: Apache-2.0
//
// HostLink: one network-host process and the control channel to it. Requests get exactly one answer: the host's, or a
// failure when the process is gone. The end is the process's own (a pidfd): a process that a plugin has forked may hold
// the channel open for longer, and is killed with its group. What the host sent before its end is read first.
// Loop thread.

import HostProtocol
import JSONCoding
import Platform

final class HostLink {
  /// Kept once: by the process, by a deadline, or by the process's end.
  typealias Answer = Promise<HostReply, HostError>

  struct Pending {
    var answer: Answer
    var timer: EventLoop.TimerID
    var undo: HostRequest?
    /// A user waits for it, not the network itself.
    var isAsked: Bool
  }

  let pid: Int32
  let started: UInt64
  let startedAt: String
  /// Events of the host, in order.
  var onEvent: (HostEvent) -> Void = { _ in }
  /// Once, after the process was reaped. Pending requests have failed before.
  var onExit: (ChildProcess.ExitStatus) -> Void = { _ in }

  private let loop: EventLoop
  let channel: MessageChannel
  private(set) var pending: [UInt64: Pending] = [:]
  /// What takes back what a request does whose answer may still come after it was given up.
  private(set) var undoing: [UInt64: HostRequest] = [:]
  private(set) var nextID: UInt64 = 1
  private var channelEnded = false
  /// The process is gone, or as good as gone: answers from now on are about its end.
  var hasEnded: Bool { channelEnded }
  /// How the process ended, once its status was collected.
  private var exitStatus: ChildProcess.ExitStatus?
  private var isReaped: Bool { exitStatus != nil }
  /// Until the process is reaped, whoever lets go of the link.
  private var untilReaped: HostLink?
  private var deadline: EventLoop.TimerID?
  private var logCheck: EventLoop.TimerID?
  /// Why the channel was given up, if the host broke the protocol.
  private(set) var protocolError: String?
  /// What its loop tells, and what follows from that; see HostLink+Watch.
  let pulse: Pulse
  /// Of a strict sandbox.
  private let resolver: ResolverCopies?
  var watch = Watch()
  /// Requests that were sent.
  private(set) var sent: UInt64 = 0

  /// Nanoseconds a host has to end after it was told to, or after it closed its channel.
  static let endTimeout: UInt64 = 5_000_000_000

  /// Nanoseconds after the end of the process in which its channel has to end, too.
  private static var drainTimeout: UInt64 { 500_000_000 }

  /// Nanoseconds it has for an answer: few where somebody only wants to look, for a plugin may hang.
  private static func patience(_ request: HostRequest) -> UInt64 {
    switch request {
    case .status, .statusOfPorts, .listLeases, .listForwards, .listStations, .listingPart:
      2_000_000_000
    // Plugins have 30 s each to start (LND_START_MS), DNS first.
    case .start, .serveDNS: 65_000_000_000
    case .setDNS: 35_000_000_000
    default: 30_000_000_000
    }
  }

  /// A user waits for the answer and can be told that none comes. All else is what the network owes its guests: it waits
  /// for the process, or for the end of it and the next one.
  private static func isAsked(_ request: HostRequest) -> Bool {
    switch request {
    case .status, .statusOfPorts, .listLeases, .listForwards, .listStations, .listingPart, .resolve,
      .listDNSCache, .flushDNSCache, .startCapture, .expose, .unexpose:
      true
    default: false
    }
  }

  /// Spawns `executable run --control-fd 3 --heartbeat-fd 4`; its output goes to `log`, a descriptor that stays the caller's.
  init(executable: String, log: Int32, loop: EventLoop, setup: ProcessSetup = ProcessSetup())
    throws(SystemError)
  {
    let (own, childs) = try UnixSocket.pair()
    defer { Descriptor.close(childs) }
    do throws(SystemError) {
      channel = try MessageChannel(fd: own)
    } catch {
      Descriptor.close(own)
      throw error
    }
    let null = try Files.openNull()
    defer { Descriptor.close(null) }
    pulse = try Pulse()
    pid = try setup.spawn(
      executable, ["run", "--control-fd", "3", "--heartbeat-fd", "4"],
      fds: [(from: null, to: 0), (from: childs, to: 3), (from: pulse.fd, to: 4)], output: log)
    resolver = setup.resolver
    self.loop = loop
    started = MonotonicClock.now()
    startedAt = WallClock.timestamp()
    do throws(SystemError) {
      try attach()
    } catch {
      ChildProcess.kill(pid, 9)
      _ = try? ChildProcess.wait(pid)
      throw error
    }
    untilReaped = self
    ChildWatch.begin(pid, on: loop) { [self] in exited($0) }
    beginWatch(loop)
  }

  /// A process that a supervisor before this one has started, of which `state` tells; takes over its descriptors.
  init(
    resuming state: ProcessState, loop: EventLoop, resolver: ResolverCopies? = nil
  ) throws(SystemError) {
    self.resolver = resolver
    do throws(SystemError) {
      channel = try MessageChannel(fd: state.channel, unread: state.unread)
    } catch {
      Descriptor.close(state.channel)
      Descriptor.close(state.heartbeat)
      throw error
    }
    do throws(SystemError) {
      pulse = try Pulse(fd: state.heartbeat)
    } catch {
      Descriptor.close(state.heartbeat)
      throw error
    }
    pid = state.pid
    started = state.started
    startedAt = state.startedAt
    self.loop = loop
    nextID = state.nextID
    sent = state.sent
    undoing = Dictionary(state.undoing.map { ($0.id, $0.request) }) { first, _ in first }
    try attach()
    untilReaped = self
    ChildWatch.begin(pid, on: loop) { [self] in exited($0) }
    beginWatch(loop)
  }

  /// Looks every 10 s whether what it prints, a file at `path`, has grown beyond its limit, and gives it another then.
  func boundLog(_ path: String) {
    guard !channelEnded else { return }
    if NetworkLog.isFull(path), let log = try? NetworkLog.open(path) {
      defer { Descriptor.close(log) }
      send(.newLog, fds: [log])
    }
    logCheck = loop.schedule(after: NetworkLog.interval) { [weak self] in self?.boundLog(path) }
  }

  private func attach() throws(SystemError) {
    try channel.attach(
      to: loop,
      onMessage: { [weak self] message in self?.received(message) },
      onClose: { [weak self] failure in self?.closed(failure) })
  }

  /// Asks the host and waits for its answer. `fds` stay the caller's.
  @discardableResult
  func ask(_ request: HostRequest, fds: [Int32] = []) async throws(HostError) -> HostReply {
    try await send(request, fds: fds).value()
  }

  /// Asks the host: it has the request before any that is sent later. `fds` stay the caller's, who may close them at once.
  @discardableResult
  func send(_ request: HostRequest, fds: [Int32] = []) -> Answer {
    let answer = Answer()
    guard !channelEnded else {
      answer.fail(HostError(.internal, "the network's process has ended"))
      return answer
    }
    let id = nextID
    nextID += 1
    do {
      let bytes = try HostCodec.encode(request, id: id)
      let patience = Self.patience(request)
      let timer = loop.schedule(after: patience) { [weak self] in self?.timedOut(id, patience) }
      pending[id] = Pending(
        answer: answer, timer: timer, undo: Self.undo(request),
        isAsked: Self.isAsked(request))
      let failure = channel.post(bytes, fds: fds, on: loop)
      if failure == nil { sent += 1 }
      guard let failure, failure != .closed, let asked = pending.removeValue(forKey: id) else {
        return answer
      }
      // This one only: the daemon may be out of descriptors, and the next has none with it.
      loop.cancel(asked.timer)
      answer.fail(HostError(.system, "the network's process cannot be asked: \(failure)"))
    } catch {
      answer.fail(HostError(.internal, "a request could not be encoded: \(error)"))
    }
    return answer
  }

  private func timedOut(_ id: UInt64, _ patience: UInt64) {
    let seconds = patience / 1_000_000_000
    let reason =
      silence.map { "does not respond: \($0.text)" }
      ?? "has not answered for \(seconds) s: does a plugin hang?"
    giveUp(id, HostError(.timeout, "its process \(pid) \(reason)"))
  }

  private func giveUp(_ id: UInt64, _ error: HostError) {
    guard let asked = pending.removeValue(forKey: id) else { return }
    loop.cancel(asked.timer)
    if undoing.count < Self.mostUndoing { undoing[id] = asked.undo }
    asked.answer.fail(error)
  }

  /// Tells users who wait for an answer that none comes for now.
  func disappoint(_ error: HostError) {
    for (id, asked) in pending.sorted(by: { $0.key < $1.key }) where asked.isAsked {
      giveUp(id, error)
    }
  }

  private static let mostUndoing = 1024

  private static func undo(_ request: HostRequest) -> HostRequest? {
    switch request {
    case .expose(let spec): .unexpose(spec)
    case .startCapture(let spec): .stopCapture(spec.id)
    default: nil
    }
  }

  /// Who asked was told that it failed: it must not be there now, unlisted.
  private func answeredLate(_ id: UInt64, _ reply: HostReply) {
    guard let undo = undoing.removeValue(forKey: id) else { return }
    if case .failed = reply { return }
    send(undo)
  }

  /// Asks the host to wind down; kills it when it takes longer than 5 s.
  func stop() {
    send(.stop)
    killAfter(Self.endTimeout)
  }

  /// Ends the process now.
  func kill() {
    if !isReaped { ChildProcess.kill(pid, 9) }
  }

  private func killAfter(_ delay: UInt64) {
    guard deadline == nil, !isReaped else { return }
    deadline = loop.schedule(after: delay) { [weak self] in self?.kill() }
  }

  private func received(_ message: MessageChannel.Message) {
    for fd in message.fds { Descriptor.close(fd) }
    do {
      switch try HostCodec.decodeMessage(message.bytes) {
      case .reply(let id, let reply):
        guard let asked = pending.removeValue(forKey: id) else {
          return answeredLate(id, reply)
        }
        loop.cancel(asked.timer)
        if case .failed(let error) = reply {
          asked.answer.fail(error)
        } else {
          asked.answer.keep(.success(reply))
        }
        // What the answer changes has changed before the next message is read: an event may build on it.
        loop.afterCallback?()
      case .event(let event):
        onEvent(event)
      }
    } catch {
      // Plugins live in that process: what it says is not trusted, and one that talks nonsense is replaced.
      protocolError =
        "the network's process sent a message that makes no sense: \(JSONText.explain(error))"
      kill()
    }
  }

  private func closed(_ failure: MessageChannel.Failure) {
    channelEnded = true
    if let logCheck { loop.cancel(logCheck) }
    endWatch(loop)
    if case .malformed = failure { protocolError = "the network's process: \(failure)" }
    if let exitStatus { finished(exitStatus) } else { killAfter(Self.endTimeout) }
  }

  /// The process has ended: what it left behind ends with it, and with that usually the channel, at once.
  private func exited(_ status: ChildProcess.ExitStatus) {
    exitStatus = status
    ChildProcess.killGroup(of: pid)
    if let deadline { loop.cancel(deadline) }
    guard !channelEnded else { return finished(status) }
    deadline = loop.schedule(after: Self.drainTimeout) { [weak self] in
      guard let self, !channelEnded else { return }
      // A process that has left the group holds it.
      channel.detach(from: loop)
      closed(.closed)
    }
  }

  /// Both have ended, the process and its channel.
  private func finished(_ status: ChildProcess.ExitStatus) {
    if let deadline { loop.cancel(deadline) }
    let orphans = pending.sorted { $0.key < $1.key }
    pending = [:]
    for (_, asked) in orphans {
      loop.cancel(asked.timer)
      asked.answer.fail(HostError(.internal, "the network's process ended: \(status)"))
    }
    // They hear of it before the network does, which may start the next.
    loop.afterCallback?()
    onExit(status)
    onExit = { _ in }
    onEvent = { _ in }
    untilReaped = nil
  }
}
