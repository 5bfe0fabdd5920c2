// SPDX-License-Identifier: Apache-2.0
//
// The Swift overlay against hosts of other versions and with a plugin of its own.

import LimaNetdSDK
import PluginAPI
import Testing

private final class Counter: NetworkPlugin {
  nonisolated(unsafe) static var alive = 0  // one test, one thread

  required init(host: HostContext, config: NetworkConfig) throws(PluginFailure) {
    guard try config.options.bool("fail") != true else {
      throw .invalid("/fail", "asked to")
    }
    try super.init(host: host, config: config)
    Self.alive += 1
  }

  deinit { Self.alive -= 1 }

  override func start() throws(PluginFailure) { throw .system("no such device") }
}

@Suite(.serialized, .timeLimit(.minutes(5))) struct SDKTests {
  private static func module() -> UnsafePointer<lnd_plugin>? {
    Module(
      id: "org.example.counter", version: "1.2.3", license: "MIT", url: "https://example.org",
      plugins: [.network(Counter.self, name: "counter", summary: "counts", modes: ["a", "b"])]
    ).pointer.pointee.plugins?[0]
  }

  /// Calls `body` with a host table of `size` bytes whose functions do nothing.
  private func withHost<Result>(
    size: Int = MemoryLayout<lnd_host>.size, _ body: (UnsafePointer<lnd_host>) throws -> Result
  ) rethrows -> Result {
    var host = lnd_host()
    host.size = UInt32(size)
    host.log = { _, _, _, _ in }
    host.wake = { _ in }
    host.now_ns = { _ in 0 }
    host.fd_add = { _, _, _, _, _ in 0 }
    host.fd_modify = { _, _, _ in 0 }
    host.fd_remove = { _, _ in }
    host.timer_at = { _, _, _ in 0 }
    host.timer_cancel = { _, _ in }
    host.send = { _, _, _, count in count }
    host.fail = { _, status, _, _, _ in status }
    host.op_done = { _, _, _, _, _ in 0 }
    host.write = { _, _, _, _ in 0 }
    host.report = { _, _, _, _ in }
    host.get_extension = { _, _ in nil }
    return try body(&host)
  }

  private func create(
    _ plugin: UnsafePointer<lnd_plugin>, _ host: UnsafePointer<lnd_host>, _ options: String
  ) -> (ops: lnd_network_ops?, instance: UnsafeMutableRawPointer?) {
    let ops = plugin.pointee.ops?.assumingMemoryBound(to: lnd_network_ops.self).pointee
    return options.withCString { text in
      var config = lnd_instance_config()
      config.size = UInt32(MemoryLayout<lnd_instance_config>.size)
      config.options = text
      config.options_length = UInt64(options.utf8.count)
      return (ops, ops?.instance.create(plugin, host, &config))
    }
  }

  @Test func `the descriptor says what was said`() throws {
    let plugin = try #require(Self.module())
    #expect(String(cString: plugin.pointee.name) == "counter")
    #expect(String(cString: plugin.pointee.kind) == LND_KIND_NETWORK)
    #expect(plugin.pointee.flags == 0)
    #expect(plugin.pointee.options_schema == nil)
    let modes = try #require(plugin.pointee.modes)
    #expect(modes[0].map { String(cString: $0) } == "a")
    #expect(modes[1].map { String(cString: $0) } == "b")
    #expect(modes[2] == nil)
    // It conforms to no extension, so it offers none.
    #expect(plugin.pointee.get_extension(plugin, LND_EXT_FORWARD) == nil)
  }

  @Test func `a failure leaves nothing behind, a failed start leaves it to destroy`() throws {
    let plugin = try #require(Self.module())
    try withHost { host in
      #expect(create(plugin, host, #"{"fail": true}"#).instance == nil)
      #expect(create(plugin, host, "not JSON").instance == nil)
      #expect(Counter.alive == 0)
      let (ops, instance) = create(plugin, host, "{}")
      let made = try #require(instance)
      #expect(Counter.alive == 1)
      #expect(ops?.instance.start(made, 1) == LND_ERR_SYSTEM)
      ops?.instance.destroy(made)
      #expect(Counter.alive == 0)
    }
  }

  @Test func `a host that lacks functions of version 1 0 is refused, not called`() throws {
    let plugin = try #require(Self.module())
    withHost(size: 64) { #expect(create(plugin, $0, "{}").instance == nil) }
    withHost(size: 0) { #expect(create(plugin, $0, "{}").instance == nil) }
  }

  @Test func `a newer host's longer table is fine`() throws {
    let plugin = try #require(Self.module())
    withUnsafeTemporaryAllocation(
      byteCount: MemoryLayout<lnd_host>.size + 64, alignment: 16
    ) { space in
      space.initializeMemory(as: UInt8.self, repeating: 0xee)
      withHost { host in
        space.copyMemory(
          from: UnsafeRawBufferPointer(start: host, count: MemoryLayout<lnd_host>.size))
      }
      space.storeBytes(of: UInt32(space.count), as: UInt32.self)
      guard let host = space.baseAddress?.assumingMemoryBound(to: lnd_host.self) else { return }
      let (ops, instance) = create(plugin, host, "{}")
      #expect(instance != nil)
      ops?.instance.destroy(instance)
    }
    #expect(Counter.alive == 0)
  }
}
