// SPDX-License-Identifier: Apache-2.0
import PluginAPI

/// A learning switch that joins the guests of a switched network, its plugin
/// and the plugin's uplinks.
package final class Switch {
  package enum Role: Sendable { case guest, uplink }

  /// The plugin's port (LND_PORT_SWITCH); its offloads are all there are.
  package static let handle: lnd_port = 1 << 63
  package static let offloads = UInt32(
    LND_OFFLOAD_CSUM | LND_OFFLOAD_TSO4 | LND_OFFLOAD_TSO6 | LND_OFFLOAD_UDP_SEGMENT)

  private var ports: PortTable

  /// - Parameter plugin: called with `Switch.handle`.
  package init(plugin: FrameReceiver, limit: Int = 256) {
    ports = PortTable(capacity: limit)
  }

  /// The port's handle (also in `port.handle`), or nil at the limit.
  package func attach(_ port: Port, as role: Role) -> lnd_port? {
    ports.add(port) != nil ? port.handle : nil
  }

  /// Idempotent. Forgets the addresses behind the port.
  package func detach(_ port: Port) {}

  package func port(_ handle: lnd_port) -> Port? { nil }

  /// `lnd_host.send`, for `Switch.handle` and for uplinks.
  package func send(
    _ handle: lnd_port, _ frames: UnsafePointer<lnd_frame>, _ count: UInt32
  ) -> UInt32 { count }
}
