// SPDX-License-Identifier: Apache-2.0
import PluginAPI

/// A TAP device, opened with IFF_TAP | IFF_NO_PI, its fd handed over.
package final class TapPort: Port {
  let vnetHeader: Bool

  /// Takes over `fd`, which becomes non-blocking.
  /// - Parameter vnetHeader: the device has IFF_VNET_HDR with a header of 12
  ///   bytes, and takes and gives super-frames.
  package init(_ options: PortOptions, fd: Int32, vnetHeader: Bool, memory: PortMemory) {
    self.vnetHeader = vnetHeader
    let offloads = vnetHeader ? LND_OFFLOAD_CSUM | LND_OFFLOAD_TSO4 | LND_OFFLOAD_TSO6 : 0
    super.init(
      options, fd: fd, ownsFD: true, offloads: vnetHeader ? UInt32(offloads) : 0, memory: memory)
  }
}
