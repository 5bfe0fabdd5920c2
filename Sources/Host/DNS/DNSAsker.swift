// SPDX-License-Identifier: Apache-2.0

/// On whose behalf a question is asked: questions that wait are shared, so that nobody's to a zone
/// that is silent keep others' from being asked.
package enum DNSAsker: Hashable, Sendable {
  /// The network plugin, which tells its guests apart itself (NetStack/DNS).
  case plugin
  /// The host's own user: gets a part that others cannot take.
  case request
  /// A client of a DNS server, by a number that is its own: may have one more while it has fewer than
  /// four times what is free.
  case client(UInt64)

  /// Whether a question that may not wait here is kept by who asked, instead of being answered with
  /// SERVFAIL: a client's TCP connection is not read from, and the host's own user is told.
  func waitsItself(_ transport: DNSTransport) -> Bool {
    switch self {
    case .plugin: false
    case .request: true
    case .client: transport == .tcp
    }
  }
}
