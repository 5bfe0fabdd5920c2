// SPDX-License-Identifier: Apache-2.0
//
// The only exported symbol of lima-dns-hostdns.so. The rest is in HostDNSCore, which tests import without a second
// entry symbol.

import HostDNSCore
import LimaNetdSDK
import PluginAPI

private let module = Module(
  id: "io.lima-vm.netd.hostdns", version: "0.1.0", license: "Apache-2.0",
  plugins: [
    .dns(
      HostResolver.self, name: "hostdns", summary: "Names as the host resolves them",
      schema: hostDNSSchema)
  ])

// The name is the contract's.
// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func lima_netd_module_v1(
  _ host: UnsafePointer<lnd_host_info>?
) -> UnsafePointer<lnd_module>? {
  module.pointer
}
