// SPDX-License-Identifier: Apache-2.0
//
// TLSResolver: the plugin's instance. Passes questions to a thread of SwiftNIO, which communicates with the servers
// (Upstream), and gets their answers through `wake`. The host validates questions and answers, and has deadlines and the
// cache; this plugin only transports them.
//
// Threads: the network's loop, and one of NIO. They exchange data through `Mailbox`.

import LimaNetdSDK
import NIOCore
import NIOPosix
import NIOSSL
import PluginAPI
import Synchronization

public final class TLSResolver: DNSPlugin {
  private let settings: TLSSettings
  private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  private let mailbox: Mailbox
  private var pool: UpstreamPool?
  private var stopping: lnd_op?
  private var isShutDown = false

  public required init(host: HostContext, config: DNSConfig) throws(PluginFailure) {
    settings = try TLSSettings(config.options)
    mailbox = Mailbox(host.waker)
    try super.init(host: host, config: config)
  }

  deinit {
    // The thread calls `wake`, so it must end before the host's table is freed.
    if !isShutDown { try? group.syncShutdownGracefully() }
  }

  /// Being offline is no failure: the first connection is opened for the first question.
  public override func start() throws(PluginFailure) {
    var tls = TLSConfiguration.makeClientConfiguration()
    tls.minimumTLSVersion = .tlsv12  // RFC 8310 9, RFC 9325
    if let file = settings.caFile { tls.trustRoots = .file(file) }
    let context: NIOSSLContext
    do {
      if let file = settings.caFile { _ = try NIOSSLCertificate.fromPEMFile(file) }
      context = try NIOSSLContext(configuration: tls)
    } catch {
      let place = settings.caFile == nil ? nil : "/caFile"
      throw .invalid(place, "the trusted authorities cannot be read: \(error)")
    }
    pool = UpstreamPool(
      settings: settings, context: context, loop: group.any(), mailbox: mailbox)
  }

  public override func stop(_ op: lnd_op) {
    stopping = op
    let mailbox = self.mailbox
    pool?.close()
    group.shutdownGracefully { _ in mailbox.stopped() }
  }

  public override func resolve(_ op: lnd_op, _ query: DNSQuery) {
    guard let pool, stopping == nil else { return host.complete(op, LND_ERR_CANCELLED) }
    pool.ask(op, Array(query.message), deadline: .uptimeNanoseconds(query.deadline))
  }

  public override func cancel(_ op: lnd_op) { pool?.forget(op) }

  public override func onEvent(_ event: UInt32) {
    if event == LND_EVENT_NETWORK_CHANGED { pool?.networkChanged() }
  }

  public override func onWake() {
    let (results, isStopped) = mailbox.take()
    for result in results {
      switch result.answer {
      case .success(let bytes):
        bytes.withUnsafeBytes { host.complete(result.op, LND_OK, $0) }
      case .failure(let failure):
        host.complete(result.op, failure: PluginFailure(LND_ERR_SYSTEM, failure.text))
      }
    }
    guard isStopped else { return }
    isShutDown = true
    if let op = stopping { host.complete(op) }
    stopping = nil
  }

  public override func status(_ sink: lnd_sink) {
    let counters = mailbox.counters
    let status: JSONValue = [
      "servers": .array(settings.servers.map { .string($0.description) }),
      "connections": .integer(Int64(counters.connections)),
      "asked": .integer(Int64(counters.asked)),
      "answered": .integer(Int64(counters.answered)),
      "failures": .integer(Int64(counters.failures)),
      "lastError": counters.lastError.map(JSONValue.string) ?? .null,
    ]
    host.write(sink, status.text)
  }
}

/// The reason why no server answered.
struct Unanswered: Error {
  let text: String
}

/// Answers from NIO's thread for the loop.
final class Mailbox: Sendable {
  struct Result: Sendable {
    let op: lnd_op
    let answer: Swift.Result<[UInt8], Unanswered>
  }

  struct Counters: Sendable {
    /// Number of connections since the start.
    var connections: UInt64 = 0
    var asked: UInt64 = 0
    var answered: UInt64 = 0
    var failures: UInt64 = 0
    var lastError: String?
  }

  private struct State {
    var results: [Result] = []
    var isStopped = false
    var counters = Counters()
  }

  private let state = Mutex(State())
  private let waker: Waker

  init(_ waker: Waker) { self.waker = waker }

  func put(_ op: lnd_op, _ answer: Swift.Result<[UInt8], Unanswered>) {
    let isFirst = state.withLock { state in
      if case .success = answer {
        state.counters.answered &+= 1
      } else {
        state.counters.failures &+= 1
      }
      state.results.append(Result(op: op, answer: answer))
      return state.results.count == 1
    }
    if isFirst { waker.wake() }
  }

  func stopped() {
    state.withLock { $0.isStopped = true }
    waker.wake()
  }

  func take() -> (results: [Result], isStopped: Bool) {
    state.withLock { state in
      let taken = (state.results, state.isStopped)
      state.results = []
      return taken
    }
  }

  func count(_ change: (inout Counters) -> Void) { state.withLock { change(&$0.counters) } }

  var counters: Counters { state.withLock { $0.counters } }

  func log(_ text: String) { waker.log(.warn, text) }
}
