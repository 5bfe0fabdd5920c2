// SPDX-License-Identifier: Apache-2.0
//
// DNS information from the control API.

import DNSMessage
import Daemon
import FoundationEssentials

extension ControlClient {
  func resolve(_ question: DNSLookup, network: String) throws -> DNSLookupReport {
    try send(.POST, APIPath.network(network, "dns"), body: question)
  }

  /// "hostdns 0.1.0"
  func dnsPlugin(of network: String) throws -> String? {
    let report: NetworkReport = try get(APIPath.network(network))
    return report.dns.map { "\($0.name) \($0.version)" }
  }
}

extension DNSLookupReport {
  var bytes: [UInt8] { Data(base64Encoded: message).map(Array.init) ?? [] }
}
