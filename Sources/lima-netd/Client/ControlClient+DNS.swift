// SPDX-License-Identifier: Apache-2.0
//
// ControlClient+DNS: apart, because DNSMessage has a DNSQuestion of its own.

import DNSMessage
import Daemon
import FoundationEssentials

/// A question and how it is put, as the control API has it.
typealias AskedQuestion = Daemon.DNSQuestion

extension ControlClient {
  func resolve(_ question: AskedQuestion, network: String) throws -> DNSAnswer {
    try send(.POST, APIPath.network(network, "dns"), body: question)
  }

  /// "hostdns 0.1.0"
  func dnsPlugin(of network: String) throws -> String? {
    let report: NetworkReport = try get(APIPath.network(network))
    return report.dns.map { "\($0.name) \($0.version)" }
  }
}

extension DNSAnswer {
  var bytes: [UInt8] { Data(base64Encoded: message).map(Array.init) ?? [] }
}
