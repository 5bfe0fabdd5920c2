// SPDX-License-Identifier: Apache-2.0
//
// Questions to nameservers, without blocking and many at a time.
//
// Questions that overlap in time share connected UDP sockets with random ports
// (Forwarder+Datagrams.swift), each with a random id of its own; what comes from
// elsewhere the kernel drops, what answers something else is ignored and counted
// (RFC 5452 9). A truncated answer is fetched over TCP from the same server
// (Forwarder+TCP.swift, RFC 7766 5). A server that refuses, fails or stays silent
// is followed by the next; the list is gone through `attempts` times. What
// answered last is asked first for a while.

import DNSMessage
import LimaNetdSDK
import Platform
import PluginAPI

/// Loop thread. Bounded: `maximumUnderWay` questions, `maximumSockets` sockets of
/// each kind; the rest waits in line, and the host bounds how many there are.
final class Forwarder {
  let host: HostContext
  let settings: HostDNSSettings
  /// Takes a whole answer with the operation's id; nil: no server gave one.
  private let deliver: (Waiter, [UInt8]?) -> Void
  var counters = Counters()
  private var exchanges: [HostDNSQuestion.Key: Exchange] = [:]
  private var ops: [lnd_op: Exchange] = [:]
  /// UDP sockets that are open, by their tokens; those that take more questions.
  var sockets: [UInt64: DatagramSocket] = [:]
  var current: [DatagramSocket] = []
  /// Sockets that failed while something else was done; `drain` ends them.
  var broken: [DatagramSocket] = []
  /// Attempts over TCP, by their tokens.
  private var streams: [UInt64: Exchange] = [:]
  /// Attempts of both kinds.
  private var attempts = 0
  /// Waiting for a socket.
  var line: [Exchange] = []
  private var isDraining = false
  var lastToken: UInt64 = 0
  private var random = SystemRandomNumberGenerator()
  /// Random bits that are not used yet: one call of the kernel makes four ids.
  private var randomBits: (value: UInt64, count: Int) = (0, 0)
  /// One for all attempts: due at the earliest end of one, or before.
  private var timer: (handle: lnd_handle, due: UInt64) = (0, .max)
  private var favourite: (server: ServerAddress, until: UInt64)?

  /// Questions that are with a server at one time.
  static let maximumUnderWay = 2048
  static let maximumSockets = 256
  /// Nanoseconds a server that answered while another did not stays in front.
  static let favour: UInt64 = 30_000_000_000
  /// Nanoseconds between two looks for attempts that are over.
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

  init(
    host: HostContext, settings: HostDNSSettings, deliver: @escaping (Waiter, [UInt8]?) -> Void
  ) {
    self.host = host
    self.settings = settings
    self.deliver = deliver
  }

  var underWay: Int { exchanges.count }

  /// Asks the servers, or joins who asks the same already.
  func resolve(_ waiter: Waiter, servers: [ServerAddress], deadline: UInt64) {
    if let exchange = exchanges[waiter.question.key] {
      counters.shared &+= 1
      exchange.waiters.append(waiter)
      exchange.deadline = max(exchange.deadline, deadline)
      ops[waiter.op] = exchange
      return
    }
    let exchange = Exchange(waiter, servers: ordered(servers), deadline: deadline)
    exchanges[exchange.key] = exchange
    ops[waiter.op] = exchange
    if attempts < Self.maximumUnderWay {
      advance(exchange)
    } else {
      line.append(exchange)
    }
    drain()
  }

  /// Forgets an operation; false when it is not one of these.
  func cancel(_ op: lnd_op) -> Bool {
    guard let exchange = ops.removeValue(forKey: op) else { return false }
    exchange.waiters.removeAll { $0.op == op }
    if exchange.waiters.isEmpty { close(exchange) }
    return true
  }

  /// A watched socket is ready.
  func ready(_ token: UInt64) {
    if let socket = sockets[token] {
      readyDatagrams(socket)
    } else if let exchange = streams[token], let attempt = exchange.attempt {
      readyStream(exchange, attempt)
    }
    drain()
  }

  /// The timer is due: ends the attempts whose time is over.
  func timedOut() {
    timer = (0, .max)
    let now = host.now
    var late: [Exchange] = []
    var next = UInt64.max
    for exchange in exchanges.values {
      guard let until = exchange.attempt?.until else { continue }
      if until <= now { late.append(exchange) } else { next = min(next, until) }
    }
    if next != .max { wake(at: max(next, now &+ Self.patience)) }
    for exchange in late where exchange.attempt.map({ $0.until <= now }) ?? false {
      counters.timeouts &+= 1
      disfavour(exchange.server)
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

  /// Drops all.
  func stop() {
    for exchange in exchanges.values { endAttempt(exchange) }
    exchanges.removeAll()
    ops.removeAll()
    line.removeAll()
    stopTimer()
  }

  // MARK: Attempts

  /// Makes the next attempt that gets off the ground, or gives up.
  func advance(_ exchange: Exchange) {
    endAttempt(exchange)
    let bound = exchange.servers.count * Int(settings.attempts)
    while exchange.attempts < bound, host.now < exchange.deadline {
      exchange.attempts += 1
      if begin(exchange, stream: false) { return }
    }
    if exchange.fallback == nil { counters.failures &+= 1 }
    finish(exchange, exchange.fallback)
  }

  /// Asks the current server; false when it cannot be asked. Without a socket to
  /// spare the exchange waits in line.
  func begin(_ exchange: Exchange, stream: Bool) -> Bool {
    guard let server = exchange.server else { return false }
    let until = min(
      host.now &+ UInt64(settings.timeout) * 1_000_000_000, exchange.deadline)
    let result =
      stream
      ? beginStream(exchange, server, until: until)
      : beginDatagram(exchange, server, until: until)
    switch result {
    case .failed: return false
    case .noSocket:
      exchange.wantsStream = stream
      if !stream { exchange.attempts -= 1 }
      line.append(exchange)
    case .begun(let attempt):
      counters.sent &+= 1
      attempts += 1
      exchange.attempt = attempt
      if attempt.isStream { streams[attempt.token] = exchange }
      wake(at: until)
    }
    return true
  }

  /// An id that nobody can guess.
  func randomID() -> UInt16 {
    if randomBits.count == 0 { randomBits = (random.next(), 4) }
    let id = UInt16(truncatingIfNeeded: randomBits.value)
    randomBits = (randomBits.value >> 16, randomBits.count - 1)
    return id
  }

  enum Beginning {
    case begun(Attempt)
    case noSocket
    case failed
  }

  /// Whether there is something whose end makes room.
  var isBusy: Bool { attempts > 0 }

  var hasStreamToSpare: Bool { streams.count < Self.maximumSockets }

  func endAttempt(_ exchange: Exchange) {
    guard let attempt = exchange.attempt else { return }
    exchange.attempt = nil
    attempts -= 1
    if let socket = attempt.socket {
      socket.exchanges[attempt.id] = nil
      if socket.exchanges.isEmpty { close(socket) }
    } else {
      streams[attempt.token] = nil
      host.unwatch(attempt.watch)
      Descriptor.close(attempt.fd)
    }
  }

  // MARK: Answers

  /// Takes a whole message of a server; false when it is not the answer and the
  /// right one may still come.
  func judge(_ bytes: [UInt8], _ exchange: Exchange, _ attempt: Attempt) -> Bool {
    guard let survey = try? DNSSurvey(bytes) else {
      counters.strangers &+= 1
      return false
    }
    let code = survey.header.responseCode
    if code == .formatError, survey.questionCount == 0, survey.header.isResponse,
      survey.header.id == attempt.id, exchange.usesEDNS, exchange.question.edns != nil
    {
      // A server from before EDNS may send back nothing but a header.
      exchange.usesEDNS = false
      exchange.attempts -= 1
      advance(exchange)
      return true
    }
    guard survey.answers(exchange.question.question, id: attempt.id, in: bytes) else {
      counters.strangers &+= 1
      return false
    }
    if survey.header.isTruncated, !attempt.isStream {
      exchange.fallback = bytes
      counters.overTCP &+= 1
      endAttempt(exchange)
      if !begin(exchange, stream: true) { advance(exchange) }
      return true
    }
    switch code {
    case .formatError where exchange.usesEDNS && exchange.question.edns != nil:
      exchange.usesEDNS = false
      exchange.attempts -= 1
      advance(exchange)
    case .noError, .nameError:
      counters.answers &+= 1
      favour(exchange)
      finish(exchange, bytes)
    default:
      // SERVFAIL, REFUSED and others: another server may know better.
      if exchange.fallback == nil { exchange.fallback = bytes }
      advance(exchange)
    }
    return true
  }

  /// Completes all who wait; nil is a failure.
  private func finish(_ exchange: Exchange, _ answer: [UInt8]?) {
    let waiters = exchange.waiters
    exchange.waiters = []
    close(exchange)
    for waiter in waiters {
      ops[waiter.op] = nil
      deliver(waiter, answer.map(waiter.question.claim))
    }
  }

  /// Ends an exchange and lets the next in line begin.
  private func close(_ exchange: Exchange) {
    endAttempt(exchange)
    for waiter in exchange.waiters { ops[waiter.op] = nil }
    if exchanges[exchange.key] === exchange { exchanges[exchange.key] = nil }
    if !line.isEmpty { line.removeAll { $0 === exchange } }
    drain()
    if exchanges.isEmpty { stopTimer() }
  }

  /// Ends the sockets that failed and lets those in line begin as far as there is
  /// room. Never nested: those that fail at once end up here again.
  private func drain() {
    guard !isDraining, !broken.isEmpty || !line.isEmpty else { return }
    isDraining = true
    defer { isDraining = false }
    repeat {
      while let socket = broken.popLast() { fail(socket) }
      for _ in 0..<line.count where attempts < Self.maximumUnderWay && !line.isEmpty {
        let exchange = line.removeFirst()
        if exchange.wantsStream {
          exchange.wantsStream = false
          if !begin(exchange, stream: true) { advance(exchange) }
        } else {
          advance(exchange)
        }
        // Back in line: there is no room yet.
        if line.last === exchange { break }
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

  /// Only after another one failed: the configured order is the host's wish.
  private func favour(_ exchange: Exchange) {
    if exchange.attempts > 1, let server = exchange.server {
      favourite = (server, host.now &+ Self.favour)
    }
  }

  func disfavour(_ server: ServerAddress?) {
    if favourite?.server == server { favourite = nil }
  }
}
