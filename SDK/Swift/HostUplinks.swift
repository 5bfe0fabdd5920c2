// SPDX-License-Identifier: Apache-2.0
//
// Ports that a network plugin adds to its switch, and the TAP of the host that the supervisor made
// for it. All [loop].

import PluginAPI

/// limanetd.uplink/1: ports of the plugin's own.
public struct HostUplinks {
  private let table: lnd_host_uplink
  private let context: UnsafeMutableRawPointer?

  /// nil when the host does not offer it.
  public init?(_ host: HostContext) {
    guard let table = host.extension(LND_EXT_UPLINK, as: lnd_host_uplink.self), table.add != nil,
      table.remove != nil
    else { return nil }
    self.table = table
    context = host.context
  }

  /// Adds a port; the host takes `fd` over, whatever comes of it.
  ///
  /// - Parameters:
  ///   - transport: `LND_UPLINK_TAP`, `LND_UPLINK_STREAM`, `LND_UPLINK_DGRAM`; `LND_UPLINK_PLUGIN` with the fd -1.
  ///   - flags: `LND_UPLINK_VNET_HDR`, `LND_UPLINK_DIRECT`.
  ///   - mtu: bytes of IP packet; 0 when not known.
  ///   - offloads: of `LND_UPLINK_PLUGIN`: what `rx` of the port may bring (`LND_OFFLOAD_*`).
  public func add(
    transport: UInt32, fd: Int32, flags: UInt32 = 0, mtu: UInt32 = 0, offloads: UInt32 = 0,
    name: String
  ) -> lnd_port? {
    name.withCString { name in
      var uplink = lnd_uplink()
      uplink.size = UInt32(MemoryLayout<lnd_uplink>.size)
      uplink.transport = transport
      uplink.fd = fd
      uplink.flags = flags
      uplink.mtu = mtu
      uplink.name = name
      uplink.offloads = offloads
      var port: lnd_port = 0
      return table.add(context, &uplink, &port) == LND_OK ? port : nil
    }
  }

  /// Removes it and closes its descriptor. Idempotent.
  public func remove(_ port: lnd_port) { table.remove(context, port) }

  /// Hands on to the guests what came from a direct uplink; what finds no room is dropped.
  @inline(__always)
  public func relay(_ frames: UnsafePointer<lnd_frame>, _ count: Int) {
    table.relay?(context, frames, UInt32(truncatingIfNeeded: count))
  }
}

/// limanetd.tap/1: the TAP device of the host, of a plugin whose descriptor says `needsTap`.
public struct HostTap {
  /// Of the interface.
  public let name: String
  /// Of the host's end.
  public let mac: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)
  /// Bytes of IP packet.
  public let mtu: UInt32
  private let table: lnd_host_tap
  private let context: UnsafeMutableRawPointer?

  /// nil when the host has none for this network.
  public init?(_ host: HostContext) {
    guard let table = host.extension(LND_EXT_TAP, as: lnd_host_tap.self), table.describe != nil,
      table.add != nil
    else { return nil }
    var tap = lnd_tap()
    tap.size = UInt32(MemoryLayout<lnd_tap>.size)
    guard table.describe(host.context, &tap) == LND_OK else { return nil }
    name = text(tap.name)
    mac = tap.mac
    mtu = tap.mtu
    self.table = table
    context = host.context
  }

  /// Makes it an uplink, once.
  ///
  /// - Parameter flags: `LND_UPLINK_DIRECT`, or 0 for a port of the switch.
  public func add(flags: UInt32) throws(PluginFailure) -> lnd_port {
    var port: lnd_port = 0
    let status = table.add(context, flags, &port)
    guard status == LND_OK else { throw PluginFailure(status, "the TAP \(name) is no uplink") }
    return port
  }
}
