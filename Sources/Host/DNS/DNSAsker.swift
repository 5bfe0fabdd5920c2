// SPDX-License-Identifier: Apache-2.0

/// The party on whose behalf a question is asked, to which it is counted: pending questions are a shared resource,
/// and one party's questions to a zone whose servers do not answer must not use all of it.
package enum DNSAsker: Hashable, Sendable {
  /// The network plugin, which divides its part among its guests itself (NetStack/DNS).
  case plugin
  /// The host's own user, who has a reserved part.
  case request
  /// A client of a DNS server, by its number: it may have one more while it has fewer than four times the number that
  /// is free.
  case client(UInt64)

  /// Whether a question without room waits at the asker, instead of being answered with SERVFAIL: a client's TCP
  /// connection is not read meanwhile, and the host's own user gets an error.
  func waitsItself(_ transport: DNSTransport) -> Bool {
    switch self {
    case .plugin: false
    case .request: true
    case .client: transport == .tcp
    }
  }
}
