// SPDX-License-Identifier: Apache-2.0
//
// The broker's status and cache listing.

import DNSMessage
import HostProtocol

/// One name, or a name and all below it.
package struct DNSCacheNames: Sendable {
  var name: DNSName
  var below: Bool

  package init(name: DNSName, below: Bool) {
    self.name = name
    self.below = below
  }

  func contains(_ other: DNSName) -> Bool { below ? other.isWithin(name) : other == name }
}

/// Counters and cache figures, for `status`.
struct DNSStatus: Encodable {
  struct Cache: Encodable {
    var entries: Int
    var octets: Int
    var hits: UInt64
    var misses: UInt64
    var evictions: UInt64
    var flushes: UInt64
  }

  var counters: DNSCounters
  var pending: Int
  var cache: Cache

  private enum CodingKeys: String, CodingKey {
    case pending, cache
  }

  func encode(to encoder: any Encoder) throws {
    try counters.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(pending, forKey: .pending)
    try container.encode(cache, forKey: .cache)
  }
}

extension DNSBroker {
  var status: DNSStatus {
    let counters = cache.counters
    return DNSStatus(
      counters: self.counters, pending: pending,
      cache: DNSStatus.Cache(
        entries: cache.count, octets: cache.octets, hits: counters.hits, misses: counters.misses,
        evictions: counters.evictions, flushes: counters.flushes))
  }

  /// Entries of one page of the listing, and slots of the cache scanned for it: some 2 ms.
  private static let pageEntries = 500
  private static let pagePlaces = 4096

  /// A page of the cached answers, of all names or some, unordered.
  package func cachePage(
    _ names: DNSCacheNames? = nil, from start: Int = 0, now: UInt64
  ) -> DNSCachePage {
    var entries: [DNSCacheEntry] = []
    let next = cache.forEach(from: start, atMost: Self.pagePlaces, now: now &+ slept) {
      key, answer, left in
      let question = key.question
      if let names, !names.contains(question.name) { return true }
      entries.append(
        DNSCacheEntry(
          name: question.name.displayed, type: "\(question.type)", class: "\(question.dnsClass)",
          flags: key.flags, code: "\(answer.responseCode)",
          answers: answer.lifetime?.negative == nil ? answer.answerCount : 0, ttl: left,
          octets: answer.records.count))
      return entries.count < Self.pageEntries
    }
    return DNSCachePage(entries: entries, next: next)
  }
}
