// SPDX-License-Identifier: Apache-2.0
//
// Bodies of the control API's requests about names.

import HostProtocol

/// POST /v1/networks/NAME/dns
package struct DNSLookup: Codable, Sendable, Hashable {
  package var name: String
  /// "A", "AAAA", "TYPE65", ...
  package var type: String
  /// "IN" unless said otherwise.
  package var `class`: String?
  /// "udp": what a client gets that asks over UDP. Otherwise the whole answer, as over TCP.
  package var transport: String?
  /// Octets that the client takes over UDP (EDNS); nil: 1232, 0: a client without EDNS.
  package var udpSize: Int?
  /// Bits of the question: DO, CD, and RD, which is set unless this says false.
  package var dnssec: Bool?
  package var checkingDisabled: Bool?
  package var recursion: Bool?

  package init(
    name: String, type: String, class: String? = nil, transport: String? = nil,
    udpSize: Int? = nil, dnssec: Bool? = nil, checkingDisabled: Bool? = nil,
    recursion: Bool? = nil
  ) {
    self.name = name
    self.type = type
    self.class = `class`
    self.transport = transport
    self.udpSize = udpSize
    self.dnssec = dnssec
    self.checkingDisabled = checkingDisabled
    self.recursion = recursion
  }
}

package struct DNSLookupReport: Codable, Sendable {
  /// The DNS message, base64.
  package var message: String
  package var milliseconds: Double
  /// Who answered: a DNS plugin's name, "names" for what the network owns, "cache". Absent where the process that was
  /// asked does not say.
  package var source: String?

  package init(message: String, milliseconds: Double, source: String? = nil) {
    self.message = message
    self.milliseconds = milliseconds
    self.source = source
  }
}

/// An answer that a network keeps. GET /v1/networks/NAME/dns/cache gives an array of these; `?name=NAME` only those of
/// a name, with `&below=true` also of the names below it.
package struct DNSCacheReport: Codable, Sendable, Hashable {
  package var network: String
  /// Without the final dot, in lower case.
  package var name: String
  package var type: String
  package var `class`: String
  /// Bits of the question that were set ("ad cd do"); "" for most.
  package var flags: String
  /// "NOERROR" or "NXDOMAIN"
  package var code: String
  /// Records that answer; 0 for NODATA and NXDOMAIN.
  package var answers: Int
  /// Seconds until it is forgotten.
  package var ttl: UInt64

  init(network: String, _ entry: DNSCacheEntry) {
    self.network = network
    name = entry.name
    type = entry.type
    self.class = entry.class
    flags = entry.flags
    code = entry.code
    answers = entry.answers
    ttl = entry.ttl
  }
}

/// The answer to DELETE /v1/networks/NAME/dns/cache, which takes `name` and `below` as GET does.
package struct DNSFlushReport: Codable, Sendable, Hashable {
  package var network: String
  /// Answers that are no longer kept.
  package var forgotten: Int
}
