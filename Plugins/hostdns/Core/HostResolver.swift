// SPDX-License-Identifier: Apache-2.0
//
// hostdns: a guest's names resolve as the host's do.
//
//   A, AAAA of host names   getaddrinfo on worker threads (NativeLookups)
//   everything else         to the host's nameservers (Forwarder)
//
// Loop thread, but for the workers' getaddrinfo.

import DNSMessage
import LimaNetdSDK
import Platform
import PluginAPI

/// The plugin's instance.
public final class HostResolver: DNSPlugin {
  private let settings: HostDNSSettings
  private let native: NativeLookups
  private let forwarder: Forwarder
  private var resolvConf: ResolvConfFile
  private var questions: UInt64 = 0
  private var overload: UInt64 = 0

  /// Operations that may wait for a worker.
  static let maximumQueue = 1024
  /// Milliseconds `destroy` waits for lookups that block.
  static let patience = 200

  public required convenience init(
    host: HostContext, config: DNSConfig
  ) throws(PluginFailure) {
    try self.init(host: host, config: config) { name, ipv6, generation, settings in
      HostLookup.addresses(
        of: name, ipv6: ipv6, generation: generation, timeout: settings.timeout,
        attempts: settings.attempts)
    }
  }

  /// - Parameter resolver: what the workers call; may block.
  package init(
    host: HostContext, config: DNSConfig,
    resolver:
      @escaping @Sendable (
        _ name: String, _ ipv6: Bool, _ generation: UInt32, _ settings: HostDNSSettings
      ) -> HostLookup.Outcome
  ) throws(PluginFailure) {
    let settings = try HostDNSSettings(config.options)
    self.settings = settings
    native = NativeLookups(host: host, settings: settings, queue: Self.maximumQueue) {
      resolver($0.name, $0.ipv6, $0.generation, settings)
    }
    forwarder = Forwarder(host: host, settings: settings)
    resolvConf = ResolvConfFile(path: settings.resolvConf)
    try super.init(host: host, config: config)
  }

  deinit {
    forwarder.stop()
    native.stop(within: Self.patience)
  }

  public override func start() throws(PluginFailure) {
    // Offline is no failure: the file is looked at again with each question.
    _ = resolvConf.refresh()
    if settings.servers.isEmpty && resolvConf.servers.isEmpty {
      host.log(.info, "hostdns: no nameserver in \(settings.resolvConf); waiting for one")
    }
  }

  public override func stop(_ op: lnd_op) {
    forwarder.stop()
    native.stop(within: 0)
    host.complete(op)
  }

  public override func resolve(_ op: lnd_op, _ query: DNSQuery) {
    questions &+= 1
    guard let question = HostDNSQuestion(Array(query.message)) else {
      return host.complete(op, LND_ERR_INTERNAL)
    }
    refresh(force: false)
    let waiter = Waiter(op: op, question: question)
    let asked = question.question
    if asked.dnsClass == .internet, asked.type == .aaaa, !settings.ipv6 {
      return complete(waiter, .noError)
    }
    if settings.servers.isEmpty, asked.dnsClass == .internet,
      asked.type == .a || asked.type == .aaaa, let name = asked.name.nativeName
    {
      let taken = native.resolve(
        waiter, name: name, ipv6: asked.type == .aaaa, generation: resolvConf.generation)
      if !taken {
        overload &+= 1
        complete(waiter, .serverFailure)
      }
      return
    }
    let servers = settings.servers.isEmpty ? resolvConf.servers : settings.servers
    if servers.isEmpty { return complete(waiter, .serverFailure) }
    forwarder.resolve(waiter, servers: servers, deadline: query.deadline)
  }

  public override func cancel(_ op: lnd_op) {
    _ = native.cancel(op) || forwarder.cancel(op)
  }

  public override func onFDs(_ events: UnsafePointer<lnd_fd_event>, _ count: Int) {
    for index in 0..<count { forwarder.ready(events[index].user) }
  }

  public override func onTimer(_ timer: lnd_handle, user: UInt64) {
    forwarder.timedOut(user)
  }

  public override func onWake() {
    native.finish()
  }

  public override func onEvent(_ event: UInt32) {
    if event == LND_DNS_EVENT_NETWORK_CHANGED { refresh(force: true) }
  }

  private func refresh(force: Bool) {
    if resolvConf.refresh(force: force) { native.startOver() }
  }

  private func complete(_ waiter: Waiter, _ code: DNSResponseCode) {
    host.answer(waiter.op, waiter.question.answer(code))
  }

  public override func status(_ sink: lnd_sink) {
    let load = native.load
    let counters = forwarder.counters
    let servers = settings.servers.isEmpty ? resolvConf.servers : settings.servers
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
