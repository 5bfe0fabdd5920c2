// SPDX-License-Identifier: Apache-2.0
//
// NetworkProcess: the process of one network. States:
//
//   idle -> (start) running -> (stop, SIGTERM, or the supervisor has closed)
//        stopping -> ended
//
// Stopping: ports down, plugins stopped, within at most 5 s; then destroyed. Plugins are unloaded only by the exit.
// Thread: loop only.

import CPlatform
import HostProtocol
import Platform
import PluginAPI

package final class NetworkProcess {
  enum Phase {
    case idle
    case running
    case stopping
    case ended
  }

  /// Time limit of the plugins' `stop`, nanoseconds.
  package static let stopTime: UInt64 = 5_000_000_000

  let log: HostLog
  let reactor: Reactor
  let executable: String?
  let started = MonotonicClock.now()
  /// Set once, at the end of `init`: it needs the reactor.
  private(set) var control: ControlServer!
  var phase = Phase.idle

  // Set while running.
  var network: NetworkPlugin?
  var dnsPlugin: DNSPlugin?
  var dns: DNSService?
  var ports: GuestPorts?
  /// In place of a network: a DNS plugin behind sockets of the host.
  var server: DNSServer?
  var networkName = ""
  /// "": none.
  var stateDirectory = ""
  /// `start` or `serveDNS` was requested.
  var isStarting = false
  /// Plugins whose `start` is under way.
  var starts: [PluginStart] = []
  var startNumber: UInt64 = 0
  /// SHA-256 of the mapped plugin files, by path.
  var loadedFiles: [String: String] = [:]
  /// In a strict sandbox, which loads none later: those of its DNS.
  var loadedPlugins: [LoadedPlugin] = []
  /// Its root is empty.
  var hasLeftFiles = false
  /// Replaced DNS plugins that have not stopped yet.
  var retiring: [DNSRetirement] = []
  var retirements: UInt64 = 0
  let hashing: FileHashing<DNSChange>
  let listings: Listings
  var leaseNotice = LeaseNotice()
  var confinement: ProcessConfinement

  private var stopRequests: [UInt64] = []
  /// Guests' questions that are under way; nil: there is no journal.
  var questions: QuestionJournal?
  /// Questions during which the previous process died, of guests that have not been added yet.
  var questionsLeft: [QuestionJournal.Left] = []
  /// While one of them is handed to the network again: it is answered SERVFAIL, and how many have died over it.
  var replay: (isRefused: Bool, deaths: UInt32)?
  /// No request has been handled in this turn.
  private var isControlRested = true
  private var stopsPending = 0
  private let terminate: Waker
  var exitStatus: Int32 = 0

  /// Takes ownership of the control channel's fd.
  package init(
    controlFD: Int32, log: HostLog, executable: String?,
    confinement: ProcessConfinement = ProcessConfinement(), heartbeat: Heartbeat = Heartbeat()
  ) throws(SystemError) {
    self.confinement = confinement
    self.log = log
    self.executable = executable
    reactor = try Reactor(heartbeat: heartbeat)
    hashing = FileHashing(waker: reactor.waker)
    listings = Listings(waker: reactor.waker, log: log)
    terminate = try Waker()
    _ = reactor.watch(terminate.readFD, .read, .terminate)
    control = try ControlServer(fd: controlFD, reactor: reactor, log: log)
    reactor.delegate = self
  }

  /// Runs until the network ends; returns the exit status.
  package func run() -> Int32 {
    _ = plat_on_terminate(terminate.writeFD)
    reactor.run()
    control.drain()
    return exitStatus
  }

  // MARK: Stopping

  /// Stops the network. `request` gets its reply at the end.
  func stop(request: UInt64? = nil) {
    if let request { stopRequests.append(request) }
    guard phase == .idle || phase == .running else { return }
    phase = .stopping
    questions?.forgetAll()
    questions = nil
    ports?.removeAll()
    server?.close()
    network?.detachSwitch()
    dns?.stopped = { [weak self] in self?.pluginStopped() }
    // A plugin that has not started is destroyed without a stop.
    let bridges = bridges.filter { $0.instance != nil && $0.isStarted }
    // One extra, so that an early completion cannot finish the stop during this call.
    stopsPending = bridges.count + 1
    for bridge in bridges { bridge.stop() }
    reactor.schedule(.stopDeadline, at: MonotonicClock.now() &+ Self.stopTime)
    pluginStopped()
  }

  func pluginStopped() {
    guard phase == .stopping else { return }
    stopsPending -= 1
    if stopsPending == 0 { end(.ok) }
  }

  func stopDeadlinePassed() {
    guard phase == .stopping else { return }
    let seconds = Self.stopTime / 1_000_000_000
    log.warning("host", "a plugin did not stop within \(seconds) s; ending without it")
    end(.failed(HostError(.timeout, "a plugin did not stop within \(seconds) s")))
  }

  private func end(_ reply: HostReply) {
    phase = .ended
    // Plugins are destroyed at the end of the iteration: this may run inside `op_done`.
    if case .failed = reply { exitStatus = 1 }
    for request in stopRequests { control.reply(request, reply) }
    reactor.stop()
  }

  /// The plugins in use, the network's first.
  var bridges: [PluginBridge] {
    [network?.bridge].compactMap { $0 } + (dnsPlugin?.chain.map(\.bridge) ?? [])
  }

  /// After the last iteration.
  func destroyPlugins() {
    for bridge in bridges { bridge.destroy() }
    for start in starts { start.bridge.destroy() }
    for retirement in retiring { retirement.plugin.bridge.destroy() }
  }

  /// A fatal error: reports it and ends the process.
  func giveUp(_ error: HostError) {
    log.error("host", error.description)
    control.emit(.fatal(error))
    exitStatus = 1
    stop()
  }
}

extension NetworkProcess: ReactorDelegate {
  func controlReady(_ events: PollEvents) {
    isControlRested = false
    let open = control.ready(events) { id, request, fds in handle(id, request, fds) }
    if !open, phase != .ended { supervisorIsGone() }
  }

  private func supervisorIsGone() {
    log.info("host", "the supervisor is gone; stopping")
    stop()
  }

  func listenerReady(_ id: UInt64) { ports?.listenerReady(id) }

  func dnsReady(_ id: UInt64, _ events: PollEvents) { server?.ready(id, events) }

  func terminationRequested() {
    terminate.drain()
    log.info("host", "SIGTERM; stopping")
    stop()
  }

  func loopFailed(_ errno: Errno) {
    giveUp(
      HostError(
        .internal,
        "the loop cannot wait for events: \(errno) (did a plugin close what is not its own?)"))
    // There is no waiting, not even for the plugins to stop.
    phase = .ended
    reactor.stop()
  }

  func hostTimerFired(_ timer: HostTimer) {
    switch timer {
    case .portRetry(let id): ports?.retry(id)
    case .portGate(let id): ports?.gateOpens(id)
    case .probe(let listener): ports?.probe(listener)
    case .probePorts: ports?.probePorts()
    case .probeRing: ports?.probeRing()
    case .stopDeadline: stopDeadlinePassed()
    case .retireDeadline(let number): retireDeadlinePassed(number)
    case .startDeadline(let number): startDeadlinePassed(number)
    case .dnsSweep: server?.sweep()
    case .startIsOver: RestingMemory.release()
    }
  }

  func portsRead() { network?.learningSwitch?.sendHeld() }

  func turnEnded() -> UInt64 {
    portsRead()
    finishStarts()
    network?.announceUplinks()
    var next = min(dns?.work() ?? .max, ports?.turnEnded() ?? .max)
    next = min(next, tellOfLeases())
    if control.hasMore, isControlRested { controlReady([]) }
    isControlRested = true
    if control.hasMore { next = 0 }
    if control.peerHasLeft, phase == .idle || phase == .running { supervisorIsGone() }
    if server?.turnEnded() == true { next = 0 }
    finishDNSChanges()
    finishListings()
    destroyRetired()
    if phase == .ended { destroyPlugins() }
    return next
  }
}

extension NetworkProcess: NetworkServices {
  func pluginAsks(
    _ message: [UInt8], _ transport: DNSTransport, deadline: UInt64, from questioner: DNSQuestioner
  ) -> lnd_op? {
    let ticket = dns?.pluginAsks(
      message, transport, deadline: deadline, from: questioner, refuses: replay?.isRefused == true)
    // TCP ends with the process, and the guest asks again by itself.
    if let ticket, transport == .udp, let questions,
      let (frame, port) = network?.frame(endingIn: message), let guest = ports?.entry(of: port)
    {
      questions.note(
        ticket, guest: guest.port.id, frame: frame, deaths: replay?.deaths ?? 0,
        now: MonotonicClock.now())
    }
    return ticket
  }

  func tellReport(_ plugin: LoadedPlugin, _ state: UInt32, _ text: String) {
    let descriptor = plugin.descriptor
    control.emit(
      .pluginReport(
        PluginReport(
          kind: descriptor.kind, plugin: descriptor.name,
          state: PluginBridge.word(ofState: state), text: text)))
  }

  func pluginCancels(_ operation: lnd_op) {
    questions?.forget(operation)
    dns?.pluginCancels(operation)
  }

  func publish(_ name: String, _ address: String) -> lnd_status {
    leasesChanged()
    return dns?.publish(name, address) ?? LND_ERR_UNSUPPORTED
  }

  func withdraw(_ name: String, _ address: String?) -> lnd_status {
    leasesChanged()
    return dns?.withdraw(name, address) ?? LND_ERR_UNSUPPORTED
  }

  func addUplink(_ uplink: lnd_uplink, takesOffloads: Bool) -> (lnd_status, lnd_port) {
    guard let ports else {
      if uplink.fd >= 0 { Descriptor.close(uplink.fd) }
      return (LND_ERR_UNSUPPORTED, 0)
    }
    return ports.addUplink(uplink, takesOffloads: takesOffloads)
  }

  func removeUplink(_ port: lnd_port) { ports?.removeUplink(port) }

  func networkOperationDone(_ operation: Operation, _ result: Result<[UInt8], HostError>) {
    switch operation {
    case .stop: pluginStopped()
    case .request(let id):
      switch result {
      case .success: control.reply(id, .ok)
      case .failure(let error): control.reply(id, .failed(error))
      }
    case .start, .question, .relayed: break
    }
  }
}
