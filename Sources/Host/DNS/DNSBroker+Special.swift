// SPDX-License-Identifier: Apache-2.0
//
// Names that are never sent upstream, with any DNS plugin: localhost, .invalid, .onion, the reverse names of loopback
// addresses (DNSSpecialName). Owned names take precedence.

import DNSMessage

extension DNSBroker {
  /// The answer for a special name; nil: it is not special, or the DNS plugin answers it itself, as hostdns does from
  /// the host's hosts file. For classes other than IN no plugin is asked.
  /// - Parameter chain: CNAME records of the network's own that led there.
  func special(
    _ asked: DNSQuestion, _ query: DNSClientQuery, behind chain: [DNSRecord] = []
  ) -> [UInt8]? {
    guard let special = DNSSpecialName(asked.name),
      !pluginKnowsSpecialNames || asked.dnsClass != .internet
    else { return nil }
    counters.special &+= 1
    let said = special.answer(asked, ipv6: policy.ipv6)
    var authority: DNSRecord?
    if said.code == .nameError || said.code == .noError && said.records.isEmpty {
      authority = DNSRecord(
        authorityOf: said.zone ?? asked.name, dnsClass: asked.dnsClass,
        ttl: DNSSpecialName.timeToLive)
    }
    let reason = DNSExtendedError(
      DNSExtendedError.notSupported, "a name that never leaves has data of class IN only")
    return query.answer(
      said.code, records: said.code == .refused ? [] : chain + said.records, authority: authority,
      reason: said.code == .refused ? reason : nil)
  }
}
