// SPDX-License-Identifier: Apache-2.0
//
// What plugin.c does, in Swift with the overlay. For host.c.

import LimaNetdSDK
import PluginAPI

final class Bench: NetworkPlugin {
  private let sends: Bool
  private var (frames, bytes, sum) = (UInt64(0), UInt64(0), UInt64(0))

  required init(host: HostContext, config: NetworkConfig) throws(PluginFailure) {
    sends = try config.options.bool("sends") ?? false
    try super.init(host: host, config: config)
  }

  override func rx(_ port: lnd_port, _ batch: UnsafePointer<lnd_frame>, _ count: Int) {
    frames &+= UInt64(count)
    if sends {
      _ = host.send(port, batch, UInt32(count))
      return
    }
    for frame in UnsafeBufferPointer(start: batch, count: count) {
      bytes &+= UInt64(frame.length)
      guard let data = frame.data else { continue }
      sum &+= UInt64(data[0]) &+ UInt64(data[12])
    }
  }
}

private let module = Module(
  id: "io.lima-vm.bench.swift", version: "1.0.0", license: "Apache-2.0",
  plugins: [
    .network(Bench.self, name: "bench-swift", summary: "Swift", modes: ["bench"], isolated: true)
  ])

// The name is the contract's.
// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func lima_netd_module_v1(
  _ host: UnsafePointer<lnd_host_info>?
) -> UnsafePointer<lnd_module>? {
  module.pointer
}
