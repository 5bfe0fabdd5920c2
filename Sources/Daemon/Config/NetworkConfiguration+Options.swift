// SPDX-License-Identifier: Apache-2.0
//
// Keys of networks.yaml that are options of plugins that have them.

extension NetworkConfiguration.Settings {
  /// Lima's keys with a meaning for every network, as options.
  var commonOptions: JSONObject {
    var object = JSONObject()
    object["interface"] = interface.map(JSONValue.string)
    object["gateway"] = gateway.map { .string($0.description) }
    object["netmask"] = netmask.map { .string($0.description) }
    object["dhcpEnd"] = dhcpEnd.map { .string($0.description) }
    return object
  }
}
