// SPDX-License-Identifier: Apache-2.0

extension DNSRecord {
  /// The SOA of a negative answer generated on this machine: without one the answer cannot be cached (RFC 2308 5).
  /// Such a zone is never transferred, so the other fields are those of RFC 6303 3.
  /// - Parameters:
  ///   - zone: the queried name, or a zone that contains it.
  ///   - ttl: seconds for which the denial may be cached.
  package init(
    authorityOf zone: DNSName, dnsClass: DNSClass = .internet, ttl: UInt32
  ) {
    self.init(
      name: zone, dnsClass: dnsClass == .any ? .internet : dnsClass, ttl: ttl,
      data: .soa(
        DNSStartOfAuthority(
          primary: zone, mailbox: Self.nobody, serial: 1, refresh: 3600, retry: 1200,
          expire: 604_800, minimum: ttl)))
  }

  private static let nobody =
    DNSName(labels: [Array("nobody".utf8), Array("invalid".utf8)]) ?? .root
}
