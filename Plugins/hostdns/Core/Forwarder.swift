// SPDX-License-Identifier: Apache-2.0
//
// Questions to nameservers, without blocking and many at a time.
//
// Each attempt has a UDP socket of its own, so that its port is random, and a
// random id; what comes from elsewhere the kernel drops, what answers something
// else is ignored and counted (RFC 5452 9). A truncated answer is fetched over
// TCP from the same server (RFC 7766 5). A server that refuses, fails or stays
// silent is followed by the next; the list is gone through `attempts` times.
// What answered last is asked first for a while.

import DNSMessage
import LimaNetdSDK
import Platform
import PluginAPI

/// Loop thread. Bounded: `maximumExchanges` sockets, the rest waits in line;
/// the host bounds how many questions there are.
final class Forwarder {
  let host: HostContext
  let settings: HostDNSSettings
  /// Takes a whole answer with the operation's id; nil: no server gave one.
  private let deliver: (Waiter, [UInt8]?) -> Void
  var counters = Counters()
  private var exchanges: [HostDNSQuestion.Key: Exchange] = [:]
  private var ops: [lnd_op: Exchange] = [:]
  private var attempts: [UInt64: Exchange] = [:]
  /// Waiting for a socket.
  private var line: [Exchange] = []
  private var isDraining = false
  private var lastToken: UInt64 = 0
  private var random = SystemRandomNumberGenerator()
  private var favourite: (server: ServerAddress, until: UInt64)?

  static let maximumExchanges = 512
  /// Nanoseconds a server that answered while another did not stays in front.
  static let favour: UInt64 = 30_000_000_000
  /// Datagrams read of a socket at one event at most.
  private static let maximumReads = 16

  /// More than the 1232 octets that are asked for; a longer datagram is cut and
  /// then no message.
  private static let maximumDatagram = 4096

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
    if attempts.count < Self.maximumExchanges {
      advance(exchange)
    } else {
      line.append(exchange)
    }
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
    guard let exchange = attempts[token], let attempt = exchange.attempt else { return }
    if attempt.isStream {
      readyStream(exchange, attempt)
    } else {
      readyDatagram(exchange, attempt)
    }
  }

  /// An attempt's time is over.
  func timedOut(_ token: UInt64) {
    guard let exchange = attempts[token] else { return }
    exchange.attempt?.timer = 0
    counters.timeouts &+= 1
    disfavour(exchange.server)
    advance(exchange)
  }

  /// Drops all.
  func stop() {
    for exchange in exchanges.values { endAttempt(exchange) }
    exchanges.removeAll()
    ops.removeAll()
    line.removeAll()
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

  /// Opens a socket to the current server and asks; false when it cannot be.
  func begin(_ exchange: Exchange, stream: Bool) -> Bool {
    guard let server = exchange.server else { return false }
    let fd = HostDNSSyscalls.connect(to: server, stream: stream)
    guard fd >= 0 else {
      if HostDNSSyscalls.isOutOfDescriptors(fd), !attempts.isEmpty, !stream {
        exchange.attempts -= 1
        line.append(exchange)
        return true
      }
      return false
    }
    lastToken &+= 1
    var attempt = Attempt(
      token: lastToken, fd: Int32(fd), isStream: stream,
      id: UInt16.random(in: .min ... .max, using: &random))
    let message = exchange.question.upstream(id: attempt.id, withEDNS: exchange.usesEDNS)
    if stream {
      let length = [UInt8(message.count >> 8), UInt8(message.count & 255)]
      attempt.unsent = (length + message)[...]
    } else if HostDNSSyscalls.send(attempt.fd, message[...]) < 0 {
      Descriptor.close(attempt.fd)
      return false
    }
    counters.sent &+= 1
    attempt.watch = host.watch(
      attempt.fd, stream ? LND_FD_READ | LND_FD_WRITE : LND_FD_READ, user: attempt.token)
    guard attempt.watch != 0 else {
      Descriptor.close(attempt.fd)
      return false
    }
    let until = host.now &+ UInt64(settings.timeout) * 1_000_000_000
    attempt.timer = host.timer(at: min(until, exchange.deadline), user: attempt.token)
    exchange.attempt = attempt
    attempts[attempt.token] = exchange
    return true
  }

  func endAttempt(_ exchange: Exchange) {
    guard let attempt = exchange.attempt else { return }
    exchange.attempt = nil
    attempts[attempt.token] = nil
    host.unwatch(attempt.watch)
    if attempt.timer != 0 { host.cancel(timer: attempt.timer) }
    Descriptor.close(attempt.fd)
  }

  // MARK: Answers

  private func readyDatagram(_ exchange: Exchange, _ attempt: Attempt) {
    for _ in 0..<Self.maximumReads {
      let (bytes, error) = HostDNSSyscalls.receive(attempt.fd, limit: Self.maximumDatagram)
      guard error == 0 else {
        if HostDNSSyscalls.isWouldBlock(error) { return }
        // ECONNREFUSED and its like: an ICMP error came back.
        disfavour(exchange.server)
        return advance(exchange)
      }
      if judge(bytes, exchange, attempt) { return }
    }
  }

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
    line.removeAll { $0 === exchange }
    drainLine()
  }

  /// Lets those in line begin as far as there are sockets. Never nested: those
  /// that fail at once end up here again.
  private func drainLine() {
    guard !isDraining else { return }
    isDraining = true
    defer { isDraining = false }
    for _ in 0..<line.count where attempts.count < Self.maximumExchanges && !line.isEmpty {
      advance(line.removeFirst())
    }
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
