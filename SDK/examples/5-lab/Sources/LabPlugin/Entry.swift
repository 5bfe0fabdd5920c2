// SPDX-License-Identifier: Apache-2.0
//
// The one exported symbol of lima-net-lab.so.

import LabCore
import LimaNetdSDK
import PluginAPI

private let module = Module(
  id: "org.example.lab", version: "0.1.0", license: "Apache-2.0",
  plugins: [
    .network(
      Lab.self, name: "lab", summary: "Guests among themselves, with addresses and names",
      modes: ["lab"], plainFrames: true, schema: Lab.schema)
  ])

// The name is the contract's.
// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func lima_netd_module_v1(
  _ host: UnsafePointer<lnd_host_info>?
) -> UnsafePointer<lnd_module>? {
  module.pointer
}
