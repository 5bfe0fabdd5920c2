// SPDX-License-Identifier: Apache-2.0
//
// Names that never leave, whichever DNS plugin a network has: localhost, .invalid, .onion, the reverse names of loopback
// addresses (DNSSpecialName). What the network owns goes before them.

import DNSMessage

extension DNSBroker {
  /// The answer about a special name; nil: it is none, or the DNS plugin knows better, as hostdns does by the host's hosts
  /// file. Of another class than IN no plugin is asked.
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
