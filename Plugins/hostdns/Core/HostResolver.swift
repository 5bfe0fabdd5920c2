// SPDX-License-Identifier: Apache-2.0
//
// hostdns: a guest's names resolve as the host's do.
//
//   A, AAAA of host names   in the order of nsswitch.conf: what DNS would be asked for goes to the
//                           nameservers, all else to getaddrinfo (HostsOrder, Verdict)
//   PTR in the hosts file   that name
//   known types             res_nsend, while threads are to spare
//   everything else         to the host's nameservers (Forwarder)
//
// Loop thread, but for what the workers call.

import DNSMessage
import LimaNetdSDK
import Platform
import PluginAPI

/// The plugin's instance.
public final class HostResolver: DNSPlugin {
  private let settings: HostDNSSettings
  private var native: NativeLookups!  // set once, at the end of init: it calls back
  private var forwarder: Forwarder!  // as above
  private var files: HostFiles
  private let cache: HostDNSCache?
  /// Questions that both the system and the nameservers are asked.
  private var pairs: [lnd_op: Pair] = [:]
  /// Those that wait for the nameservers only, by their timers.
  private var waiting: [lnd_handle: lnd_op] = [:]
  private var random = SystemRandomNumberGenerator()
  private var questions: UInt64 = 0
  private var overload: UInt64 = 0

  private struct Pair {
    let waiter: Waiter
    let name: String
    let route: HostsOrder.Route
    var system: HostLookup.Outcome?
    var servers: [UInt8]?
    /// The nameservers have no more to say.
    var isServed = false
    /// Waits for the nameservers no longer than this.
    var timer: lnd_handle = 0
  }

  /// Operations that may wait for a worker.
  static let maximumQueue = 1024
  /// Milliseconds `destroy` waits for lookups that block.
  static let patience = 200
  /// Nanoseconds the nameservers may take longer than the system, which knows the answer.
  static let grace: UInt64 = 50_000_000

  public required convenience init(
    host: HostContext, config: DNSConfig
  ) throws(PluginFailure) {
    let settings = try HostDNSSettings(config.options)
    let timeout = settings.timeout
    let attempts = settings.attempts
    try self.init(host: host, config: config, files: HostFiles(settings)) { job, generation in
      switch job {
      case .addresses(let name, let ipv6):
        .addresses(
          HostLookup.addresses(
            of: name, ipv6: ipv6, generation: generation, timeout: timeout, attempts: attempts))
      case .query(let message):
        .message(
          HostLookup.query(
            message, generation: generation, timeout: timeout, attempts: attempts))
      }
    }
  }

  /// - Parameter resolver: what the workers call; may block.
  init(
    host: HostContext, config: DNSConfig, files: HostFiles,
    resolver: @escaping NativeLookups.Resolver
  ) throws(PluginFailure) {
    settings = try HostDNSSettings(config.options)
    self.files = files
    cache = HostDNSCache(host)
    try super.init(host: host, config: config)
    native = NativeLookups(
      host: host, settings: settings, queue: Self.maximumQueue, resolver: resolver
    ) { [unowned self] in systemSays($0, $1) }
    forwarder = Forwarder(host: host, settings: settings) { [unowned self] in serversSay($0, $1) }
  }

  deinit {
    forwarder?.stop()
    native?.stop(within: Self.patience)
  }

  public override func start() throws(PluginFailure) {
    // Offline is no failure: the file is looked at again with each question.
    _ = files.refresh(force: true, now: host.now)
    if settings.servers.isEmpty && files.isWithoutServers {
      host.log(
        .info,
        "hostdns: no nameserver in \(settings.resolvConf); asking "
          + (files.servers.isEmpty
            ? "nobody" : files.servers.map(\.description).joined(separator: ", ")))
    }
  }

  public override func stop(_ op: lnd_op) {
    forwarder.stop()
    native.stop(within: 0)
    pairs.removeAll()
    host.complete(op)
  }

  // MARK: Questions

  public override func resolve(_ op: lnd_op, _ query: DNSQuery) {
    questions &+= 1
    guard let question = HostDNSQuestion(Array(query.message)) else {
      return host.complete(op, LND_ERR_INTERNAL)
    }
    refresh(force: false)
    let waiter = Waiter(op: op, question: question)
    let asked = question.question
    guard asked.dnsClass == .internet else { return forward(waiter, query.deadline) }
    if asked.type == .aaaa, !settings.ipv6 { return complete(waiter, .noError) }
    guard settings.servers.isEmpty, !settings.forwardsAll else {
      return forward(waiter, query.deadline)
    }
    switch asked.type {
    case .a, .aaaa:
      guard let name = asked.name.nativeName else { return forward(waiter, query.deadline) }
      findAddresses(waiter, name, query.deadline)
    case .ptr:
      if let name = files.hostsName(ofReverse: asked.name) {
        let record = DNSRecord(
          name: asked.name, ttl: settings.timeToLive, data: .name(.ptr, name))
        return host.answer(op, question.answer(.noError, [record]))
      }
      ask(waiter, query.deadline)
    case .cname, .txt, .ns, .mx, .srv, .soa, .https, .svcb, .caa: ask(waiter, query.deadline)
    default: forward(waiter, query.deadline)
    }
  }

  private func findAddresses(_ waiter: Waiter, _ name: String, _ deadline: UInt64) {
    let route = files.route(waiter.question.question.name)
    if route == .dns { return forward(waiter, deadline) }
    pairs[waiter.op] = Pair(waiter: waiter, name: name, route: route)
    if route == .system, !lookUp(waiter, name) {
      pairs[waiter.op] = nil
      return complete(waiter, .serverFailure)
    }
    if files.servers.isEmpty {
      serversSay(waiter, nil)
    } else {
      forwarder.resolve(waiter, servers: files.servers, deadline: deadline)
    }
  }

  private func lookUp(_ waiter: Waiter, _ name: String) -> Bool {
    let taken = native.resolve(
      waiter, name: name, ipv6: waiter.question.question.type == .aaaa,
      generation: files.generation)
    if !taken { overload &+= 1 }
    return taken
  }

  /// As the C library asks, or without it when its threads are busy or it reads another file.
  private func ask(_ waiter: Waiter, _ deadline: UInt64) {
    if files.isSystem, !files.isWithoutServers {
      let id = UInt16.random(in: .min ... .max, using: &random)
      let message = waiter.question.upstream(id: id, withEDNS: true)
      if native.query(waiter, message, generation: files.generation) { return }
    }
    forward(waiter, deadline)
  }

  private func forward(_ waiter: Waiter, _ deadline: UInt64) {
    let servers = settings.servers.isEmpty ? files.servers : settings.servers
    if servers.isEmpty { return complete(waiter, .serverFailure) }
    forwarder.resolve(waiter, servers: servers, deadline: deadline)
  }

  // MARK: Answers

  private func systemSays(_ waiter: Waiter, _ outcome: NativeJob.Outcome) {
    switch outcome {
    case .message(let bytes?): host.answer(waiter.op, waiter.question.claim(bytes))
    case .message(nil): complete(waiter, .serverFailure)
    case .addresses(let outcome):
      guard var pair = pairs[waiter.op] else { return }
      pair.system = outcome
      if !pair.isServed {
        pair.timer = host.timer(at: host.now &+ Self.grace, user: 0)
        if pair.timer != 0 { waiting[pair.timer] = waiter.op }
      }
      pairs[waiter.op] = pair
      if pair.isServed || pair.timer == 0 { settle(pair) }
    }
  }

  private func serversSay(_ waiter: Waiter, _ message: [UInt8]?) {
    guard var pair = pairs[waiter.op] else {
      return host.answer(waiter.op, message ?? waiter.question.answer(.serverFailure))
    }
    pair.servers = message
    pair.isServed = true
    pairs[waiter.op] = pair
    if pair.system != nil { return settle(pair) }
    guard pair.route == .dnsThenSystem else { return }
    // Another source comes behind DNS: it is asked only when DNS does not know.
    if Verdict.isFinal(message) || !lookUp(waiter, pair.name) {
      pairs[waiter.op] = nil
      host.answer(waiter.op, message ?? waiter.question.answer(.serverFailure))
    }
  }

  private func settle(_ pair: Pair) {
    forget(pair)
    if !pair.isServed { _ = forwarder.cancel(pair.waiter.op) }
    host.answer(
      pair.waiter.op,
      Verdict.answer(
        pair.waiter.question, system: pair.system ?? .failed, servers: pair.servers,
        timeToLive: settings.timeToLive))
  }

  private func forget(_ pair: Pair) {
    pairs[pair.waiter.op] = nil
    guard pair.timer != 0 else { return }
    host.cancel(timer: pair.timer)
    waiting[pair.timer] = nil
  }

  private func complete(_ waiter: Waiter, _ code: DNSResponseCode) {
    host.answer(waiter.op, waiter.question.answer(code))
  }

  // MARK: Events

  public override func cancel(_ op: lnd_op) {
    if let pair = pairs[op] { forget(pair) }
    _ = native.cancel(op)
    _ = forwarder.cancel(op)
  }

  public override func onFDs(_ events: UnsafePointer<lnd_fd_event>, _ count: Int) {
    for index in 0..<count { forwarder.ready(events[index].user) }
  }

  public override func onTimer(_ timer: lnd_handle, user: UInt64) {
    guard let op = waiting.removeValue(forKey: timer) else { return forwarder.timedOut() }
    guard var pair = pairs[op] else { return }
    pair.timer = 0
    settle(pair)
  }

  public override func onWake() {
    native.finish()
  }

  public override func onEvent(_ event: UInt32) {
    if event == LND_DNS_EVENT_NETWORK_CHANGED { refresh(force: true) }
  }

  private func refresh(force: Bool) {
    guard files.refresh(force: force, now: host.now) else { return }
    native.startOver()
    // The host looks at files of its own choice, and this may be another one.
    if !files.isSystem { cache?.flush() }
  }

  public override func status(_ sink: lnd_sink) {
    let load = native.load
    let counters = forwarder.counters
    let servers = settings.servers.isEmpty ? files.servers : settings.servers
    let status: JSONValue = [
      "servers": .array(servers.map { .string($0.description) }),
      "questions": JSONValue(questions),
      "overload": JSONValue(overload),
      "native": ["underWay": JSONValue(load.lookups), "threads": JSONValue(load.threads)],
      "forwarded": [
        "underWay": JSONValue(forwarder.underWay), "sent": JSONValue(counters.sent),
        "answers": JSONValue(counters.answers), "shared": JSONValue(counters.shared),
        "overTCP": JSONValue(counters.overTCP), "timeouts": JSONValue(counters.timeouts),
        "strangers": JSONValue(counters.strangers), "failures": JSONValue(counters.failures),
      ],
    ]
    host.write(sink, status.text)
  }

  public override class func validate(host: HostContext, config: DNSConfig) throws(PluginFailure) {
    _ = try HostDNSSettings(config.options)
  }
}

extension HostContext {
  /// Completes a question with a message.
  func answer(_ op: lnd_op, _ message: [UInt8]) {
    message.withUnsafeBytes { complete(op, LND_OK, $0) }
  }
}
