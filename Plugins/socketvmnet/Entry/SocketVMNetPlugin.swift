// SPDX-License-Identifier: Apache-2.0
//
// The only exported symbol of lima-net-socketvmnet.so. The rest is in SocketVMNetCore, which tests import without a
// second entry symbol. Each mode is a plugin with defaults of its own.

import LimaNetdSDK
import PluginAPI
import SocketVMNetCore

private let module = Module(
  id: "io.lima-vm.netd.socketvmnet", version: "0.1.0", license: "Apache-2.0",
  plugins: [
    .network(
      SharedNetwork.self, name: "socketvmnet",
      summary: "guests with addresses that the host reaches, and the outside by user-mode NAT",
      modes: ["shared"], needsTap: true, schema: SharedNetwork.sharedSchema),
    .network(
      SharedNetwork.self, name: "socketvmnet-host",
      summary: "guests that reach the host and each other, and nothing else",
      modes: ["host"], needsTap: true, schema: SharedNetwork.hostSchema),
    .network(
      BridgedNetwork.self, name: "socketvmnet-bridged",
      summary: "guests as stations of the host's LAN, on a bridge of the host's",
      modes: ["bridged"], needsTap: true, schema: BridgedNetwork.schema),
  ])

// The name is the contract's.
// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func lima_netd_module_v1(
  _ host: UnsafePointer<lnd_host_info>?
) -> UnsafePointer<lnd_module>? {
  module.pointer
}
