// SPDX-License-Identifier: Apache-2.0
//
// C functions that call a NetworkPlugin. `self` is an Unmanaged<NetworkPlugin> with one retain, taken by create and
// released by destroy. The closures capture nothing, so that they become C function pointers. The file is not main.swift,
// so that they are not actor-isolated and contain no executor check.

import PluginAPI

extension NetworkPlugin {
  /// Calls `body` with the instance of a C `self`.
  @inline(__always)
  static func with<Result>(
    _ instance: UnsafeMutableRawPointer?, _ body: (NetworkPlugin) -> Result
  ) -> Result? {
    guard let instance else { return nil }
    return Unmanaged<NetworkPlugin>.fromOpaque(instance)._withUnsafeGuaranteedRef(body)
  }

  static func config(_ raw: UnsafePointer<lnd_instance_config>?) throws(PluginFailure)
    -> NetworkConfig
  {
    let config = try Tables.config(raw)
    return NetworkConfig(
      name: config.network, mode: config.mode, options: config.options,
      stateDirectory: config.stateDirectory, instance: config.instance)
  }

  /// Calls `body`; a failure is reported to the host.
  static func status(
    _ host: HostContext, _ body: () throws(PluginFailure) -> Void
  ) -> lnd_status {
    do {
      try body()
      return LND_OK
    } catch {
      return host.fail(error)
    }
  }

  /// The function table of all network plugins in this image.
  static func makeOps() -> lnd_network_ops {
    var ops = lnd_network_ops()
    ops.instance = makeInstanceOps()
    ops.instance.size = UInt32(MemoryLayout<lnd_network_ops>.size)
    ops.port_up = { instance, info in
      NetworkPlugin.with(instance) { plugin in
        NetworkPlugin.status(plugin.host) { () throws(PluginFailure) in
          guard let info, let info = Tables.read(info, as: lnd_port_info.self) else {
            throw PluginFailure(LND_ERR_INTERNAL, "the host described no port")
          }
          try plugin.portUp(PortInfo(info))
        }
      } ?? LND_ERR_INTERNAL
    }
    ops.port_down = { instance, port in NetworkPlugin.with(instance) { $0.portDown(port) } }
    ops.rx = { instance, port, frames, count in
      guard let frames else { return }
      NetworkPlugin.with(instance) { $0.rx(port, frames, Int(count)) }
    }
    ops.tx_ready = { instance, port in NetworkPlugin.with(instance) { $0.txReady(port) } }
    ops.port_changed = { instance, info in
      guard let info, let info = Tables.read(info, as: lnd_port_info.self) else { return }
      NetworkPlugin.with(instance) { $0.portChanged(PortInfo(info)) }
    }
    return ops
  }

  private static func makeInstanceOps() -> lnd_instance_ops {
    var ops = lnd_instance_ops()
    ops.create = { plugin, host, config in
      guard let plugin, let type = Registration.of(plugin).network,
        let table = Tables.copyHost(host), table.pointee.send != nil
      else { return nil }
      let host = HostContext(table: table)
      do throws(PluginFailure) {
        let config = try NetworkPlugin.config(config)
        let instance = try type.implementation(config).init(host: host, config: config)
        return Unmanaged<NetworkPlugin>.passRetained(instance).toOpaque()
      } catch {
        host.fail(error)
        table.deallocate()
        return nil
      }
    }
    ops.start = { instance, op in
      NetworkPlugin.with(instance) { plugin in
        plugin.host.starting(op) { (op) throws(PluginFailure) in try plugin.start(op) }
      } ?? LND_ERR_INTERNAL
    }
    ops.stop = { instance, op in NetworkPlugin.with(instance) { $0.stop(op) } }
    ops.destroy = { instance in
      guard let instance else { return }
      let reference = Unmanaged<NetworkPlugin>.fromOpaque(instance)
      let table = reference._withUnsafeGuaranteedRef { $0.host.table }
      reference.release()
      table.deallocate()
    }
    ops.on_fds = { instance, events, count in
      guard let events else { return }
      NetworkPlugin.with(instance) { $0.onFDs(events, Int(count)) }
    }
    ops.on_timer = { instance, timer, user in
      NetworkPlugin.with(instance) { $0.onTimer(timer, user: user) }
    }
    ops.on_wake = { NetworkPlugin.with($0) { $0.onWake() } }
    ops.on_op_done = { instance, op, status, bytes, length in
      NetworkPlugin.with(instance) {
        $0.onOpDone(op, status, UnsafeRawBufferPointer(start: bytes, count: Int(length)))
      }
    }
    ops.on_event = { instance, event in NetworkPlugin.with(instance) { $0.onEvent(event) } }
    ops.reconfigure = { instance, config in
      NetworkPlugin.with(instance) { plugin in
        NetworkPlugin.status(plugin.host) { () throws(PluginFailure) in
          try plugin.reconfigure(try NetworkPlugin.config(config))
        }
      } ?? LND_ERR_INTERNAL
    }
    ops.validate = { plugin, host, config in
      guard let plugin, let type = Registration.of(plugin).network,
        let table = Tables.copyHost(host)
      else { return LND_ERR_INTERNAL }
      defer { table.deallocate() }
      let host = HostContext(table: table)
      return NetworkPlugin.status(host) { () throws(PluginFailure) in
        let config = try NetworkPlugin.config(config)
        try type.implementation(config).validate(host: host, config: config)
      }
    }
    ops.status = { instance, sink in NetworkPlugin.with(instance) { $0.status(sink) } }
    return ops
  }
}
