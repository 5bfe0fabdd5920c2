// SPDX-License-Identifier: Apache-2.0
//
// Ports that a network plugin adds to its network, and the TAP of the host that the supervisor made for it. All [loop].

import PluginAPI

/// limanetd.uplink/1: ports added by the plugin.
public struct HostUplinks {
  private let table: lnd_host_uplink
  private let context: UnsafeMutableRawPointer?

  /// nil if the host does not have the extension.
  public init?(_ host: HostContext) {
    guard let table = host.extension(LND_EXT_UPLINK, as: lnd_host_uplink.self), table.add != nil,
      table.remove != nil
    else { return nil }
    self.table = table
    context = host.context
  }

  /// Adds a port. The host owns `fd` afterwards, also on failure.
  ///
  /// - Parameters:
  ///   - transport: `LND_UPLINK_TAP`, `LND_UPLINK_STREAM`, `LND_UPLINK_DGRAM`; `LND_UPLINK_PLUGIN` with fd -1.
  ///   - flags: `LND_UPLINK_VNET_HDR`, `LND_UPLINK_DIRECT`.
  ///   - mtu: maximum IP packet, bytes; 0 if unknown.
  ///   - offloads: of `LND_UPLINK_PLUGIN`: offloads of frames that `rx` of the port may have (`LND_OFFLOAD_*`).
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

  /// Removes the port and closes its descriptor. Idempotent.
  public func remove(_ port: lnd_port) { table.remove(context, port) }

  /// Passes frames from a direct uplink on to the guests; frames without room are dropped.
  @inline(__always)
  public func relay(_ frames: UnsafePointer<lnd_frame>, _ count: Int) {
    table.relay?(context, frames, UInt32(truncatingIfNeeded: count))
  }
}

/// limanetd.tap/1: the TAP device of the host, for a plugin whose descriptor has `needsTap`.
public struct HostTap {
  /// The name of the interface.
  public let name: String
  /// The Ethernet address of the interface, which is the host's end.
  public let mac: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)
  /// Maximum IP packet, bytes.
  public let mtu: UInt32
  private let table: lnd_host_tap
  private let context: UnsafeMutableRawPointer?

  /// nil if the host has no TAP for this network.
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

  /// Makes the TAP an uplink; once.
  ///
  /// - Parameter flags: `LND_UPLINK_DIRECT`, or 0 for a port of the switch.
  public func add(flags: UInt32) throws(PluginFailure) -> lnd_port {
    var port: lnd_port = 0
    let status = table.add(context, flags, &port)
    guard status == LND_OK else { throw PluginFailure(status, "the TAP \(name) is no uplink") }
    return port
  }
}
