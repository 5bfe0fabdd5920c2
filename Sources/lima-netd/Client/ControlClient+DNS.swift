// SPDX-License-Identifier: Apache-2.0
//
// ControlClient+DNS: apart, because DNSMessage has a DNSQuestion of its own.

import Daemon

extension ControlClient {
  func resolve(name: String, type: String, network: String) throws -> DNSAnswer {
    try send(
      .POST, APIPath.network(network, "dns"), body: DNSQuestion(name: name, type: type))
  }

  /// "hostdns 0.1.0"
  func dnsPlugin(of network: String) throws -> String? {
    let report: NetworkReport = try get(APIPath.network(network))
    return report.dns.map { "\($0.name) \($0.version)" }
  }
}
