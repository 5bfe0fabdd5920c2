// SPDX-License-Identifier: Apache-2.0
//
// Questions to nameservers, without blocking and many at a time.
//
// Questions that overlap in time share connected UDP sockets with random ports
// (Forwarder+Datagrams.swift), each with a random id of its own; what comes from
// elsewhere the kernel drops, what answers something else is ignored and counted
// (RFC 5452 9). A truncated answer is fetched over TCP from the same server
// (Forwarder+TCP.swift, RFC 7766 5). A server that refuses, fails or stays silent
// is followed by the next; the list is gone through `attempts` times. A silent
// one may still answer until the exchange is over. What answered last is asked
// first for a while. Forwarder+Answers.swift judges what comes.

import DNSMessage
import LimaNetdSDK
import Platform
import PluginAPI

/// Loop thread. Bounded: `maximumUnderWay` questions, `maximumSockets` sockets of
/// each kind, of which no zone gets more than half of the connections; the rest
/// waits in line, and the host bounds how many there are.
final class Forwarder {
  let host: HostContext
  /// Takes a whole answer with the operation's id, or why no server gave one.
  private let deliver: (Waiter, ServersAnswer) -> Void
  var counters = Counters()
  /// All that is not over.
  private var exchanges: [ObjectIdentifier: Exchange] = [:]
  /// Those that who asks the same may join.
  private var joinable: [HostDNSQuestion.Key: Exchange] = [:]
  private var ops: [lnd_op: Exchange] = [:]
  /// UDP sockets that are open, by their tokens; those that take more questions.
  var sockets: [UInt64: DatagramSocket] = [:]
  var current: [DatagramSocket] = []
  /// Sockets that failed while something else was done; `drain` ends them.
  var broken: [(socket: DatagramSocket, error: Errno)] = []
  /// Attempts over TCP, by their tokens; how many each share has.
  private var streams: [UInt64: (exchange: Exchange, attempt: Attempt)] = [:]
  private var streamsOf: [DNSName: Int] = [:]
  /// Waiting for a socket.
  private var line: [Exchange] = []
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
  /// Exchanges that are asked anew at once when the servers change: some milliseconds' work.
  private static let maximumRestarts = 256
  /// Exchanges in line that are looked at when there may be room.
  private static let maximumLooks = 64
  /// Nanoseconds a server that answered while another did not stays in front.
  static let favour: UInt64 = 30_000_000_000
  /// Nanoseconds before the deadline that the best of bad answers is given.
  private static let headStart: UInt64 = 50_000_000
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

  init(host: HostContext, deliver: @escaping (Waiter, ServersAnswer) -> Void) {
    self.host = host
    self.deliver = deliver
  }

  var underWay: Int { exchanges.count }

  /// Exchanges that are with a server.
  private var active: Int { exchanges.count - line.count }

  /// Asks the servers, or joins who asks the same already.
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

  /// Forgets an operation; false when it is not one of these.
  func cancel(_ op: lnd_op) -> Bool {
    guard let exchange = ops.removeValue(forKey: op) else { return false }
    exchange.waiters.removeAll { $0.op == op }
    if exchange.waiters.isEmpty { close(exchange) }
    return true
  }

  /// The servers are others, or are to be asked otherwise: what was learnt of the old ones is
  /// forgotten, nobody joins those who ask them, and these are asked anew.
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

  /// The timer is due: goes on where an attempt's time is over.
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

  /// Drops all.
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

  /// Makes the next attempt that gets off the ground. Without another to make, the exchange waits
  /// for those that are open until its deadline, or only as long as the newest has time when there
  /// is something to say already.
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
      // Before whoever asked is told by others that there is no answer.
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

  /// Asks a server; false when it cannot be asked. Without a socket to spare the exchange waits in
  /// line.
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
    case failed(Errno)
  }

  /// Whether there is something whose end makes room.
  var isBusy: Bool { !sockets.isEmpty || !streams.isEmpty }

  /// Whether a share may have another connection.
  func hasStreamToSpare(_ share: DNSName) -> Bool {
    streams.count < Self.maximumSockets && streamsOf[share, default: 0] < Self.maximumSockets / 2
  }

  /// Gives up an attempt.
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

  /// An attempt came to nothing. The next is made, unless a newer one has its time.
  /// - Parameter error: what the network said; nil when the server said something itself.
  func failed(_ attempt: Attempt, of exchange: Exchange, _ error: Errno? = nil) {
    if let error { exchange.trouble = ServerTrouble(server: attempt.server, error: error) }
    let isNewest = exchange.attempts.last === attempt
    end(attempt, of: exchange)
    let isLast = exchange.begun >= exchange.plan.servers.count * Int(exchange.plan.attempts)
    if isNewest || isLast { advance(exchange) }
  }

  /// Completes all who wait; nil is a failure, whose reason the exchange has.
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

  /// Ends an exchange and lets the next in line begin.
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
    // It has no attempt whose time could be over, but its deadline.
    if exchange.attempts.isEmpty { exchange.nextAt = .max }
    line.append(exchange)
  }

  private func leaveLine(_ exchange: Exchange) {
    guard exchange.isInLine else { return }
    exchange.isInLine = false
    exchange.wantsStream = nil
    line.removeAll { $0 === exchange }
  }

  /// Ends the sockets that failed and lets those in line begin as far as there is
  /// room. Never nested: those that fail at once end up here again.
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
        // Back in line: there is no room yet, or not for its share.
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

  /// Only after another one failed: the configured order is the host's wish.
  func favour(_ server: ServerAddress, in exchange: Exchange) {
    if exchange.begun > 1, exchange.plan.servers.count > 1 {
      favourite = (server, host.now &+ Self.favour)
    }
  }

  func disfavour(_ server: ServerAddress) {
    if favourite?.server == server { favourite = nil }
  }
}
