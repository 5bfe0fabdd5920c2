// SPDX-License-Identifier: Apache-2.0
//
// Bodies of the control API's requests about names.

import HostProtocol

/// POST /v1/networks/NAME/dns
package struct DNSLookup: Codable, Sendable, Hashable {
  package var name: String
  /// "A", "AAAA", "TYPE65", ...
  package var type: String
  /// Default: "IN".
  package var `class`: String?
  /// "udp": the answer that a client gets over UDP. Default: the complete answer, as over TCP.
  package var transport: String?
  /// The client's UDP payload size (EDNS); nil: 1232, 0: a client without EDNS.
  package var udpSize: Int?
  /// Flags of the question: DO, CD, and RD, which is set by default.
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
  /// The source of the answer: a DNS plugin's name, "names" for owned names, "cache". Absent if the process does not report
  /// it.
  package var source: String?

  package init(message: String, milliseconds: Double, source: String? = nil) {
    self.message = message
    self.milliseconds = milliseconds
    self.source = source
  }
}

/// A cached answer of a network. GET /v1/networks/NAME/dns/cache returns an array of these; `?name=NAME` only those of a
/// name, with `&below=true` also of the names below it.
package struct DNSCacheReport: Codable, Sendable, Hashable {
  package var network: String
  /// Without the final dot, in lower case.
  package var name: String
  package var type: String
  package var `class`: String
  /// Flags set in the question ("ad cd do"); usually "".
  package var flags: String
  /// "NOERROR" or "NXDOMAIN"
  package var code: String
  /// Number of records in the answer; 0 for NODATA and NXDOMAIN.
  package var answers: Int
  /// Seconds until it expires.
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
  /// Number of answers dropped.
  package var forgotten: Int
}
