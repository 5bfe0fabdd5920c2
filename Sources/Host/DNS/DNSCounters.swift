// SPDX-License-Identifier: Apache-2.0

/// What the broker did since the network started, for `status`.
package struct DNSCounters: Codable, Equatable, Sendable {
  /// Messages from clients that were taken.
  package var queries: UInt64 = 0
  /// SERVFAIL, or no answer where none could be sent: too many questions under way, of this client or of all.
  package var overload: UInt64 = 0
  /// No DNS query at all: no answer.
  package var ignored: UInt64 = 0
  /// Answered with FORMERR, NOTIMP, BADVERS or REFUSED.
  package var rejected: UInt64 = 0
  /// Answered from the names of the network.
  package var owned: UInt64 = 0
  /// Answered by what is known of localhost, .invalid, .onion and loopback addresses.
  package var special: UInt64 = 0
  /// Answered with NODATA, because the network has no IPv6 addresses to tell.
  package var withheld: UInt64 = 0
  /// Answered with what was kept.
  package var cached: UInt64 = 0
  /// Waited for the answer to somebody else's same question.
  package var shared: UInt64 = 0
  /// Handed to the DNS plugin.
  package var asked: UInt64 = 0
  /// Answered by the DNS plugin.
  package var answered: UInt64 = 0
  /// SERVFAIL, because the plugin failed.
  package var failures: UInt64 = 0
  /// SERVFAIL, because the deadline passed.
  package var timeouts: UInt64 = 0
  /// SERVFAIL, because what the plugin gave was no DNS answer.
  package var malformed: UInt64 = 0
  /// SERVFAIL, because the answer's id or question was another.
  package var mismatched: UInt64 = 0
  /// Came after the deadline or after the question was cancelled.
  package var late: UInt64 = 0
  /// Forgotten at the client's wish.
  package var cancelled: UInt64 = 0

  package init() {}
}
