// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import HostProtocol

/// Identifies one client's question. It has a generation: a stale one is ignored and counted. Never 0.
package typealias DNSTicket = UInt64

/// Identifies one query to the DNS plugin, shared by all clients with the same question. With a generation, as above.
package typealias DNSLookupID = UInt64

/// An action for the broker's owner, which takes them with `nextEffect` after each call into the broker, in order.
package enum DNSEffect: Equatable, Sendable {
  /// Call the DNS plugin's `resolve`; `complete` passes its result back.
  case ask(DNSLookupID, message: [UInt8], DNSTransport, deadline: UInt64)
  /// Call the DNS plugin's `cancel`: no client waits any more.
  case cancel(DNSLookupID)
  /// Send this answer to the client. The ticket ends.
  case answer(DNSTicket, [UInt8])
  /// The message was not a DNS query and gets no answer. The ticket ends.
  case silence(DNSTicket)
}

/// The broker between clients (a network plugin by limanetd.dns/1, `dns query`) and the network's DNS plugin: checks
/// the question, answers owned names and cached answers, asks the plugin once for all clients with the same question,
/// enforces deadlines, matches answer and question, truncates answers to the client's limit, and answers SERVFAIL
/// when the plugin fails.
///
/// A state machine without I/O: time is an argument (monotonic nanoseconds), actions are returned as effects. Loop
/// thread only. Nothing completes inside `query`, so an owner that takes effects after it returned meets the rule of
/// limanetd.dns/1 that a completion never comes inside the call.
///
///     let ticket = broker.query(bytes, over: .udp, now: now)   // nil: too many pending
///     while let effect = broker.nextEffect() { ... }
///     broker.complete(lookup, answer: bytes or nil, now: now)  // from op_done
///     broker.expire(now: now)                                  // at nextDeadline
///
/// Bounded: `maximumPending` pending questions, shared by the askers (DNSAsker), eight times as many answers not yet
/// taken, and the cache. Owned names and cached answers are answered regardless of the number of pending questions; a
/// question that needs the plugin and has no room gets SERVFAIL at once (DNSFailure). RFC 1035 4, 2181 5 and 9, 2308,
/// 4343, 6891, 7766, 9619.
package final class DNSBroker {
  package struct Limits: Sendable {
    /// Time limit of a question, nanoseconds; also the maximum that a client can request.
    package var deadline: UInt64 = 5_000_000_000
    /// Maximum pending questions of clients.
    package var maximumPending = 2048
    /// Additional ones for the host's own user, which guests cannot use.
    package var reserved = 64
    /// Maximum cached answers, and their octets; 0: no cache.
    package var cacheEntries = 16384
    package var cacheOctets = 4 << 20

    package init() {}
  }

  package var counters = DNSCounters()
  /// False: without a DNS plugin every question fails except those that the broker answers itself.
  package var hasPlugin = true
  /// The plugin answers special names itself, and does not send them upstream.
  package var pluginKnowsSpecialNames = false
  /// Total nanoseconds that the host has slept: cached answers age during sleep, deadlines do not.
  package var slept: UInt64 = 0
  /// Rules that hold with any plugin.
  package var policy = DNSPolicy() {
    didSet { if policy != oldValue { flushCache() } }
  }

  let limits: Limits
  var names = OwnedNames()
  var cache: DNSCache
  private var clients = DNSSlots<Client>()
  private var lookups = DNSSlots<Lookup>()
  /// Queries that other clients with the same question may join.
  private var shared: [LookupKey: DNSLookupID] = [:]
  private var waiting = 0
  /// Pending questions of each client of `dns serve` that has any.
  private var waitingOfClient: [UInt64: Int] = [:]
  private var effects: [DNSEffect] = []
  private var nextEffectIndex = 0
  /// Lower bound of all pending deadlines. May be too early: that costs one idle `expire`, which corrects it.
  private var earliest = UInt64.max
  private var lastID: UInt16 = 0
  /// The questioner of the question being handled.
  private var questioner = DNSQuestioner()
  /// Number of flushes: answers to questions asked before a flush are not cached after it.
  private var era: UInt64 = 0

  private enum Client {
    case waiting(Waiting)
    /// Its last effect has not been taken yet.
    case served
    /// As above, and the client has cancelled.
    case gone
  }

  private struct Waiting {
    let query: DNSClientQuery
    var lookup: DNSLookupID
    let deadline: UInt64
    let asker: DNSAsker
    /// CNAME records of the network's own that led to the query's name.
    let chain: [DNSRecord]
    let questioner: DNSQuestioner
  }

  private struct LookupKey: Hashable {
    let key: DNSCacheKey
    /// An answer over UDP may be truncated.
    let transport: DNSTransport
  }

  private struct Lookup {
    let key: LookupKey
    let question: DNSQuestion
    /// The id of the message given to the plugin.
    let askedID: UInt16
    let era: UInt64
    var clients: [DNSTicket]
    /// The plugin has the query.
    var isAsked = false
  }

  package init(limits: Limits = Limits()) {
    self.limits = limits
    cache = DNSCache(
      limits: DNSCache.Limits(entries: limits.cacheEntries, octets: limits.cacheOctets))
  }

  /// When `expire` must be called; nil: never. May be early.
  package var nextDeadline: UInt64? {
    earliest == .max ? nil : earliest
  }

  /// Number of pending questions of clients.
  package var pending: Int { waiting }

  // MARK: For those who ask

  /// Takes a client's message: UDP payload, or TCP message without its length.
  /// - Parameters:
  ///   - deadline: monotonic nanoseconds; 0: the broker's default. With one in the past only owned and cached answers
  ///     are returned, everything else is SERVFAIL.
  /// - Returns: nil when too many answers have not been taken, or when `asker` must wait itself: send no answer.
  package func query(
    _ message: [UInt8], over transport: DNSTransport, deadline: UInt64 = 0,
    by asker: DNSAsker = .plugin, from questioner: DNSQuestioner = DNSQuestioner(), now: UInt64
  ) -> DNSTicket? {
    self.questioner = questioner
    guard clients.count < 8 * limits.maximumPending else {
      counters.overload &+= 1
      return nil
    }
    let ticket = take(message, over: transport, deadline: deadline, asker, now: now)
    if ticket != nil { counters.queries &+= 1 }
    return ticket
  }

  private func take(
    _ message: [UInt8], over transport: DNSTransport, deadline: UInt64, _ asker: DNSAsker,
    now: UInt64
  ) -> DNSTicket? {
    switch DNSAdmission(message, over: transport) {
    case .ignored:
      counters.ignored &+= 1
      let ticket = clients.insert(.served)
      effects.append(.silence(ticket))
      return ticket
    case .rejected(let answer):
      counters.rejected &+= 1
      return served(answer)
    case .admitted(let query, let end):
      return admit(query, message, end, deadline: deadline, asker, now: now)
    }
  }

  private func admit(
    _ query: DNSClientQuery, _ message: [UInt8], _ end: Int, deadline: UInt64, _ asker: DNSAsker,
    now: UInt64
  ) -> DNSTicket? {
    let question = query.question
    if !policy.ipv6, question.type == .aaaa, question.dnsClass == .internet {
      counters.withheld &+= 1
      let authority = DNSRecord(authorityOf: question.name, ttl: DNSMessage.withheldTTL)
      return served(query.answer(.noError, authority: authority))
    }
    let key = DNSCacheKey(question, query)
    // The cache has no owned names: it is flushed when names are added.
    if let (answer, age) = cache.find(key.kept, now: now &+ slept) {
      counters.cached &+= 1
      return served(answer.encoded(for: query, age: age))
    }
    switch names.find(question) {
    case .answer(.serverFailure, _):
      counters.owned &+= 1
      return served(query.failure(.aliases))
    case .answer(let code, let owned):
      counters.owned &+= 1
      // Questions of type or class ANY return both families.
      let records = policy.ipv6 ? owned : owned.filter { $0.type != .aaaa }
      return served(
        query.answer(
          code, records: records, authority: names.authority(question, code, records),
          authoritative: true))
    case .foreign:
      if let answer = special(question, query) { return served(answer) }
      if policy.localOnly { return refused(query) }
      return ask(
        Inquiry(query: query, key: key, asked: question, asker: asker, chain: []),
        { end == message.count ? message : Array(message[..<end]) }, deadline, now)
    case .outside(let chain, let name):
      let asked = DNSQuestion(name: name, type: question.type, dnsClass: question.dnsClass)
      if let answer = special(asked, query, behind: chain) { return served(answer) }
      if policy.localOnly { return refused(query) }
      let key = DNSCacheKey(asked, query)
      if let (answer, age) = cache.find(key.kept, now: now &+ slept) {
        counters.cached &+= 1
        return served(answer.encoded(for: query, behind: chain, asked, age: age))
      }
      return ask(
        Inquiry(query: query, key: key, asked: asked, asker: asker, chain: chain),
        { DNSMessage(header: query.header, questions: [asked], edns: query.edns).encoded() },
        deadline, now)
    }
  }

  /// Cancels a question; no answer follows. Ignores a stale ticket.
  package func cancel(_ ticket: DNSTicket) {
    switch clients[ticket] {
    case .waiting(let client):
      counters.cancelled &+= 1
      release(ticket, client)
      leave(client.lookup, ticket)
    case .served: clients[ticket] = .gone
    case .gone, nil: break
    }
  }

  // MARK: For the plugin's side

  /// The plugin's result: a message, or nil for a failure.
  /// - Parameter isPrivate: it is valid only for the client for which it was asked; the other waiting clients are
  ///   asked for again.
  package func complete(
    _ id: DNSLookupID, answer bytes: [UInt8]?, isPrivate: Bool = false, now: UInt64
  ) {
    guard var lookup = end(id) else {
      counters.late &+= 1
      return
    }
    if isPrivate, lookup.clients.count > 1 {
      for ticket in lookup.clients.dropFirst() { askAlone(ticket, lookup) }
      lookup.clients.removeSubrange(1...)
    }
    guard let bytes else {
      counters.failures &+= UInt64(lookup.clients.count)
      return fail(lookup)
    }
    guard let bytes = policy.ipv6 ? bytes : DNSMessage.withoutIPv6(bytes) else {
      counters.malformed &+= 1
      return fail(lookup)
    }
    do throws(DNSAnswer.Flaw) {
      let answer = try DNSAnswer(
        checking: names.corrected(bytes, lookup.question), askedID: lookup.askedID,
        lookup.question)
      if !isPrivate, lookup.era == era, lookup.key.key.wantsRecursion {
        cache.store(lookup.key.key, answer, now: now &+ slept)
      }
      for ticket in lookup.clients { serve(ticket, answer, lookup.question) }
    } catch {
      switch error {
      case .malformed: counters.malformed &+= 1
      case .mismatch: counters.mismatched &+= 1
      }
      fail(lookup)
    }
  }

  /// Ends every question whose deadline has passed: SERVFAIL to the client, `cancel` to the plugin when no other
  /// client waits for the same.
  package func expire(now: UInt64) {
    guard now >= earliest else { return }
    earliest = .max
    var late: [(DNSTicket, Waiting)] = []
    clients.forEach { ticket, client in
      guard case .waiting(let waiting) = client else { return }
      if waiting.deadline <= now {
        late.append((ticket, waiting))
      } else {
        earliest = min(earliest, waiting.deadline)
      }
    }
    for (ticket, client) in late {
      counters.timeouts &+= 1
      finish(ticket, client.query.failure(.timeout))
      leave(client.lookup, ticket)
    }
  }

  /// The next effect; nil when there is none.
  package func nextEffect() -> DNSEffect? {
    while nextEffectIndex < effects.count {
      let effect = effects[nextEffectIndex]
      nextEffectIndex += 1
      switch effect {
      case .answer(let ticket, _), .silence(let ticket):
        guard case .served = clients.remove(ticket) else { continue }
      case .ask(let id, _, _, _):
        guard lookups[id] != nil else { continue }
        lookups[id]?.isAsked = true
      case .cancel: break
      }
      return effect
    }
    effects.removeAll(keepingCapacity: true)
    nextEffectIndex = 0
    return nil
  }

  // MARK: What is kept

  /// Drops all cached answers. Queries under way will not be cached, nor joined by questions asked from now on.
  package func flushCache() {
    cache.flush()
    shared.removeAll()
    era &+= 1
  }

  /// The same for some names; nil: for all.
  /// - Returns: the number of dropped answers.
  package func flushCache(_ names: DNSCacheNames?) -> Int {
    let before = cache.count
    guard let names else {
      flushCache()
      return before
    }
    flushCache { names.contains($0.question.name) }
    return before - cache.count
  }

  /// Drops cached answers for these names. Compares each key once: some 0.1 ms for a full cache.
  func forgetCached(_ names: Set<DNSName>) {
    let folded = names.map { name in
      var bytes: [UInt8] = []
      name.appendFolded(to: &bytes)
      return bytes
    }
    flushCache { $0.isAbout(folded) }
  }

  private func flushCache(where isUnwanted: (DNSCacheKey) -> Bool) {
    cache.remove(where: isUnwanted)
    shared.removeAll()
    era &+= 1
  }

  // MARK: Inside

  private struct Inquiry {
    let query: DNSClientQuery
    let key: DNSCacheKey
    let asked: DNSQuestion
    let asker: DNSAsker
    let chain: [DNSRecord]
  }

  private func ask(
    _ inquiry: Inquiry, _ message: () -> [UInt8], _ deadline: UInt64, _ now: UInt64
  ) -> DNSTicket? {
    guard hasPlugin else {
      counters.failures &+= 1
      return served(inquiry.query.failure(.noPlugin))
    }
    guard deadline == 0 || deadline > now, mayWait(inquiry.asker) else {
      counters.overload &+= 1
      return inquiry.asker.waitsItself(inquiry.query.transport)
        ? nil : served(inquiry.query.failure(.overload))
    }
    let latest = now.addingReportingOverflow(limits.deadline)
    let bound = latest.overflow ? UInt64.max - 1 : latest.partialValue
    let deadline = deadline == 0 ? bound : min(deadline, bound)
    let key = LookupKey(key: inquiry.key, transport: inquiry.query.transport)
    if let id = shared[key], lookups[id] != nil {
      counters.shared &+= 1
      let ticket = wait(inquiry, id, deadline)
      lookups[id]?.clients.append(ticket)
      return ticket
    }
    // A new id for each query: clients may use the same id, and a plugin that mixes up its answers is detected.
    // Against spoofing the plugin uses a random id towards its upstream.
    lastID &+= 1
    var message = message()
    message[0] = UInt8(lastID >> 8)
    message[1] = UInt8(lastID & 255)
    counters.asked &+= 1
    let id = lookups.insert(
      Lookup(key: key, question: inquiry.asked, askedID: lastID, era: era, clients: []))
    shared[key] = id
    let ticket = wait(inquiry, id, deadline)
    lookups[id]?.clients.append(ticket)
    effects.append(.ask(id, message: message, inquiry.query.transport, deadline: bound))
    return ticket
  }

  /// On whose behalf a question was asked.
  package func questioner(of id: DNSLookupID) -> DNSQuestioner {
    guard let ticket = lookups[id]?.clients.first, case .waiting(let client) = clients[ticket]
    else {
      return DNSQuestioner()
    }
    return client.questioner
  }

  /// Repeats a query for one waiting client; the answer is not shared.
  private func askAlone(_ ticket: DNSTicket, _ lookup: Lookup) {
    guard case .waiting(var client) = clients[ticket] else { return }
    lastID &+= 1
    var header = client.query.header
    header.id = lastID
    let message = DNSMessage(
      header: header, questions: [lookup.question], edns: client.query.edns
    ).encoded()
    counters.asked &+= 1
    let id = lookups.insert(
      Lookup(
        key: lookup.key, question: lookup.question, askedID: lastID, era: era, clients: [ticket]))
    client.lookup = id
    clients[ticket] = .waiting(client)
    effects.append(
      .ask(id, message: message, client.query.transport, deadline: client.deadline))
  }

  private func wait(_ inquiry: Inquiry, _ id: DNSLookupID, _ deadline: UInt64) -> DNSTicket {
    waiting += 1
    if case .client(let id) = inquiry.asker { waitingOfClient[id, default: 0] += 1 }
    earliest = min(earliest, deadline)
    return clients.insert(
      .waiting(
        Waiting(
          query: inquiry.query, lookup: id, deadline: deadline, asker: inquiry.asker,
          chain: inquiry.chain, questioner: questioner)))
  }

  /// Whether `asker` may have one more pending question.
  private func mayWait(_ asker: DNSAsker) -> Bool {
    let free = limits.maximumPending - waiting
    switch asker {
    case .plugin: return free > 0
    case .request: return free + limits.reserved > 0
    case .client(let id): return free > 0 && waitingOfClient[id] ?? 0 < 4 * free
    }
  }

  /// A question is no longer pending.
  private func waitIsOver(_ client: Waiting) {
    waiting -= 1
    if waiting == 0 { earliest = .max }
    guard case .client(let id) = client.asker else { return }
    let rest = (waitingOfClient[id] ?? 0) - 1
    waitingOfClient[id] = rest > 0 ? rest : nil
  }

  /// The name is not the network's own.
  private func refused(_ query: DNSClientQuery) -> DNSTicket {
    counters.refused &+= 1
    return served(query.failure(.localOnly))
  }

  /// Answers a client at once.
  private func served(_ answer: [UInt8]) -> DNSTicket {
    let ticket = clients.insert(.served)
    effects.append(.answer(ticket, answer))
    return ticket
  }

  private func serve(_ ticket: DNSTicket, _ answer: DNSAnswer, _ asked: DNSQuestion) {
    guard case .waiting(let client) = clients[ticket] else { return }
    guard answer.isSpeakable(to: client.query) else {
      counters.failures &+= 1
      return finish(ticket, client.query.failure(.unspeakable))
    }
    counters.answered &+= 1
    finish(
      ticket,
      client.chain.isEmpty
        ? answer.encoded(for: client.query)
        : answer.encoded(for: client.query, behind: client.chain, asked))
  }

  private func fail(_ lookup: Lookup) {
    for ticket in lookup.clients {
      guard case .waiting(let client) = clients[ticket] else { continue }
      finish(ticket, client.query.failure(.plugin))
    }
  }

  private func finish(_ ticket: DNSTicket, _ answer: [UInt8]) {
    if case .waiting(let client)? = clients[ticket] { waitIsOver(client) }
    clients[ticket] = .served
    effects.append(.answer(ticket, answer))
  }

  private func release(_ ticket: DNSTicket, _ client: Waiting) {
    _ = clients.remove(ticket)
    waitIsOver(client)
  }

  /// Removes one client from a query; without clients the query is cancelled.
  private func leave(_ id: DNSLookupID, _ ticket: DNSTicket) {
    lookups[id]?.clients.removeAll { $0 == ticket }
    guard let lookup = lookups[id], lookup.clients.isEmpty else { return }
    _ = end(id)
    if lookup.isAsked { effects.append(.cancel(id)) }
  }

  private func end(_ id: DNSLookupID) -> Lookup? {
    guard let lookup = lookups.remove(id) else { return nil }
    if shared[lookup.key] == id { shared[lookup.key] = nil }
    return lookup
  }
}
