// SPDX-License-Identifier: Apache-2.0
//
// A bridged network: guests are stations of the host's LAN. The TAP is a port of the host's bridge (Linux's or Open
// vSwitch's; the supervisor attaches it) and an uplink of the network's switch, so the plugin only requires that it
// exists: addresses, names and routers are the LAN's. On a plain network card there is no TAP: the supervisor gives
// each guest a macvtap of its own. Loop thread only.

import LimaNetdSDK
import PluginAPI

/// An instance of mode `bridged`.
package final class BridgedNetwork: NetworkPlugin {
  /// Nil on a network card.
  private let tap: HostTap?
  private let bridge: String
  private let ifaceID: String?

  package required init(host: HostContext, config: NetworkConfig) throws(PluginFailure) {
    bridge = try Self.bridge(config)
    tap = HostTap(host)
    ifaceID = try config.options.string("ifaceId")
    try super.init(host: host, config: config)
  }

  package override class func implementation(_ config: NetworkConfig) -> NetworkPlugin.Type {
    PeerNetwork.serves(config) ? PeerNetwork.self : self
  }

  package override class func validate(
    host: HostContext, config: NetworkConfig
  ) throws(PluginFailure) {
    _ = try bridge(config)
  }

  /// Whether a network with these options is a port of a bridge.
  static func serves(_ config: NetworkConfig) -> Bool {
    guard let bridge = try? config.options.string("interface") else { return false }
    return !bridge.isEmpty
  }

  private static func bridge(_ config: NetworkConfig) throws(PluginFailure) -> String {
    guard let name = try config.options.string("interface"), !name.isEmpty else {
      throw .invalid(
        "/interface", "a bridged network needs the name of a bridge of the host's, as br0")
    }
    return name
  }

  package override func start() throws(PluginFailure) {
    _ = try tap?.add(flags: 0)
  }

  package override func status(_ sink: lnd_sink) {
    var report: JSONObject
    if let tap {
      report = [
        "interface": .string(tap.name), "bridge": .string(bridge), "mtu": JSONValue(Int(tap.mtu)),
      ]
      report["ifaceId"] = ifaceID.map(JSONValue.string)
    } else {
      report = ["card": .string(bridge)]
    }
    host.write(sink, JSONValue.object(report).text)
  }
}
