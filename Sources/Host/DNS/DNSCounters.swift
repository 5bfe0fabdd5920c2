// SPDX-License-Identifier: Apache-2.0

/// The broker's counters since the network started, for `status`.
package struct DNSCounters: Codable, Equatable, Sendable {
  /// Accepted messages of clients.
  package var queries: UInt64 = 0
  /// SERVFAIL, or no answer where none could be sent: too many pending questions, of this client or of all.
  package var overload: UInt64 = 0
  /// Not a DNS query: no answer.
  package var ignored: UInt64 = 0
  /// Answered with FORMERR, NOTIMP, BADVERS or REFUSED.
  package var rejected: UInt64 = 0
  /// Answered from the network's own names.
  package var owned: UInt64 = 0
  /// Answered by the rules for localhost, .invalid, .onion and loopback addresses.
  package var special: UInt64 = 0
  /// Answered with NODATA, because the network has no IPv6.
  package var withheld: UInt64 = 0
  /// REFUSED, because the name is not the network's own and it answers no others.
  package var refused: UInt64 = 0
  /// Answered from the cache.
  package var cached: UInt64 = 0
  /// Joined a pending query with the same question.
  package var shared: UInt64 = 0
  /// Queries to the DNS plugin.
  package var asked: UInt64 = 0
  /// Answered by the DNS plugin.
  package var answered: UInt64 = 0
  /// SERVFAIL, because the plugin failed.
  package var failures: UInt64 = 0
  /// SERVFAIL, because the deadline passed.
  package var timeouts: UInt64 = 0
  /// SERVFAIL, because the plugin's answer was not a DNS response.
  package var malformed: UInt64 = 0
  /// SERVFAIL, because the answer's id or question differed.
  package var mismatched: UInt64 = 0
  /// Answers after the deadline or after the question was cancelled.
  package var late: UInt64 = 0
  /// Cancelled by the client.
  package var cancelled: UInt64 = 0

  package init() {}
}
