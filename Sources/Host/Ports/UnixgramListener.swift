// SPDX-License-Identifier: Apache-2.0
import PluginAPI

package protocol UnixgramListenerDelegate: PortDelegate {
  /// A new address sent a frame. Returns the port's id, or nil to refuse. Attach
  /// it in `unixgramGuestArrived`, which follows with the port.
  func unixgramGuestID(for listener: UnixgramListener, address: String) -> UInt64?
  /// The port is made; its first frames are delivered when this has returned.
  func unixgramGuestArrived(_ listener: UnixgramListener, _ port: DgramPort)
}

/// One bound SOCK_DGRAM socket with many guests (vfkit, krunkit), told apart by
/// their source addresses.
package final class UnixgramListener {
  package let id: UInt64
  package let fd: Int32
  package weak var delegate: (any UnixgramListenerDelegate)?
  /// How often to call `probe`.
  package static let probeInterval: UInt64 = 30_000_000_000

  /// Takes over `fd`.
  /// - Parameter limit: guests at once; the datagrams of others are dropped.
  package init(id: UInt64, fd: Int32, memory: PortMemory, limit: Int = 64) {
    self.id = id
    self.fd = fd
  }

  /// The fd is readable.
  package func onReadable() {}
  /// Looks whether silent guests still exist; ends those that do not.
  package func probe() {}
  /// The driver lets a guest go (its port ended or was removed).
  package func forget(_ port: DgramPort) {}
  /// Frees the fd; the guests' ports must be gone before.
  package func close() {}
}
