// SPDX-License-Identifier: Apache-2.0
//
// DNSStandaloneServer: a DNS plugin on sockets of the host, without a network: a network process that is restarted when it
// dies. This process owns the sockets, so that they stay bound and questions wait in them meanwhile. Runs a loop on the
// calling thread.

import HostProtocol
import Platform

package final class DNSStandaloneServer {
  private let what: DNSStandalone
  private let executable: String
  /// Bound and, for TCP, listening.
  private let sockets: [Int32]
  /// Of questions that are under way: the next process asks what the one before died over.
  private let journal: Int32
  private let loop: EventLoop
  private let actor: LoopActor
  private let ready: (Int32) -> Void
  private let complain: (String) -> Void
  private var link: HostLink?
  private var backoff = Backoff()
  private var hasServed = false
  private var isStopping = false
  private var failure: ErrorReport?
  /// The bound of standard error of this process and its child.
  private var output = OutputBound()
  /// Why a hung process was ended.
  private var hangReason: String?

  /// Serves until SIGTERM or SIGINT; on SIGHUP the plugin reads the host's network configuration again.
  /// - Parameters:
  ///   - udp: bound.
  ///   - tcp: listening.
  ///   - ready: called once, with the process id, when questions are answered.
  ///   - complain: called with messages about errors.
  /// - Throws: the reason why it could not start, or continue.
  package static func run(
    _ what: DNSStandalone, udp: Int32, tcp: Int32, installation: Installation,
    ready: @escaping (Int32) -> Void, complain: @escaping (String) -> Void
  ) throws {
    Signals.ignoreBrokenPipes()
    CurrentProcess.raiseDescriptorLimit()
    let loop = try EventLoop()
    let signals = try SignalReceiver([.terminate, .interrupt, .hangup])
    let journal = try SharedMemory.create(name: "lima-netd-dns", size: JournalLayout.size)
    defer { Descriptor.close(journal) }
    let server = DNSStandaloneServer(
      what, executable: installation.hostExecutable, sockets: [udp, tcp], journal: journal,
      loop: loop, ready: ready, complain: complain)
    try loop.add(signals.fd, .read) { _ in
      for signal in signals.receive() { server.received(signal) }
    }
    server.boundOutput()
    server.start()
    loop.run()
    if let failure = server.failure { throw failure }
  }

  private init(
    _ what: DNSStandalone, executable: String, sockets: [Int32], journal: Int32, loop: EventLoop,
    ready: @escaping (Int32) -> Void, complain: @escaping (String) -> Void
  ) {
    self.what = what
    self.executable = executable
    self.sockets = sockets
    self.journal = journal
    self.loop = loop
    actor = LoopActor.running(loop)
    self.ready = ready
    self.complain = complain
  }

  private func received(_ signal: Signal) {
    switch signal {
    case .hangup: link?.send(.networkChanged)
    case .upgrade: break
    case .terminate, .interrupt:
      isStopping = true
      guard let link else { return loop.stop() }
      link.stop()
    }
  }

  // MARK: What is printed

  private func boundOutput() {
    switch output.look() {
    case .none: break
    case .full:
      complain(
        "this file has \(OutputBound.limit >> 20) MiB, which is as long as it may be: what follows is left out until it is emptied"
      )
      printElsewhere()
    case .hasRoomAgain: link?.send(.newLog, fds: [2])
    }
    loop.schedule(after: OutputBound.interval) { [weak self] in self?.boundOutput() }
  }

  private func printElsewhere() {
    guard let link, let null = try? Files.openNull() else { return }
    link.send(.newLog, fds: [null])
    Descriptor.close(null)
  }

  private func say(_ text: String) {
    if !output.isFull { complain(text) }
  }

  // MARK: The process

  private func start() {
    guard !isStopping else { return loop.stop() }
    do throws(SystemError) {
      let null = output.isFull ? try Files.openNull() : -1
      defer { if null >= 0 { Descriptor.close(null) } }
      let link = try HostLink(executable: executable, log: null >= 0 ? null : 2, loop: loop)
      self.link = link
      link.onExit = { [weak self, weak link] status in
        guard let self, let link, self.link === link else { return }
        ended(link, status)
      }
      watch(link)
      let spec = DNSServerSpec(
        name: "standalone", dns: what.spec, confinement: what.confinement)
      let served = link.send(.serveDNS(spec), fds: sockets + [journal])
      actor.begin { [self] in
        do throws(HostError) {
          _ = try await served.value()
          if !link.hasEnded { await give(to: link) }
        } catch {
          if !link.hasEnded { fail(error) }
        }
      }
    } catch {
      fail(HostError(.system, "\(name) cannot start: \(error)"))
      loop.stop()
    }
  }

  /// Replaces a hung process, as that of a network.
  private func watch(_ link: HostLink) {
    link.watch.limit = { [weak self] in
      guard let self, hasServed, !isStopping else { return nil }
      return UInt64(NetworkConfiguration.defaultWatchdog) * 1_000_000_000
    }
    link.watch.onHung = { [weak self, weak link] silence in
      guard let self, let link, self.link === link else { return }
      hangReason = "it did not respond (\(silence.text))"
      link.kill()
    }
  }

  /// The names that it answers by itself, part by part.
  private func give(to link: HostLink) async {
    var parts = NameParts()
    parts.replace(NameSet(owner: "command", hosts: what.hosts))
    while let part = parts.next(of: "command") {
      do throws(HostError) { _ = try await link.ask(.setNames(part)) } catch {
        guard !link.hasEnded else { return }
        fail(error)
        return link.kill()
      }
      guard !link.hasEnded else { return }
    }
    announce(link)
  }

  private func announce(_ link: HostLink) {
    guard !hasServed else { return }
    hasServed = true
    ready(link.pid)
  }

  /// The process's name in messages.
  private var name: String {
    "the process of DNS plugin \(what.plugin.plugin.name) \(what.plugin.module.version) (\(what.plugin.file))"
  }

  private func fail(_ error: HostError) {
    failure = failure ?? ErrorReport(code: error.code.rawValue, message: error.description)
  }

  private func ended(_ link: HostLink, _ status: ChildProcess.ExitStatus) {
    self.link = nil
    if isStopping || failure != nil { return loop.stop() }
    let reason = hangReason ?? link.protocolError ?? status.description
    hangReason = nil
    guard hasServed else {
      fail(HostError(.internal, "\(name) ended while it started: \(reason)"))
      return loop.stop()
    }
    let delay = backoff.delay(afterLife: MonotonicClock.now() &- link.started)
    say("\(name) ended: \(reason); starting it again")
    loop.schedule(after: delay) { [weak self] in self?.start() }
  }
}
