// SPDX-License-Identifier: Apache-2.0

import PluginAPI
import Wire

/// The sender of a DNS question (lnd_dns_query), as far as it is known.
package struct DNSQuestioner: Sendable {
  /// The guest's port; 0: none.
  package var port: lnd_port = 0
  /// The station's Ethernet address, the first byte in bits 47 to 40; 0: unknown.
  package var mac: UInt64 = 0
  /// The guest's name, or "".
  package var name = ""
  package var client = lnd_endpoint()
  package var server = lnd_endpoint()

  package init() {}
}
