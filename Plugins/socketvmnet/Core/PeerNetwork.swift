// SPDX-License-Identifier: Apache-2.0
//
// A network of another daemon: guests are on this network's switch, and behind `options: {socket: PATH}` is
// socket_vmnet, a QEMU, or another lima-netd, which provides DHCP, DNS and router. The supervisor connects the two
// (lnd_ext_tap.h), so the plugin has no work. Loop thread only.

import LimaNetdSDK
import PluginAPI

/// An instance of modes `shared`, `host` and `bridged` with a `socket`.
package final class PeerNetwork: NetworkPlugin {
  private let socket: String

  /// Whether a network with these options is one.
  static func serves(_ config: NetworkConfig) -> Bool {
    guard let socket = try? config.options.string("socket") else { return false }
    return !socket.isEmpty
  }

  package required init(host: HostContext, config: NetworkConfig) throws(PluginFailure) {
    socket = try config.options.string("socket") ?? ""
    try super.init(host: host, config: config)
  }

  package override func status(_ sink: lnd_sink) {
    let report: JSONValue = ["socket": .string(socket)]
    host.write(sink, report.text)
  }

  static let schemaOfSocket = #"""
            "socket": {
              "type": "string",
              "minLength": 2,
              "maxLength": 107,
              "pattern": "^/",
              "description": "The unix socket of another daemon, as socket_vmnet, that the network is connected to: addresses, names and router are that daemon's, and no interface of the host's is made."
            }
    """#
}
