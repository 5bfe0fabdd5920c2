// SPDX-License-Identifier: Apache-2.0
//
// Extensions a network plugin offers. Conforming is offering: the descriptor
// finds the conformance when it is made. The casts below are for control
// calls; nothing here is on the way of a frame.

import PluginAPI

/// A socket of the host that leads into the guest.
public struct ForwardRequest: Sendable, Equatable {
  /// `LND_FORWARD_*`.
  public var `protocol`: UInt32
  /// "127.0.0.1:8080", "[::1]:8080", or an absolute path.
  public var host: String
  /// "192.168.5.15:80"; "" in `unexpose`.
  public var guest: String
  /// Which guest of an isolated network; "" is the one that came first.
  public var guestName: String

  public init(protocol: UInt32, host: String, guest: String, guestName: String = "") {
    self.protocol = `protocol`
    self.host = host
    self.guest = guest
    self.guestName = guestName
  }
}

/// limanetd.forward/1, the plugin's side.
public protocol ForwardExtension: NetworkPlugin {
  /// Listens at `host` and leads each client to `guest`. Returning completes
  /// the operation.
  func expose(_ request: ForwardRequest) throws(PluginFailure)
  /// Stops listening; an unknown forward is no error.
  func unexpose(_ request: ForwardRequest) throws(PluginFailure)
  /// A JSON array, an object for each forward.
  func listForwards() -> JSONValue
}

/// A guest that is configured by hand.
public struct LeaseRequest: Sendable {
  public var port: lnd_port
  /// Zero when not known.
  public var mac: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)
  /// Or "".
  public var name: String
}

/// limanetd.lease/1, the plugin's side.
public protocol LeaseExtension: NetworkPlugin {
  /// What DHCP would give the guest, as one JSON object.
  func reserve(_ request: LeaseRequest) throws(PluginFailure) -> JSONValue
  /// A JSON array, an object for each lease.
  func listLeases() -> JSONValue
}

private func request(_ raw: UnsafePointer<lnd_forward>?) throws(PluginFailure) -> ForwardRequest {
  guard let raw, let forward = Tables.read(raw, as: lnd_forward.self) else {
    throw PluginFailure(LND_ERR_INTERNAL, "the host named no forward")
  }
  return ForwardRequest(
    protocol: forward.protocol, host: text(forward.host), guest: text(forward.guest),
    guestName: text(forward.guest_name))
}

/// Runs `body` and completes `op` with what came of it.
private func complete(
  _ instance: UnsafeMutableRawPointer?, _ op: lnd_op,
  _ body: (any ForwardExtension) throws(PluginFailure) -> Void
) {
  NetworkPlugin.with(instance) { plugin in
    do throws(PluginFailure) {
      guard let provider = plugin as? any ForwardExtension else {
        throw PluginFailure(LND_ERR_UNSUPPORTED, "this plugin has no forwards")
      }
      try body(provider)
      plugin.host.complete(op)
    } catch {
      plugin.host.complete(op, failure: error)
    }
  }
}

func makeForwardTable() -> lnd_plugin_forward {
  var table = lnd_plugin_forward()
  table.size = UInt32(MemoryLayout<lnd_plugin_forward>.size)
  table.expose = { instance, op, forward in
    complete(instance, op) { (provider) throws(PluginFailure) in
      try provider.expose(try request(forward))
    }
  }
  table.unexpose = { instance, op, forward in
    complete(instance, op) { (provider) throws(PluginFailure) in
      try provider.unexpose(try request(forward))
    }
  }
  table.list = { instance, sink in
    NetworkPlugin.with(instance) { plugin in
      let list = (plugin as? any ForwardExtension)?.listForwards() ?? .array([])
      plugin.host.write(sink, list.text)
    }
  }
  return table
}

func makeLeaseTable() -> lnd_plugin_lease {
  var table = lnd_plugin_lease()
  table.size = UInt32(MemoryLayout<lnd_plugin_lease>.size)
  table.reserve = { instance, request, sink in
    NetworkPlugin.with(instance) { plugin in
      NetworkPlugin.status(plugin.host) { () throws(PluginFailure) in
        guard let provider = plugin as? any LeaseExtension, let request,
          let request = Tables.read(request, as: lnd_lease_request.self)
        else { throw PluginFailure(LND_ERR_UNSUPPORTED, "this plugin has no leases") }
        let lease = try provider.reserve(
          LeaseRequest(port: request.port, mac: request.mac, name: text(request.name)))
        plugin.host.write(sink, lease.text)
      }
    } ?? LND_ERR_INTERNAL
  }
  table.list = { instance, sink in
    NetworkPlugin.with(instance) { plugin in
      let list = (plugin as? any LeaseExtension)?.listLeases() ?? .array([])
      plugin.host.write(sink, list.text)
    }
  }
  return table
}
