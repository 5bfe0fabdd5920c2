// SPDX-License-Identifier: Apache-2.0
//
// The only exported symbol of lima-net-slirp.so. The rest is in SlirpCore, which tests import without a second entry
// symbol.

import LimaNetdSDK
import PluginAPI
import SlirpCore

private let module = Module(
  id: "io.lima-vm.netd.slirp", version: "0.1.0", license: "Apache-2.0",
  plugins: [
    .network(
      Slirp.self, name: "slirp",
      summary: "user-mode NAT: every guest alone behind the host, no privilege needed",
      modes: ["slirp"], isolated: true, schema: Slirp.schema)
  ])

// The name is the contract's.
// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func lima_netd_module_v1(
  _ host: UnsafePointer<lnd_host_info>?
) -> UnsafePointer<lnd_module>? {
  module.pointer
}
