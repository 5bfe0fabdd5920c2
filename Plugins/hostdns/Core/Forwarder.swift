// SPDX-License-Identifier: Apache-2.0
//
// Sends queries to nameservers, non-blocking, many at a time.
//
// Queries that overlap in time share connected UDP sockets with random ports (Forwarder+Datagrams.swift), each with a
// random id. The kernel drops datagrams from other addresses; answers to other queries are ignored and counted (RFC
// 5452 9). A truncated answer is fetched over TCP from the same server (Forwarder+TCP.swift, RFC 7766 5). After a
// refusal, failure or timeout the next server is tried; the list is tried `attempts` times. A late answer is accepted
// until the exchange ends. The server that answered last is tried first for a while. Forwarder+Answers.swift
// classifies the answers.

import DNSMessage
import LimaNetdSDK
import Platform
import PluginAPI

/// Loop thread. Bounded: `maximumUnderWay` queries, `maximumSockets` sockets of each kind, of which no zone gets more
/// than half of the connections; other queries are queued, and the host bounds their number.
final class Forwarder {
  let host: HostContext
  /// Gets the complete answer with the operation's id, or why no server gave one.
  private let deliver: (Waiter, ServersAnswer) -> Void
  var counters = Counters()
  /// All exchanges that have not ended.
  private var exchanges: [ObjectIdentifier: Exchange] = [:]
  /// Exchanges that operations with the same question may join.
  private var joinable: [HostDNSQuestion.Key: Exchange] = [:]
  private var ops: [lnd_op: Exchange] = [:]
  /// Open UDP sockets by token; those that accept more queries.
  var sockets: [UInt64: DatagramSocket] = [:]
  var current: [DatagramSocket] = []
  /// Sockets that failed during other work; `drain` closes them.
  var broken: [(socket: DatagramSocket, error: Errno)] = []
  /// Attempts over TCP by token; their number per share.
  private var streams: [UInt64: (exchange: Exchange, attempt: Attempt)] = [:]
  private var streamsOf: [DNSName: Int] = [:]
  /// Exchanges that wait for a socket.
  private var line: [Exchange] = []
  private var isDraining = false
  var lastToken: UInt64 = 0
  private var random = SystemRandomNumberGenerator()
  /// Unused random bits: one system call gives four ids.
  private var randomBits: (value: UInt64, count: Int) = (0, 0)
  /// One timer for all attempts, due at the earliest end of one, or before.
  private var timer: (handle: lnd_handle, due: UInt64) = (0, .max)
  private var favourite: (server: ServerAddress, until: UInt64)?

  /// Maximum queries sent to servers at one time.
  static let maximumUnderWay = 2048
  static let maximumSockets = 256
  /// Exchanges restarted at once when the servers change: some milliseconds' work.
  private static let maximumRestarts = 256
  /// Maximum queued exchanges checked when a socket becomes free.
  private static let maximumLooks = 64
  /// Nanoseconds for which a server that answered after another had failed is tried first.
  static let favour: UInt64 = 30_000_000_000
  /// Nanoseconds before the deadline at which the best insufficient answer is returned.
  private static let headStart: UInt64 = 50_000_000
  /// Minimum nanoseconds between two checks for expired attempts.
  static let patience: UInt64 = 10_000_000

  struct Counters {
    var sent: UInt64 = 0
    var answers: UInt64 = 0
    var overTCP: UInt64 = 0
    var timeouts: UInt64 = 0
    /// Datagrams with another id or question.
    var strangers: UInt64 = 0
    var failures: UInt64 = 0
    var shared: UInt64 = 0
  }

  init(host: HostContext, deliver: @escaping (Waiter, ServersAnswer) -> Void) {
    self.host = host
    self.deliver = deliver
  }

  var underWay: Int { exchanges.count }

  /// Exchanges that are not queued.
  private var active: Int { exchanges.count - line.count }

  /// Queries the servers, or joins an exchange with the same question.
  func resolve(_ waiter: Waiter, _ plan: ForwardPlan, deadline: UInt64) {
    if let exchange = joinable[waiter.question.key] {
      counters.shared &+= 1
      exchange.waiters.append(waiter)
      exchange.deadline = max(exchange.deadline, deadline)
      ops[waiter.op] = exchange
      return
    }
    var plan = plan
    plan.servers = ordered(plan.servers)
    let exchange = Exchange(waiter, plan: plan, deadline: deadline)
    let isRoom = active < Self.maximumUnderWay
    exchanges[ObjectIdentifier(exchange)] = exchange
    joinable[exchange.key] = exchange
    ops[waiter.op] = exchange
    if isRoom { advance(exchange) } else { queue(exchange) }
    drain()
  }

  /// Cancels an operation; false when it is not one of these.
  func cancel(_ op: lnd_op) -> Bool {
    guard let exchange = ops.removeValue(forKey: op) else { return false }
    exchange.waiters.removeAll { $0.op == op }
    if exchange.waiters.isEmpty { close(exchange) }
    return true
  }

  /// The servers or their options have changed: what was learned of the old servers is dropped, their exchanges can
  /// no longer be joined and are restarted.
  func startOver(_ plan: ForwardPlan) {
    favourite = nil
    joinable.removeAll()
    for exchange in Array(exchanges.values.prefix(Self.maximumRestarts)) {
      for attempt in exchange.attempts { end(attempt, of: exchange) }
      leaveLine(exchange)
      exchange.plan = plan
      exchange.begun = 0
      exchange.withoutEDNS = []
      exchange.fallback = nil
      exchange.trouble = nil
      advance(exchange)
    }
    drain()
  }

  /// A watched socket is ready.
  func ready(_ token: UInt64) {
    if let socket = sockets[token] {
      readyDatagrams(socket)
    } else if let (exchange, attempt) = streams[token] {
      readyStream(exchange, attempt)
    }
    drain()
  }

  /// The timer is due: handles expired attempts.
  func timedOut() {
    timer = (0, .max)
    let now = host.now
    var late: [Exchange] = []
    var next = UInt64.max
    for exchange in exchanges.values {
      if exchange.nextAt <= now { late.append(exchange) } else { next = min(next, exchange.nextAt) }
    }
    if next != .max { wake(at: max(next, now &+ Self.patience)) }
    for exchange in late where exchange.nextAt <= now {
      if let newest = exchange.attempts.last {
        counters.timeouts &+= 1
        disfavour(newest.server)
      }
      advance(exchange)
    }
    drain()
  }

  private func wake(at time: UInt64) {
    guard time < timer.due else { return }
    stopTimer()
    timer = (host.timer(at: time, user: 0), time)
  }

  private func stopTimer() {
    if timer.handle != 0 { host.cancel(timer: timer.handle) }
    timer = (0, .max)
  }

  /// Cancels everything.
  func stop() {
    for exchange in exchanges.values {
      for attempt in exchange.attempts { end(attempt, of: exchange) }
    }
    exchanges.removeAll()
    joinable.removeAll()
    ops.removeAll()
    line.removeAll()
    stopTimer()
  }

  // MARK: Attempts

  /// Makes the next attempt that can be started. Without another one the exchange waits for its open attempts until
  /// its deadline, or, if there is an insufficient answer already, only until the newest attempt expires.
  func advance(_ exchange: Exchange) {
    guard exchanges[ObjectIdentifier(exchange)] != nil, !exchange.isInLine else { return }
    let plan = exchange.plan
    let bound = plan.servers.count * Int(plan.attempts)
    let now = host.now
    while exchange.begun < bound, now < exchange.deadline {
      let server = plan.servers[exchange.begun % plan.servers.count]
      exchange.begun += 1
      if begin(exchange, server, stream: plan.usesTCP) { return }
    }
    let end: UInt64
    if exchange.fallback == nil {
      end = exchange.deadline
    } else {
      // Before the host's own deadline, at which it would answer SERVFAIL.
      let latest = exchange.attempts.reduce(0) { max($0, $1.until) }
      end = min(latest, exchange.deadline &- Self.headStart)
    }
    if exchange.attempts.isEmpty || now >= end {
      if exchange.fallback == nil { counters.failures &+= 1 }
      return finish(exchange, exchange.fallback)
    }
    exchange.nextAt = end
    wake(at: end)
  }

  /// Queries a server; false when that cannot be started. Without a free socket the exchange is queued.
  func begin(_ exchange: Exchange, _ server: ServerAddress, stream: Bool) -> Bool {
    let result =
      stream ? beginStream(exchange, server) : beginDatagram(exchange, server)
    switch result {
    case .failed(let error):
      exchange.trouble = ServerTrouble(server: server, error: error)
      return false
    case .noSocket:
      if stream { exchange.wantsStream = server } else { exchange.begun -= 1 }
      queue(exchange)
    case .begun(let attempt):
      counters.sent &+= 1
      exchange.attempts.append(attempt)
      if attempt.isStream {
        streams[attempt.token] = (exchange, attempt)
        streamsOf[exchange.share, default: 0] += 1
      }
      attempt.until = min(
        host.now &+ UInt64(exchange.plan.timeout) * 1_000_000_000, exchange.deadline)
      exchange.nextAt = attempt.until
      wake(at: exchange.nextAt)
    }
    return true
  }

  /// An unpredictable id.
  func randomID() -> UInt16 {
    if randomBits.count == 0 { randomBits = (random.next(), 4) }
    let id = UInt16(truncatingIfNeeded: randomBits.value)
    randomBits = (randomBits.value >> 16, randomBits.count - 1)
    return id
  }

  enum Beginning {
    case begun(Attempt)
    case noSocket
    case failed(Errno)
  }

  /// Whether there are sockets whose end makes room.
  var isBusy: Bool { !sockets.isEmpty || !streams.isEmpty }

  /// Whether a share may have another connection.
  func hasStreamToSpare(_ share: DNSName) -> Bool {
    streams.count < Self.maximumSockets && streamsOf[share, default: 0] < Self.maximumSockets / 2
  }

  /// Ends an attempt.
  func end(_ attempt: Attempt, of exchange: Exchange) {
    guard let index = exchange.attempts.firstIndex(where: { $0 === attempt }) else { return }
    exchange.attempts.remove(at: index)
    if let socket = attempt.socket {
      socket.pending[attempt.id] = nil
      if socket.pending.isEmpty { close(socket) }
    } else {
      streams[attempt.token] = nil
      let left = streamsOf[exchange.share, default: 1] - 1
      streamsOf[exchange.share] = left == 0 ? nil : left
      host.unwatch(attempt.watch)
      Descriptor.close(attempt.fd)
    }
  }

  /// An attempt has failed. The next one is made, unless a newer one is still waiting.
  /// - Parameter error: the network error; nil when the server itself answered with a failure.
  func failed(_ attempt: Attempt, of exchange: Exchange, _ error: Errno? = nil) {
    if let error { exchange.trouble = ServerTrouble(server: attempt.server, error: error) }
    let isNewest = exchange.attempts.last === attempt
    end(attempt, of: exchange)
    let isLast = exchange.begun >= exchange.plan.servers.count * Int(exchange.plan.attempts)
    if isNewest || isLast { advance(exchange) }
  }

  /// Completes all waiting operations; nil is a failure, whose reason the exchange has.
  func finish(_ exchange: Exchange, _ answer: [UInt8]?) {
    let waiters = exchange.waiters
    exchange.waiters = []
    close(exchange)
    for waiter in waiters {
      ops[waiter.op] = nil
      deliver(
        waiter,
        answer.map { .message(waiter.question.claim($0)) } ?? .failure(exchange.reason))
    }
  }

  /// Ends an exchange and starts the next queued one.
  private func close(_ exchange: Exchange) {
    for attempt in exchange.attempts { end(attempt, of: exchange) }
    for waiter in exchange.waiters { ops[waiter.op] = nil }
    exchanges[ObjectIdentifier(exchange)] = nil
    if joinable[exchange.key] === exchange { joinable[exchange.key] = nil }
    leaveLine(exchange)
    drain()
    if exchanges.isEmpty { stopTimer() }
  }

  // MARK: The line

  private func queue(_ exchange: Exchange) {
    exchange.isInLine = true
    // Without an attempt only its deadline can expire.
    if exchange.attempts.isEmpty { exchange.nextAt = .max }
    line.append(exchange)
  }

  private func leaveLine(_ exchange: Exchange) {
    guard exchange.isInLine else { return }
    exchange.isInLine = false
    exchange.wantsStream = nil
    line.removeAll { $0 === exchange }
  }

  /// Closes failed sockets and starts queued exchanges as far as there is room. Not reentrant: exchanges that fail at
  /// once are handled in the same loop.
  private func drain() {
    guard !isDraining, !broken.isEmpty || !line.isEmpty else { return }
    isDraining = true
    defer { isDraining = false }
    repeat {
      while let (socket, error) = broken.popLast() { fail(socket, error) }
      for _ in 0..<min(line.count, Self.maximumLooks)
      where active < Self.maximumUnderWay && !line.isEmpty {
        let exchange = line.removeFirst()
        exchange.isInLine = false
        if let server = exchange.wantsStream {
          exchange.wantsStream = nil
          if !begin(exchange, server, stream: true) { advance(exchange) }
        } else {
          advance(exchange)
        }
        // Queued again: there is no room yet, or none for its share.
        if line.last === exchange,
          exchange.wantsStream == nil || streams.count >= Self.maximumSockets
        {
          break
        }
      }
    } while !broken.isEmpty
  }

  // MARK: Which server first

  private func ordered(_ servers: [ServerAddress]) -> [ServerAddress] {
    guard let favourite, favourite.until > host.now,
      let index = servers.firstIndex(of: favourite.server), index > 0
    else { return servers }
    return Array(servers[index...] + servers[..<index])
  }

  /// Only after another server failed: otherwise the configured order applies.
  func favour(_ server: ServerAddress, in exchange: Exchange) {
    if exchange.begun > 1, exchange.plan.servers.count > 1 {
      favourite = (server, host.now &+ Self.favour)
    }
  }

  func disfavour(_ server: ServerAddress) {
    if favourite?.server == server { favourite = nil }
  }
}
