// SPDX-License-Identifier: Apache-2.0

import PluginAPI
import Wire

/// Who asks a DNS question (lnd_dns_query), as far as it is known.
package struct DNSQuestioner: Sendable {
  /// The guest's port; 0: none.
  package var port: lnd_port = 0
  /// Of the station, first byte highest; 0: not known.
  package var mac: UInt64 = 0
  /// The guest's, or "".
  package var name = ""
  package var client = lnd_endpoint()
  package var server = lnd_endpoint()

  package init() {}
}
