// SPDX-License-Identifier: Apache-2.0
//
// DNSService: the network's DNS: the clients (the network plugin's guests, `dns query`), the broker, and the DNS
// plugin. Carries out the broker's effects at the end of a loop iteration, so that nothing completes inside the call
// that asked. Thread: loop only.

import DNSMessage
import HostProtocol
import JSONCoding
import Platform
import PluginAPI

final class DNSService: DNSPluginOwner {
  /// The recipient of a question's answer.
  private enum Asker {
    case plugin
    /// `source`: what has answered already, without the plugin.
    case request(UInt64, since: UInt64, source: String?)
  }

  /// Maximum effects of one iteration, so that a plugin that asks again from inside its answer cannot occupy the
  /// loop.
  private static let effectsPerTurn = 1024
  /// Answers sent together; with more the first would be delayed too much.
  private static let effectsTogether = 64

  let broker = DNSBroker()
  /// How long the host slept; of the clock.
  var slept: () -> UInt64 = SleepClock.slept
  private var plugin: DNSPlugin?
  private var askers: [DNSTicket: Asker] = [:]
  /// Questions to be answered SERVFAIL at the end of the iteration, without a query.
  private var refused: [(ticket: DNSTicket, answer: [UInt8])] = []
  private var hasEffects = false
  private var files = NameFiles()
  /// The DNS plugin must be notified that the host's files changed before its next query.
  private var tellsPlugin = false
  /// Called when an operation of the DNS plugin other than a query has ended.
  var stopped: (() -> Void)?
  /// Runs a body that answers many questions, so that the answers need few system calls.
  var together: (_ body: () -> Void) -> Void = { $0() }

  private let answerPlugin: (lnd_op, lnd_status, [UInt8]) -> Void
  private let answerRequest: (UInt64, HostReply) -> Void

  init(
    plugin: DNSPlugin?, answerPlugin: @escaping (lnd_op, lnd_status, [UInt8]) -> Void,
    answerRequest: @escaping (UInt64, HostReply) -> Void
  ) {
    self.plugin = plugin
    self.answerPlugin = answerPlugin
    self.answerRequest = answerRequest
    broker.hasPlugin = plugin != nil
    broker.pluginKnowsSpecialNames = plugin?.knowsSpecialNames ?? false
    for plugin in plugin?.chain ?? [] { plugin.owner = self }
  }

  /// Switches to another plugin; queries under way at the previous one are asked again, and its cached answers are
  /// dropped.
  func replacePlugin(_ plugin: DNSPlugin, policy: DNSPolicy) {
    let before = self.plugin
    self.plugin = plugin
    broker.policy = policy
    for plugin in plugin.chain { plugin.owner = self }
    broker.hasPlugin = true
    broker.pluginKnowsSpecialNames = plugin.knowsSpecialNames
    flushCache()
    for question in before?.surrender() ?? [] {
      plugin.resolve(
        question.lookup, question.message, question.transport, deadline: question.deadline,
        by: question.questioner)
    }
  }

  // MARK: Asking

  /// For limanetd.dns/1: the ticket is the plugin's operation.
  /// - Parameter refuses: it is answered SERVFAIL without a query.
  func pluginAsks(
    _ message: [UInt8], _ transport: DNSTransport, deadline: UInt64,
    from questioner: DNSQuestioner = DNSQuestioner(), by asker: DNSAsker = .plugin,
    refuses: Bool = false
  ) -> lnd_op? {
    let ticket = ask(message, transport, deadline: deadline, .plugin, asker, questioner)
    guard refuses, let ticket, let query = try? DNSMessage(parsing: message) else { return ticket }
    broker.cancel(ticket)
    var edns = query.edns
    edns?.options = DNSFailure.plugin.reason?.option ?? []
    var header = query.header.reply(.serverFailure)
    header.recursionAvailable = true
    refused.append(
      (ticket, DNSMessage(header: header, questions: query.questions, edns: edns).encoded()))
    return ticket
  }

  func pluginCancels(_ ticket: DNSTicket) {
    guard case .plugin? = askers[ticket] else { return }
    askers[ticket] = nil
    broker.cancel(ticket)
    hasEffects = true
  }

  /// For `resolve`.
  func requestAsks(
    _ message: [UInt8], _ transport: DNSTransport, request: UInt64
  ) -> HostReply? {
    let since = MonotonicClock.now()
    let (pending, hits) = (broker.pending, broker.cache.counters.hits)
    let asker = Asker.request(request, since: since, source: nil)
    guard let ticket = ask(message, transport, deadline: 0, asker, .request, DNSQuestioner())
    else {
      return .failed(HostError(.busy, "too many DNS questions are under way"))
    }
    if broker.pending == pending {
      let source = broker.cache.counters.hits == hits ? "names" : "cache"
      askers[ticket] = .request(request, since: since, source: source)
    }
    return nil
  }

  private func ask(
    _ message: [UInt8], _ transport: DNSTransport, deadline: UInt64, _ asker: Asker,
    _ source: DNSAsker, _ questioner: DNSQuestioner
  ) -> DNSTicket? {
    let now = MonotonicClock.now()
    broker.slept = slept()
    if files.changed(now: now) {
      broker.flushCache()
      tellsPlugin = true
    }
    guard
      let ticket = broker.query(
        message, over: transport, deadline: deadline, by: source, from: questioner, now: now)
    else { return nil }
    askers[ticket] = asker
    hasEffects = true
    return ticket
  }

  // MARK: Working

  /// At the end of an iteration. Returns the latest time to be called again.
  func work() -> UInt64 {
    let now = MonotonicClock.now()
    if let deadline = broker.nextDeadline, deadline <= now {
      broker.expire(now: now)
      hasEffects = true
    }
    if tellsPlugin {
      tellsPlugin = false
      tellOfChange()
    }
    while let (ticket, bytes) = refused.popLast() { answer(ticket, bytes, now) }
    let chain = plugin?.next == nil ? [] : plugin?.chain ?? []
    for plugin in chain { plugin.workRelays(now) }
    // Queries that the plugin may pass on and answer at once.
    var next = workEffects(now)
    for plugin in chain { next = min(next, plugin.relays.due(now)) }
    return next
  }

  private func tellOfChange() { for plugin in plugin?.chain ?? [] { plugin.networkChanged() } }

  private func workEffects(_ now: UInt64) -> UInt64 {
    guard hasEffects else { return broker.nextDeadline ?? .max }
    hasEffects = false
    for _ in 0..<Self.effectsPerTurn / Self.effectsTogether {
      var isDone = false
      together { isDone = performSome(now) }
      if isDone { return hasEffects ? now : broker.nextDeadline ?? .max }
    }
    hasEffects = true
    return now
  }

  /// True when no effect is left.
  private func performSome(_ now: UInt64) -> Bool {
    for _ in 0..<Self.effectsTogether {
      guard let effect = broker.nextEffect() else { return true }
      perform(effect, now)
    }
    return false
  }

  private func perform(_ effect: DNSEffect, _ now: UInt64) {
    switch effect {
    case .ask(let lookup, let message, let transport, let deadline):
      plugin?.resolve(
        lookup, message, transport, deadline: deadline, by: broker.questioner(of: lookup))
    case .cancel(let lookup): plugin?.cancel(lookup)
    case .answer(let ticket, let bytes): answer(ticket, bytes, now)
    case .silence(let ticket): answer(ticket, nil, now)
    }
  }

  private func answer(_ ticket: DNSTicket, _ bytes: [UInt8]?, _ now: UInt64) {
    switch askers.removeValue(forKey: ticket) {
    case .plugin?:
      answerPlugin(ticket, bytes == nil ? LND_ERR_INVALID_CONFIG : LND_OK, bytes ?? [])
    case .request(let id, let since, let source)?:
      guard let bytes else {
        return answerRequest(id, .failed(HostError(.invalidConfig, "that is no DNS query")))
      }
      let milliseconds = Double(now &- since) / 1_000_000
      answerRequest(
        id,
        .resolved(
          Resolved(
            message: Base64.encode(bytes), milliseconds: milliseconds,
            source: source ?? plugin?.plugin.descriptor.name)))
    case nil: break
    }
  }

  // MARK: DNSPluginOwner

  func dnsOperationDone(
    _ operation: Operation, _ result: Result<[UInt8], HostError>, isPrivate: Bool
  ) {
    switch operation {
    case .question(let lookup):
      broker.slept = slept()
      broker.complete(
        lookup, answer: try? result.get(), isPrivate: isPrivate, now: MonotonicClock.now())
      hasEffects = true
    case .stop, .request: stopped?()
    case .start, .relayed: break
    }
  }

  func dnsFlush() { broker.flushCache() }

  // MARK: Names

  func publish(_ name: String, _ address: String) -> lnd_status {
    status(broker.publish(name, address: address))
  }

  func withdraw(_ name: String, _ address: String?) -> lnd_status {
    status(broker.withdraw(name, address: address))
  }

  private func status(_ outcome: NameTable.Outcome) -> lnd_status {
    switch outcome {
    case .done: LND_OK
    case .invalidName, .invalidAddress: LND_ERR_INVALID_CONFIG
    case .full: LND_ERR_LIMIT
    }
  }

  /// For `setNames`.
  func set(_ names: NameSet) throws(HostError) { try broker.set(names) }

  // MARK: The cache

  func flushCache() { broker.flushCache() }

  /// - Returns: the number of dropped answers.
  func flushCache(_ which: DNSCacheSelection) throws(HostError) -> Int {
    broker.flushCache(try names(which))
  }

  private func names(_ which: DNSCacheSelection) throws(HostError) -> DNSCacheNames? {
    guard let text = which.name else { return nil }
    guard let name = DNSName(userText: text) else {
      throw HostError(.invalidConfig, "`\(text)` is no domain name")
    }
    return DNSCacheNames(name: name, below: which.below)
  }

  /// A `DNSCachePage`.
  func listCache(_ which: DNSCacheSelection) throws(HostError) -> JSONValue {
    broker.slept = slept()
    let page = broker.cachePage(try names(which), from: which.from, now: MonotonicClock.now())
    do {
      return try JSONCoder.jsonValue(of: page)
    } catch {
      throw HostError(.internal, "the cache cannot be told: \(error)")
    }
  }

  /// The host's network changed: cached answers may be wrong.
  func networkChanged() {
    broker.flushCache()
    tellOfChange()
  }

  /// The broker's counters, an object.
  var counters: JSONValue? { try? JSONCoder.jsonValue(of: broker.status) }
}
