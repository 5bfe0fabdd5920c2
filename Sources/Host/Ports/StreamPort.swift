// SPDX-License-Identifier: Apache-2.0
import PluginAPI

/// A QEMU stream: each frame behind its length in 4 bytes, big-endian.
package final class StreamPort: Port {
  /// Takes over `fd`, a connected SOCK_STREAM socket, which becomes non-blocking.
  /// - Parameters:
  ///   - journal: where to keep frame boundaries; nil: nowhere.
  ///   - resumed: the socket was served by a process that died, and `journal`
  ///     holds what it left. If that is not known, the port has ended
  ///     (`boundaryUnknown`) when this returns.
  package init(
    _ options: PortOptions, fd: Int32, journal: StreamJournal?, resumed: Bool, memory: PortMemory
  ) {
    super.init(options, fd: fd, ownsFD: true, offloads: 0, memory: memory)
  }
}
