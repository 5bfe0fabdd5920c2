// SPDX-License-Identifier: Apache-2.0
//
// A question of the control API as a DNS message.

import DNSMessage
import FoundationEssentials
import HostProtocol

extension DNSQuestion {
  /// The query in base 64.
  func message() throws(ErrorReport) -> String {
    func wrong(_ text: String) -> ErrorReport {
      ErrorReport(code: HostError.Code.invalidConfig.rawValue, message: text)
    }
    guard let name = DNSName(self.name) else {
      throw wrong(
        "`\(self.name)` is no domain name: labels have 1 to 63 characters, a name 253 at most")
    }
    guard let type = DNSType(self.type.uppercased()) else {
      throw wrong("`\(self.type)` is no DNS record type: write A, AAAA, MX, TXT, ... or TYPE65")
    }
    let query = DNSMessage(
      query: .init(name: name, type: type), id: UInt16.random(in: 0...UInt16.max),
      edns: DNSEDNS(udpSize: 1232))
    return Data(query.encoded()).base64EncodedString()
  }
}
