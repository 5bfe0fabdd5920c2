// SPDX-License-Identifier: Apache-2.0
//
// Special-use names, which must not be sent to any nameserver.

/// What is known of a name from its suffix alone. `.test`, `.local` and `home.arpa` are not included: a stub resolver
/// queries them like other names (RFC 6761 6.2.3, RFC 6762 22.1, RFC 8375 4), and so does the host.
package enum DNSSpecialName: Equatable, Sendable {
  /// localhost and names below it: the loopback addresses (RFC 6761 6.3).
  case loopback
  /// The reverse name of a loopback address, or a name above one: 127.in-addr.arpa, ::1 (RFC 6303 4).
  case reverse(DNSAddress?)
  /// Never exists: `.invalid` (RFC 6761 6.4), `.onion` (RFC 7686 2). With the zone.
  case missing(DNSName)

  package init?(_ name: DNSName) {
    if name.isWithin(Self.localhost) {
      self = .loopback
    } else if let zone = [Self.invalid, Self.onion].first(where: { name.isWithin($0) }) {
      self = .missing(zone)
    } else if name.isWithin(Self.reverse4) || name == Self.reverse6 {
      self = .reverse(name.reverseAddress)
    } else {
      return nil
    }
  }

  /// Must not be sent to a nameserver, even if the hosts file has it.
  package var staysHere: Bool {
    switch self {
    case .loopback, .missing: true
    case .reverse: false
    }
  }

  /// TTL of permanent records, seconds.
  package static let timeToLive: UInt32 = 3600

  package struct Answer: Equatable, Sendable {
    package var code: DNSResponseCode
    /// None with NOERROR is NODATA.
    package var records: [DNSRecord] = []
    /// The name of the SOA of a negative answer; nil: the question's name.
    package var zone: DNSName?
  }

  /// The answer, without a query. Special names are of class IN: a question of another class, except ANY, can neither
  /// be answered here nor sent to a nameserver, and gets REFUSED.
  package func answer(_ asked: DNSQuestion, ipv6: Bool) -> Answer {
    guard asked.dnsClass == .internet || asked.dnsClass == .any else {
      return Answer(code: .refused)
    }
    func records(_ data: [DNSRecordData]) -> Answer {
      let fitting = data.filter { $0.type == asked.type || asked.type == .any }
      return Answer(
        code: .noError,
        records: fitting.map { DNSRecord(name: asked.name, ttl: Self.timeToLive, data: $0) })
    }
    switch self {
    case .loopback:
      let addresses: [DNSAddress] = ipv6 ? [.v4(0x7F00_0001), .v6(0, 1)] : [.v4(0x7F00_0001)]
      return records(addresses.map { .address($0) })
    case .missing(let zone): return Answer(code: .nameError, zone: zone)
    case .reverse(.v4(0x7F00_0001)?), .reverse(.v6(0, 1)?):
      return records([.name(.ptr, Self.localhost)])
    case .reverse(nil) where asked.name.labels.count < 6: return records([])
    case .reverse: return Answer(code: .nameError, zone: Self.reverse4)
    }
  }

  private static let localhost = DNSName("localhost") ?? .root
  private static let invalid = DNSName("invalid") ?? .root
  private static let onion = DNSName("onion") ?? .root
  private static let reverse4 = DNSName("127.in-addr.arpa") ?? .root
  private static let reverse6 = DNSName(reverseOf: .v6(0, 1))
}
