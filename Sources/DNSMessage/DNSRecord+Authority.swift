// SPDX-License-Identifier: Apache-2.0

extension DNSRecord {
  /// The SOA of a negative answer that is made on this machine: without one nobody may keep it
  /// (RFC 2308 5). Nobody transfers such a zone, so the other fields are those of RFC 6303 3.
  /// - Parameters:
  ///   - zone: the name that was asked for, or what it lies in.
  ///   - ttl: seconds the denial may be kept.
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
