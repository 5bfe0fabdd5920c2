// SPDX-License-Identifier: Apache-2.0
//
// Keys of networks.yaml, and what follows from other networks, that stand for options of whichever plugin has them.

extension NetworkConfiguration.Settings {
  /// Lima's keys with a meaning for every network, as options.
  var commonOptions: JSONObject {
    var object = JSONObject()
    object["interface"] = interface.map(JSONValue.string)
    object["gateway"] = gateway.map { .string($0.description) }
    object["netmask"] = netmask.map { .string($0.description) }
    object["dhcpEnd"] = dhcpEnd.map { .string($0.description) }
    if !closedNetworks.isEmpty {
      object["closedNetworks"] = .array(closedNetworks.map(JSONValue.string))
    }
    return object
  }
}
