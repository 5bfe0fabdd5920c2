// SPDX-License-Identifier: Apache-2.0
import DNSMessage

/// Names one question under way. Carries a generation: one that is used after
/// its end is ignored and counted. Never 0.
package typealias DNSTicket = UInt64

/// What the broker wants done. Its owner takes them with `nextEffect` after
/// each call into the broker, in order.
package enum DNSEffect: Equatable, Sendable {
  /// Call the DNS plugin's `resolve`; `complete` brings back what it says.
  case ask(DNSTicket, message: [UInt8], DNSTransport, deadline: UInt64)
  /// Call the DNS plugin's `cancel`: nobody waits any more.
  case cancel(DNSTicket)
  /// The answer for whoever asked: ready to be sent. The ticket is spent.
  case answer(DNSTicket, [UInt8])
  /// The message was no DNS query and gets no answer. The ticket is spent.
  case silence(DNSTicket)
}

/// Stands between those who ask (a network plugin by limanetd.dns/1, `dns
/// query`) and the network's DNS plugin: judges the question, answers owned
/// names, keeps deadlines, matches answer and question, cuts answers to what
/// the client can take, and says SERVFAIL when the plugin does not deliver.
///
/// A state machine without I/O: time comes in as an argument (monotonic
/// nanoseconds), work goes out as effects. Loop thread only. Nothing completes
/// inside `query`, so an owner that takes effects after it returned keeps
/// limanetd.dns/1's promise by itself.
///
///     let ticket = broker.query(bytes, over: .udp, now: now)   // nil: too many
///     while let effect = broker.nextEffect() { ... }
///     broker.complete(ticket, answer: bytes or nil, now: now)  // from op_done
///     broker.expire(now: now)                                  // at nextDeadline
///
/// Bounded: `maximumPending` questions, each of at most 64 KiB.
/// RFC 1035 4, 2181 5 and 9, 4343, 6891, 7766, 9619.
package final class DNSBroker {
  package struct Limits: Sendable {
    /// Nanoseconds a question may take; also the most a client can ask for.
    package var deadline: UInt64 = 5_000_000_000
    /// Questions with the plugin at one time.
    package var maximumPending = 1024

    package init() {}
  }

  /// Names answered here; publish and withdraw at any time.
  package var names = NameTable()
  package private(set) var counters = DNSCounters()
  /// Without a DNS plugin every question but those about owned names fails.
  package var hasPlugin = true

  private let limits: Limits
  private var slots: [Slot] = []
  private var free: [Int] = []
  private var pendingCount = 0
  private var effects: [DNSEffect] = []
  private var nextEffectIndex = 0
  /// No pending deadline is earlier. May lag behind: that costs one idle
  /// `expire`, which sets it right.
  private var earliest = UInt64.max
  private var lastID: UInt16 = 0

  private struct Slot {
    var generation: UInt32 = 1
    var pending: Pending?
  }

  private struct Pending {
    let query: DNSClientQuery
    /// The id of the message the plugin has.
    let askedID: UInt16
    let deadline: UInt64
  }

  package init(limits: Limits = Limits()) {
    self.limits = limits
  }

  /// When `expire` has something to do; nil: never. May be early.
  package var nextDeadline: UInt64? {
    earliest == .max ? nil : earliest
  }

  /// Questions with the plugin.
  package var pending: Int { pendingCount }

  // MARK: For those who ask

  /// Takes a client's message: UDP payload, or TCP message without its length.
  /// - Parameters:
  ///   - deadline: monotonic nanoseconds; 0 lets the broker choose.
  /// - Returns: nil when too many questions are under way: send no answer.
  package func query(
    _ message: [UInt8], over transport: DNSTransport, deadline: UInt64 = 0, now: UInt64
  ) -> DNSTicket? {
    guard pendingCount < limits.maximumPending else {
      counters.overload &+= 1
      return nil
    }
    counters.queries &+= 1
    let slot = free.popLast() ?? addSlot()
    let ticket = ticket(of: slot)
    switch DNSAdmission(message, over: transport) {
    case .ignored:
      counters.ignored &+= 1
      release(slot)
      effects.append(.silence(ticket))
    case .rejected(let answer):
      counters.rejected &+= 1
      finish(slot, ticket, answer)
    case .admitted(let query):
      if let records = names.records(for: query.question) {
        counters.owned &+= 1
        finish(slot, ticket, query.answer(.noError, records: records, authoritative: true))
      } else if !hasPlugin {
        counters.failures &+= 1
        finish(slot, ticket, query.answer(.serverFailure))
      } else {
        ask(slot, ticket, query, deadline: deadline, now: now)
      }
    }
    return ticket
  }

  /// Forgets a question; no answer follows. Ignores a stale ticket.
  package func cancel(_ ticket: DNSTicket) {
    // What has not been taken yet need not be done at all.
    var wasAsked = true
    if nextEffectIndex < effects.count {
      var kept: [DNSEffect] = []
      for effect in effects[nextEffectIndex...] {
        switch effect {
        case .ask(ticket, _, _, _): wasAsked = false
        case .answer(ticket, _), .silence(ticket): break
        default: kept.append(effect)
        }
      }
      effects = kept
      nextEffectIndex = 0
    }
    guard let slot = slot(of: ticket) else { return }
    counters.cancelled &+= 1
    release(slot)
    if wasAsked { effects.append(.cancel(ticket)) }
  }

  // MARK: For the plugin's side

  /// What the plugin came to: a message, or nil for a failure.
  package func complete(_ ticket: DNSTicket, answer: [UInt8]?, now: UInt64) {
    guard let slot = slot(of: ticket), let pending = slots[slot].pending else {
      counters.late &+= 1
      return
    }
    guard let answer else {
      counters.failures &+= 1
      finish(slot, ticket, pending.query.answer(.serverFailure))
      return
    }
    switch DNSAnswerCheck(answer, askedID: pending.askedID, query: pending.query) {
    case .fits(let bytes):
      counters.answered &+= 1
      finish(slot, ticket, bytes)
      return
    case .malformed: counters.malformed &+= 1
    case .mismatch: counters.mismatched &+= 1
    case .unspeakable: counters.failures &+= 1
    }
    finish(slot, ticket, pending.query.answer(.serverFailure))
  }

  /// Gives up on every question whose time is over: SERVFAIL to the client,
  /// `cancel` to the plugin.
  package func expire(now: UInt64) {
    guard now >= earliest else { return }
    earliest = .max
    for slot in slots.indices {
      guard let pending = slots[slot].pending else { continue }
      if pending.deadline <= now {
        let ticket = ticket(of: slot)
        counters.timeouts &+= 1
        finish(slot, ticket, pending.query.answer(.serverFailure))
        effects.append(.cancel(ticket))
      } else {
        earliest = min(earliest, pending.deadline)
      }
    }
  }

  /// The next thing to do; nil when all is done.
  package func nextEffect() -> DNSEffect? {
    guard nextEffectIndex < effects.count else {
      effects.removeAll(keepingCapacity: true)
      nextEffectIndex = 0
      return nil
    }
    nextEffectIndex += 1
    return effects[nextEffectIndex - 1]
  }

  // MARK: Inside

  private func ask(
    _ slot: Int, _ ticket: DNSTicket, _ query: DNSClientQuery, deadline: UInt64, now: UInt64
  ) {
    let latest = now.addingReportingOverflow(limits.deadline)
    let bound = latest.overflow ? UInt64.max - 1 : latest.partialValue
    let deadline = deadline == 0 ? bound : min(deadline, bound)
    // An id of our own: two clients with the same id are two questions, and a
    // plugin that mixes up its answers is found out. The guard against the
    // network is the plugin's random id towards its upstream.
    lastID &+= 1
    var message = query.message
    message[0] = UInt8(lastID >> 8)
    message[1] = UInt8(lastID & 255)
    counters.asked &+= 1
    slots[slot].pending = Pending(query: query, askedID: lastID, deadline: deadline)
    pendingCount += 1
    earliest = min(earliest, deadline)
    effects.append(.ask(ticket, message: message, query.transport, deadline: deadline))
  }

  private func finish(_ slot: Int, _ ticket: DNSTicket, _ answer: [UInt8]) {
    release(slot)
    effects.append(.answer(ticket, answer))
  }

  private func addSlot() -> Int {
    slots.append(Slot())
    return slots.count - 1
  }

  private func release(_ slot: Int) {
    if slots[slot].pending != nil {
      slots[slot].pending = nil
      pendingCount -= 1
    }
    slots[slot].generation = slots[slot].generation == .max ? 1 : slots[slot].generation + 1
    free.append(slot)
    if pendingCount == 0 { earliest = .max }
  }

  private func ticket(of slot: Int) -> DNSTicket {
    UInt64(slots[slot].generation) << 32 | UInt64(slot)
  }

  /// The slot of a question with the plugin.
  private func slot(of ticket: DNSTicket) -> Int? {
    let slot = Int(ticket & 0xFFFF_FFFF)
    guard slot < slots.count, slots[slot].generation == UInt32(ticket >> 32),
      slots[slot].pending != nil
    else { return nil }
    return slot
  }
}
