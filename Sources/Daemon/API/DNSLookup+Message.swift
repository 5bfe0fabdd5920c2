// SPDX-License-Identifier: Apache-2.0
//
// Converts a question of the control API to a DNS message.

import DNSMessage
import FoundationEssentials
import HostProtocol

extension DNSLookup {
  /// The request to the network's process.
  func spec() throws(ErrorReport) -> ResolveSpec {
    func wrong(_ text: String) -> ErrorReport {
      ErrorReport(code: HostError.Code.invalidConfig.rawValue, message: text)
    }
    guard transport == nil || transport == "udp" || transport == "tcp" else {
      throw wrong("`\(transport ?? "")` is no transport of the DNS: write udp or tcp")
    }
    return ResolveSpec(
      message: Data(try query(id: UInt16.random(in: 0...UInt16.max)).encoded())
        .base64EncodedString(), name: name, type: type, isDatagram: transport == "udp" ? true : nil)
  }

  /// The query as a client sends it.
  package func query(id: UInt16) throws(ErrorReport) -> DNSMessage {
    func wrong(_ text: String) -> ErrorReport {
      ErrorReport(code: HostError.Code.invalidConfig.rawValue, message: text)
    }
    guard let name = DNSName(userText: self.name) else {
      throw wrong(
        "`\(self.name)` is no domain name: labels have 1 to 63 characters, a name 253 at most")
    }
    guard let type = DNSType(self.type.uppercased()) else {
      throw wrong("`\(self.type)` is no DNS record type: write A, AAAA, MX, TXT, ... or TYPE65")
    }
    guard let dnsClass = DNSClass(self.class ?? "IN") else {
      throw wrong("`\(self.class ?? "")` is no DNS class: write IN, CH, HS, ANY or CLASS3")
    }
    let size = udpSize ?? 1232
    guard (0...65535).contains(size) else {
      throw wrong("udpSize is \(size): a client takes 0 to 65535 octets")
    }
    guard size > 0 || dnssec != true else {
      throw wrong("a client without EDNS cannot ask for DNSSEC's records")
    }
    let edns =
      size == 0
      ? nil : DNSEDNS(udpSize: UInt16(clamping: size), flags: dnssec == true ? 0x8000 : 0)
    var query = DNSMessage(
      query: .init(name: name, type: type, dnsClass: dnsClass), id: id, edns: edns)
    query.header.recursionDesired = recursion ?? true
    query.header.checkingDisabled = checkingDisabled ?? false
    return query
  }
}
