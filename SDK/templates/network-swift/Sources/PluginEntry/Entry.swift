// SPDX-License-Identifier: Apache-2.0
//
// The only exported symbol of lima-net-__NAME__.so.

import LimaNetdSDK
import PluginAPI
import PluginCore

private let module = Module(
  id: "org.example.__NAME__", version: "0.1.0", license: "Apache-2.0",
  plugins: [
    .network(
      Instance.self, name: "__NAME__", summary: "Gives a guest an address and answers ping",
      modes: ["__NAME__"], isolated: true, schema: Instance.schema)
  ])

// The name is the contract's.
// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func lima_netd_module_v1(
  _ host: UnsafePointer<lnd_host_info>?
) -> UnsafePointer<lnd_module>? {
  module.pointer
}
