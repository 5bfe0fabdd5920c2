// SPDX-License-Identifier: Apache-2.0
//
// hostdns: resolves guests' names as the host does.
//
//   localhost, .onion, ...  answered here (DNSSpecialName)
//   the hosts file's names  answered here (HostsFile), localhost, .onion, ... for every type
//   other addresses         in the order of nsswitch.conf: names that the host would query DNS for go to the
//                           nameservers, others to getaddrinfo (HostsOrder, Verdict)
//   PTR in the hosts file   that name
//   everything else         to the host's nameservers (Forwarder); their NXDOMAIN for a name that the host
//                           knows from another source becomes NODATA
//
// Loop thread, except what the workers call. HostResolver+Routes.swift has the routes of a query.

import DNSMessage
import LimaNetdSDK
import Platform
import PluginAPI

/// The plugin's instance.
public final class HostResolver: DNSPlugin {
  let settings: HostDNSSettings
  private var native: NativeLookups!  // set once, at the end of init: it calls back
  private var forwarder: Forwarder!  // as above
  let files: HostFiles
  private let cache: HostDNSCache?
  /// How the nameservers are queried; follows the files.
  private(set) var plan: ForwardPlan
  /// Index of the first nameserver, where the host rotates them.
  private var turn = 0
  /// The source of nameservers last logged.
  private var toldSource: HostFiles.Source?
  /// Queries for which the nameservers are not the only source.
  private var inquiries: [lnd_op: Inquiry] = [:]
  /// Queries with a short time limit, by their timers.
  private var waiting: [lnd_handle: lnd_op] = [:]
  private var questions: UInt64 = 0
  private var overload: UInt64 = 0

  /// Maximum operations that wait for a worker.
  static let maximumQueue = 1024
  /// Milliseconds that `destroy` waits for blocked look-ups.
  static let patience = 200
  /// Nanoseconds for which the nameservers are awaited after the system has answered, and a system look-up without a
  /// thread after the nameservers have.
  static let grace: UInt64 = 50_000_000

  public required convenience init(
    host: HostContext, config: DNSConfig
  ) throws(PluginFailure) {
    let settings = try HostDNSSettings(config.options)
    try self.init(host: host, config: config, files: HostFiles(settings)) {
      HostLookup.addresses(of: $0, $1, $2)
    }
  }

  /// - Parameter resolver: called by the workers; may block.
  init(
    host: HostContext, config: DNSConfig, files: HostFiles,
    resolver: @escaping NativeLookups.Resolver
  ) throws(PluginFailure) {
    settings = try HostDNSSettings(config.options)
    self.files = files
    cache = HostDNSCache(host)
    plan = ForwardPlan(servers: settings.servers, settings)
    try super.init(host: host, config: config)
    let waker = host.waker
    files.readInBackground { waker.wake() }
    native = NativeLookups(
      host: host, threads: settings.workers, queue: Self.maximumQueue, resolver: resolver
    ) { [unowned self] in systemSays($0, $1) }
    forwarder = Forwarder(host: host) { [unowned self] in serversSay($0, $1) }
  }

  deinit {
    forwarder?.stop()
    native?.stop(within: Self.patience)
  }

  public override func start() throws(PluginFailure) {
    // A missing file is no failure: it is checked again with each query.
    refresh(force: true)
  }

  public override func stop(_ op: lnd_op) {
    forwarder.stop()
    native.stop(within: 0)
    files.stop(within: 0)
    inquiries.removeAll()
    host.complete(op)
  }

  // MARK: Asking

  public override func resolve(_ op: lnd_op, _ query: DNSQuery) {
    questions &+= 1
    guard let question = HostDNSQuestion(Array(query.message)) else {
      return host.complete(op, LND_ERR_INTERNAL)
    }
    refresh(force: false)
    route(Waiter(op: op, question: question), query.deadline)
  }

  /// Besides the host's nameservers the hosts file and nsswitch.conf are used.
  var followsHost: Bool { settings.servers.isEmpty && !settings.forwardsAll }

  /// Queries the nameservers.
  func forward(_ waiter: Waiter, _ deadline: UInt64) {
    var plan = plan
    if plan.servers.isEmpty { return serversSay(waiter, .failure(.noServer)) }
    if files.options.rotates, settings.servers.isEmpty, plan.servers.count > 1 {
      turn = (turn + 1) % plan.servers.count
      plan.servers = Array(plan.servers[turn...] + plan.servers[..<turn])
    }
    forwarder.resolve(waiter, plan, deadline: deadline)
  }

  /// Queries the nameservers and, at once or after their negative answer, another source.
  func ask(_ inquiry: Inquiry, _ deadline: UInt64) {
    let op = inquiry.waiter.op
    inquiries[op] = inquiry
    if inquiry.route == .system, inquiry.isAddress, !lookUp(inquiry) {
      // Without a system look-up the nameservers' answer is used.
      inquiries[op]?.route = .dns
    }
    // `no-aaaa`: the nameservers are not queried; the other source decides.
    if inquiry.isServed { return serversSay(inquiry.waiter, .failure(.systemFailed)) }
    forward(inquiry.waiter, deadline)
  }

  private func lookUp(_ inquiry: Inquiry) -> Bool {
    guard let name = inquiry.name else { return false }
    let setup = HostLookup.Setup(
      generation: files.generation, timeout: plan.timeout, attempts: plan.attempts)
    let taken = native.resolve(inquiry.waiter, name: name, inquiry.family, setup)
    if !taken { overload &+= 1 }
    return taken
  }

  // MARK: Answers

  private func systemSays(_ waiter: Waiter, _ outcome: HostLookup.Outcome) {
    guard var inquiry = inquiries[waiter.op] else { return }
    inquiry.system = outcome
    inquiries[waiter.op] = inquiry
    if inquiry.isServed || !waitAMoment(waiter.op) { settle(inquiry) }
  }

  private func serversSay(_ waiter: Waiter, _ said: ServersAnswer) {
    guard var inquiry = inquiries[waiter.op] else {
      switch said {
      case .message(let message): return answer(waiter, message)
      case .failure(let reason): return answer(waiter, waiter.question.failure(reason))
      }
    }
    var message: [UInt8]?
    switch said {
    case .message(let bytes): message = bytes
    case .failure(let reason): inquiry.trouble = reason
    }
    inquiry.servers = message
    inquiry.isServed = true
    inquiries[waiter.op] = inquiry
    if inquiry.system != nil { return settle(inquiry) }
    if inquiry.route == .system, inquiry.isAddress {
      // Waits for the system; without a thread only for the grace time.
      if message != nil, !native.isBegun(waiter.op), !waitAMoment(waiter.op) { settle(inquiry) }
      return
    }
    // Another source comes after DNS: it is used only if DNS has no answer.
    let isKnown = inquiry.isAddress ? Verdict.isFinal(message) : !Verdict.isMissing(message)
    guard !isKnown else { return settle(inquiry) }
    switch inquiry.route {
    case .dns, .file: settle(inquiry)
    case .dnsThenFile: settle(inquiry, addresses: inquiry.addresses)
    case .dnsThenSystem, .system:
      guard lookUp(inquiry) else { return settle(inquiry) }
      if message != nil, !native.isBegun(waiter.op), !waitAMoment(waiter.op) { settle(inquiry) }
    }
  }

  /// False when no timer is available.
  private func waitAMoment(_ op: lnd_op) -> Bool {
    guard let inquiry = inquiries[op], inquiry.timer == 0 else { return true }
    let timer = host.timer(at: host.now &+ Self.grace, user: 0)
    guard timer != 0 else { return false }
    inquiries[op]?.timer = timer
    waiting[timer] = op
    return true
  }

  private func settle(_ inquiry: Inquiry, addresses: [DNSAddress]? = nil) {
    let waiter = inquiry.waiter
    forget(inquiry)
    if !inquiry.isServed { _ = forwarder.cancel(waiter.op) }
    if inquiry.system == nil { _ = native.cancel(waiter.op) }
    if let addresses {
      answer(
        waiter,
        Verdict.addresses(waiter.question, addresses, timeToLive: settings.timeToLive))
    } else if let system = inquiry.system {
      answer(
        waiter,
        Verdict.answer(
          waiter.question, system: system, servers: inquiry.servers,
          trouble: inquiry.trouble ?? .systemFailed, timeToLive: settings.timeToLive))
    } else {
      answer(
        waiter,
        inquiry.servers ?? waiter.question.failure(inquiry.trouble ?? .noServerAnswered))
    }
  }

  private func forget(_ inquiry: Inquiry) {
    inquiries[inquiry.waiter.op] = nil
    guard inquiry.timer != 0 else { return }
    host.cancel(timer: inquiry.timer)
    waiting[inquiry.timer] = nil
  }

  /// The end of a query: applied to all answers.
  func answer(_ waiter: Waiter, _ message: [UInt8]) {
    var message = message
    let question = waiter.question.question
    if followsHost, question.dnsClass == .internet, Verdict.isMissing(message),
      exists(question.name)
    {
      message = waiter.question.answer(.noError, denialTTL: settings.timeToLive)
    }
    if !settings.ipv6, question.dnsClass == .internet || question.dnsClass == .any {
      message =
        DNSMessage.withoutIPv6(message) ?? waiter.question.failure(.unreadable)
    }
    // The answer is not authoritative: it came from others, or from the C library.
    if message.count > 2 { message[2] &= ~0x04 }
    message.withUnsafeBytes { host.complete(waiter.op, LND_OK, $0) }
  }

  // MARK: Events

  public override func cancel(_ op: lnd_op) {
    if let inquiry = inquiries[op] { forget(inquiry) }
    _ = native.cancel(op)
    _ = forwarder.cancel(op)
  }

  public override func onFDs(_ events: UnsafePointer<lnd_fd_event>, _ count: Int) {
    for index in 0..<count { forwarder.ready(events[index].user) }
  }

  public override func onTimer(_ timer: lnd_handle, user: UInt64) {
    guard let op = waiting.removeValue(forKey: timer) else { return forwarder.timedOut() }
    guard let inquiry = inquiries[op] else { return }
    inquiries[op]?.timer = 0
    // The system's look-up has begun meanwhile: its answer is awaited.
    if inquiry.system == nil, native.isBegun(op) { return }
    if let inquiry = inquiries[op] { settle(inquiry) }
  }

  public override func onWake() {
    native.finish()
    // The host's cache may hold answers from a half-written file.
    if files.finish() { cache?.flush() }
  }

  public override func onEvent(_ event: UInt32) {
    if event == LND_EVENT_NETWORK_CHANGED { refresh(force: true) }
  }

  private func refresh(force: Bool) {
    guard files.refresh(force: force, now: host.now) else { return }
    native.startOver()
    if settings.servers.isEmpty {
      let changed = ForwardPlan(servers: files.servers, settings, files.options)
      if changed != plan {
        plan = changed
        forwarder.startOver(changed)
      }
      tellSource()
    }
    // The host checks only the system's files, and this may be another one.
    if !files.isSystem { cache?.flush() }
  }

  /// Logs the source of the nameservers when it is not resolv.conf, and when it is again.
  private func tellSource() {
    let source = files.source
    defer { toldSource = source }
    guard source != toldSource else { return }
    let list = files.servers.map(\.description).joined(separator: ", ")
    let none = "hostdns: no usable nameserver in \(settings.resolvConf)"
    switch source {
    case .fallback: host.log(.warn, "\(none): asking those of the option `fallback`, \(list)")
    case .thisMachine: host.log(.info, "\(none): asking \(list), as the C library does")
    case .nobody: host.log(.warn, "\(none), and `fallback` is empty: asking nobody")
    case .file, .preferred:
      if toldSource != nil { host.log(.info, "hostdns: asking \(list) from now on") }
    }
  }

  public override func status(_ sink: lnd_sink) {
    let load = native.load
    let counters = forwarder.counters
    let status: JSONValue = [
      "servers": .array(plan.servers.map { .string($0.description) }),
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
