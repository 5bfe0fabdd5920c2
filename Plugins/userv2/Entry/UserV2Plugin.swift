// SPDX-License-Identifier: Apache-2.0
//
// The only exported symbol of lima-net-userv2.so. The rest is in UserV2Core, which tests import without a second
// entry symbol.

import LimaNetdSDK
import PluginAPI
import UserV2Core

private let module = Module(
  id: "io.lima-vm.netd.userv2", version: "0.1.0", license: "Apache-2.0",
  plugins: [
    .network(
      UserV2.self, name: "userv2",
      summary: "guests that see each other, behind user-mode NAT, no privilege needed",
      modes: ["user-v2"], schema: UserV2.schema)
  ])

// The name is the contract's.
// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func lima_netd_module_v1(
  _ host: UnsafePointer<lnd_host_info>?
) -> UnsafePointer<lnd_module>? {
  module.pointer
}
