// SPDX-License-Identifier: Apache-2.0
//
// The only exported symbol of lima-dns-__NAME__.so.

import LimaNetdSDK
import PluginAPI
import PluginCore

private let module = Module(
  id: "org.example.__NAME__", version: "0.1.0", license: "Apache-2.0",
  plugins: [
    .dns(
      Instance.self, name: "__NAME__", summary: "Answers one name", schema: Instance.schema)
  ])

// The name is the contract's.
// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func lima_netd_module_v1(
  _ host: UnsafePointer<lnd_host_info>?
) -> UnsafePointer<lnd_module>? {
  module.pointer
}
