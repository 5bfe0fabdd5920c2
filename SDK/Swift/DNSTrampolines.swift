// SPDX-License-Identifier: Apache-2.0
//
// From C to DNSPlugin, as NetworkTrampolines.swift.

import PluginAPI

extension DNSPlugin {
  /// The instance behind a `self` of C.
  @inline(__always)
  static func with<Result>(
    _ instance: UnsafeMutableRawPointer?, _ body: (DNSPlugin) -> Result
  ) -> Result? {
    guard let instance else { return nil }
    return Unmanaged<DNSPlugin>.fromOpaque(instance)._withUnsafeGuaranteedRef(body)
  }

  static func config(_ raw: UnsafePointer<lnd_dns_config>?) throws(PluginFailure) -> DNSConfig {
    guard let raw, let config = Tables.read(raw, as: lnd_dns_config.self) else {
      throw PluginFailure(LND_ERR_INTERNAL, "the host gave no configuration")
    }
    return DNSConfig(
      network: text(config.network),
      options: try Options(parsing: config.options, length: config.options_length))
  }

  /// The one table of all DNS plugins of this image.
  static func makeOps() -> lnd_dns_ops {
    var ops = lnd_dns_ops()
    ops.size = UInt32(MemoryLayout<lnd_dns_ops>.size)
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
    ops.start = {
      DNSPlugin.with($0) { p in NetworkPlugin.status(p.host, p.start) } ?? LND_ERR_INTERNAL
    }
    ops.stop = { instance, op in DNSPlugin.with(instance) { $0.stop(op) } }
    ops.destroy = { instance in
      guard let instance else { return }
      let reference = Unmanaged<DNSPlugin>.fromOpaque(instance)
      let table = reference._withUnsafeGuaranteedRef { $0.host.table }
      reference.release()
      table.deallocate()
    }
    ops.resolve = { instance, op, query in
      DNSPlugin.with(instance) { plugin in
        guard let query, let query = Tables.read(query, as: lnd_dns_query.self),
          let message = query.message
        else { return plugin.host.complete(op, LND_ERR_INTERNAL) }
        plugin.resolve(
          op,
          DNSQuery(
            transport: query.transport,
            message: UnsafeRawBufferPointer(start: message, count: Int(query.length)),
            deadline: query.deadline_ns))
      }
    }
    ops.cancel = { instance, op in DNSPlugin.with(instance) { $0.cancel(op) } }
    ops.on_fds = { instance, events, count in
      guard let events else { return }
      DNSPlugin.with(instance) { $0.onFDs(events, Int(count)) }
    }
    ops.on_timer = { instance, timer, user in
      DNSPlugin.with(instance) { $0.onTimer(timer, user: user) }
    }
    ops.on_wake = { DNSPlugin.with($0) { $0.onWake() } }
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
