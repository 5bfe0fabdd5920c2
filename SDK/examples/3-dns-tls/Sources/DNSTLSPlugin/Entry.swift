// SPDX-License-Identifier: Apache-2.0
//
// The one exported symbol of lima-dns-tls.so.

import DNSTLSCore
import LimaNetdSDK
import PluginAPI

private let module = Module(
  id: "io.lima-vm.example.dns-tls", version: "1.0.0", license: "Apache-2.0",
  plugins: [
    .dns(
      TLSResolver.self, name: "tls", summary: "Names by DNS over TLS; an example",
      schema: tlsSchema)
  ])

// The name is the contract's.
// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func lima_netd_module_v1(
  _ host: UnsafePointer<lnd_host_info>?
) -> UnsafePointer<lnd_module>? {
  module.pointer
}
