// SPDX-License-Identifier: Apache-2.0
//
// C functions that call a DNSPlugin, as in NetworkTrampolines.swift.

import PluginAPI

extension DNSPlugin {
  /// Calls `body` with the instance of a C `self`.
  @inline(__always)
  static func with<Result>(
    _ instance: UnsafeMutableRawPointer?, _ body: (DNSPlugin) -> Result
  ) -> Result? {
    guard let instance else { return nil }
    return Unmanaged<DNSPlugin>.fromOpaque(instance)._withUnsafeGuaranteedRef(body)
  }

  static func config(_ raw: UnsafePointer<lnd_instance_config>?) throws(PluginFailure) -> DNSConfig
  {
    let config = try Tables.config(raw)
    return DNSConfig(
      network: config.network, options: config.options, instance: config.instance,
      stateDirectory: config.stateDirectory)
  }

  /// The function table of all DNS plugins in this image.
  static func makeOps() -> lnd_dns_ops {
    var ops = lnd_dns_ops()
    ops.instance = makeInstanceOps()
    ops.instance.size = UInt32(MemoryLayout<lnd_dns_ops>.size)
    ops.resolve = { instance, op, query in
      DNSPlugin.with(instance) { plugin in
        guard let raw = query.flatMap({ Tables.read($0, as: lnd_dns_query.self) }),
          let query = DNSQuery(raw)
        else { return plugin.host.complete(op, LND_ERR_INTERNAL) }
        plugin.resolve(op, query)
      }
    }
    ops.cancel = { instance, op in DNSPlugin.with(instance) { $0.cancel(op) } }
    return ops
  }

  private static func makeInstanceOps() -> lnd_instance_ops {
    var ops = lnd_instance_ops()
    ops.create = { plugin, host, config in
      guard let plugin, let type = Registration.of(plugin).dns, let table = Tables.copyHost(host)
      else { return nil }
      let host = HostContext(table: table)
      do throws(PluginFailure) {
        let instance = try type.init(host: host, config: try DNSPlugin.config(config))
        return Unmanaged<DNSPlugin>.passRetained(instance).toOpaque()
      } catch {
        host.fail(error)
        table.deallocate()
        return nil
      }
    }
    ops.start = { instance, op in
      DNSPlugin.with(instance) { plugin in
        plugin.host.starting(op) { (op) throws(PluginFailure) in try plugin.start(op) }
      } ?? LND_ERR_INTERNAL
    }
    ops.stop = { instance, op in DNSPlugin.with(instance) { $0.stop(op) } }
    ops.destroy = { instance in
      guard let instance else { return }
      let reference = Unmanaged<DNSPlugin>.fromOpaque(instance)
      let table = reference._withUnsafeGuaranteedRef { $0.host.table }
      reference.release()
      table.deallocate()
    }
    ops.on_fds = { instance, events, count in
      guard let events else { return }
      DNSPlugin.with(instance) { $0.onFDs(events, Int(count)) }
    }
    ops.on_timer = { instance, timer, user in
      DNSPlugin.with(instance) { $0.onTimer(timer, user: user) }
    }
    ops.on_wake = { DNSPlugin.with($0) { $0.onWake() } }
    ops.on_op_done = { instance, op, status, bytes, length in
      DNSPlugin.with(instance) {
        $0.onOpDone(op, status, UnsafeRawBufferPointer(start: bytes, count: Int(length)))
      }
    }
    ops.reconfigure = { instance, config in
      DNSPlugin.with(instance) { plugin in
        NetworkPlugin.status(plugin.host) { () throws(PluginFailure) in
          try plugin.reconfigure(try DNSPlugin.config(config))
        }
      } ?? LND_ERR_INTERNAL
    }
    ops.on_event = { instance, event in DNSPlugin.with(instance) { $0.onEvent(event) } }
    ops.validate = { plugin, host, config in
      guard let plugin, let type = Registration.of(plugin).dns, let table = Tables.copyHost(host)
      else { return LND_ERR_INTERNAL }
      defer { table.deallocate() }
      let host = HostContext(table: table)
      return NetworkPlugin.status(host) { () throws(PluginFailure) in
        try type.validate(host: host, config: try DNSPlugin.config(config))
      }
    }
    ops.status = { instance, sink in DNSPlugin.with(instance) { $0.status(sink) } }
    return ops
  }
}
