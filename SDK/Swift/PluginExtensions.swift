// SPDX-License-Identifier: Apache-2.0
//
// Extensions of a network plugin. A class offers an extension by conforming to its protocol; the descriptor finds the
// conformance when it is created. The casts below occur in control calls only, never on the packet path.

import PluginAPI

/// The source address that a guest sees for the clients of a forward.
public enum ForwardSource: Sendable, Equatable {
  /// The client's own, where answers to it are routed back.
  case client
  /// The gateway's.
  case gateway
}

/// A socket of the host that leads to a guest.
public struct ForwardRequest: Sendable, Equatable {
  /// `LND_FORWARD_TCP`, `LND_FORWARD_UDP` or `LND_FORWARD_UNIX`.
  public var `protocol`: UInt32
  /// "127.0.0.1:8080", "[::1]:8080", "*:8080" (all addresses of both families; `LND_FORWARD_DUAL_STACK`), or an absolute
  /// path.
  public var host: String
  /// "192.168.5.15:80"; "" in `unexpose`.
  public var guest: String
  /// The guest of an isolated network; "": the one that connected first.
  public var guestName: String
  /// nil: the plugin's choice.
  public var source: ForwardSource?
  /// In `expose` of a Unix forward: a non-blocking socket that listens at `host`. The host owns it: keep a duplicate, and
  /// close that in `unexpose`. nil: the plugin creates socket and file, and removes the file.
  public var listener: Int32?

  public init(
    protocol: UInt32, host: String, guest: String, guestName: String = "",
    source: ForwardSource? = nil, listener: Int32? = nil
  ) {
    self.listener = listener
    self.protocol = `protocol`
    self.host = host
    self.guest = guest
    self.guestName = guestName
    self.source = source
  }
}

/// limanetd.forward/1 of the plugin.
public protocol ForwardExtension: NetworkPlugin {
  /// Listens at `host` and connects each client to `guest`. The operation is complete on return.
  func expose(_ request: ForwardRequest) throws(PluginFailure)
  /// Stops listening; an unknown forward is no error.
  func unexpose(_ request: ForwardRequest) throws(PluginFailure)
  /// A JSON array with an object for each forward.
  func listForwards() -> JSONValue
}

/// A guest that is configured by the host instead of DHCP.
public struct LeaseRequest: Sendable {
  public var port: lnd_port
  /// Zero if unknown.
  public var mac: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)
  /// The guest's name, or "".
  public var name: String
}

/// limanetd.lease/1 of the plugin.
public protocol LeaseExtension: NetworkPlugin {
  /// The configuration that DHCP would give the guest, as one JSON object.
  func reserve(_ request: LeaseRequest) throws(PluginFailure) -> JSONValue
  /// The guest no longer uses what `reserve` returned. By default the reservation lasts until the guest disconnects.
  func release(_ request: LeaseRequest)
  /// A JSON array with an object for each address.
  func listLeases() -> JSONValue
  /// The same as text, by default of `listLeases`. A plugin with thousands of leases writes the text itself, in less than
  /// 10 ms.
  func listLeasesText() -> [UInt8]
}

extension LeaseExtension {
  public func release(_ request: LeaseRequest) {}
  public func listLeasesText() -> [UInt8] { listLeases().bytes }
}

/// A connection to a port number of a guest.
public struct ConnectRequest: Sendable, Equatable {
  /// "192.168.104.3:22"
  public var guest: String
  /// The guest of an isolated network; "": the one that connected first.
  public var guestName: String

  public init(guest: String, guestName: String = "") {
    self.guest = guest
    self.guestName = guestName
  }
}

/// limanetd.connect/1 of the plugin.
public protocol ConnectExtension: NetworkPlugin {
  /// Opens a connection that relays the bytes of `fd`, a non-blocking stream socket that the plugin owns from now on.
  /// Completes `op` with `host.complete` when the guest has accepted. Throwing completes it, too.
  func connect(_ op: lnd_op, _ fd: Int32, _ request: ConnectRequest) throws(PluginFailure)
}

/// limanetd.guests/1 of the plugin: the guests of a switched network.
public protocol GuestsExtension: NetworkPlugin {
  /// After a short `send` it retains only frames for the destination of the first frame that was not taken
  /// (LND_GUESTS_SELECTIVE).
  static var isSelective: Bool { get }
  /// A guest's link joined the switch; called before its first frame.
  func guestUp(_ info: PortInfo)
  /// A guest's link left. An unknown port is no error.
  func guestDown(_ port: lnd_port)
  /// The properties passed to `guestUp` have changed.
  func guestChanged(_ info: PortInfo)
  /// A station was learned behind a guest's port, or moved there.
  func station(_ port: lnd_port, _ mac: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8))
}

extension GuestsExtension {
  public static var isSelective: Bool { false }
  public func guestChanged(_ info: PortInfo) {}
}

private func request(_ raw: UnsafePointer<lnd_forward>?) throws(PluginFailure) -> ForwardRequest {
  guard let raw, let forward = Tables.read(raw, as: lnd_forward.self) else {
    throw PluginFailure(LND_ERR_INTERNAL, "the host named no forward")
  }
  let sources = LND_FORWARD_FROM_CLIENT | LND_FORWARD_FROM_GATEWAY
  // Unknown flags in bits 16 to 31 must be refused.
  guard forward.flags & 0xffff_0000 & ~(sources | LND_FORWARD_DUAL_STACK) == 0,
    forward.flags & sources != sources
  else {
    throw PluginFailure(
      LND_ERR_UNSUPPORTED, "this plugin knows no such flags of a forward: \(forward.flags)")
  }
  var source: ForwardSource?
  if forward.flags & LND_FORWARD_FROM_CLIENT != 0 { source = .client }
  if forward.flags & LND_FORWARD_FROM_GATEWAY != 0 { source = .gateway }
  let guest = Endpoint(forward.guest)
  var host = forward.path == nil ? Endpoint(forward.host).description : text(forward.path)
  if forward.flags & LND_FORWARD_DUAL_STACK != 0 {
    guard host.hasPrefix("[::]:") else {
      throw PluginFailure(
        LND_ERR_INVALID_CONFIG, "only [::] is listened at for both families, not \(host)")
    }
    host = "*\(host.dropFirst(4))"
  }
  return ForwardRequest(
    protocol: forward.protocol, host: host,
    guest: guest.isNone ? "" : guest.description, guestName: text(forward.guest_name),
    source: source, listener: forward.listener >= 0 ? forward.listener : nil)
}

/// Calls `body` and completes `op` with the result.
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
  table.release = { instance, request in
    guard let request, let request = Tables.read(request, as: lnd_lease_request.self) else {
      return
    }
    NetworkPlugin.with(instance) { plugin in
      (plugin as? any LeaseExtension)?.release(
        LeaseRequest(port: request.port, mac: request.mac, name: text(request.name)))
    }
  }
  table.list = { instance, sink in
    NetworkPlugin.with(instance) { plugin in
      let list = (plugin as? any LeaseExtension)?.listLeasesText() ?? Array("[]".utf8)
      plugin.host.write(sink, list)
    }
  }
  return table
}

func makeConnectTable() -> lnd_plugin_connect {
  var table = lnd_plugin_connect()
  table.size = UInt32(MemoryLayout<lnd_plugin_connect>.size)
  table.connect = { instance, op, fd, connect in
    NetworkPlugin.with(instance) { plugin in
      do throws(PluginFailure) {
        guard let provider = plugin as? any ConnectExtension, let connect,
          let connect = Tables.read(connect, as: lnd_connect.self)
        else { throw PluginFailure(LND_ERR_UNSUPPORTED, "this plugin connects to no guest") }
        try provider.connect(
          op, fd,
          ConnectRequest(
            guest: Endpoint(connect.guest).description, guestName: text(connect.guest_name)))
      } catch {
        plugin.host.complete(op, failure: error)
      }
    }
  }
  return table
}

func makeGuestsTable(_ type: any GuestsExtension.Type) -> lnd_plugin_guests {
  var table = lnd_plugin_guests()
  table.size = UInt32(MemoryLayout<lnd_plugin_guests>.size)
  table.flags = type.isSelective ? LND_GUESTS_SELECTIVE : 0
  table.guest_up = { instance, info in
    guard let info, let info = Tables.read(info, as: lnd_port_info.self) else { return }
    NetworkPlugin.with(instance) { plugin in
      (plugin as? any GuestsExtension)?.guestUp(PortInfo(info))
    }
  }
  table.guest_changed = { instance, info in
    guard let info, let info = Tables.read(info, as: lnd_port_info.self) else { return }
    NetworkPlugin.with(instance) { ($0 as? any GuestsExtension)?.guestChanged(PortInfo(info)) }
  }
  table.guest_down = { instance, port in
    NetworkPlugin.with(instance) { ($0 as? any GuestsExtension)?.guestDown(port) }
  }
  table.station = { instance, port, mac in
    guard let mac else { return }
    NetworkPlugin.with(instance) { plugin in
      (plugin as? any GuestsExtension)?.station(
        port, (mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]))
    }
  }
  return table
}
