// SPDX-License-Identifier: Apache-2.0
import PluginAPI

/// One frame a datagram: a connected SOCK_DGRAM socket (one end of a
/// socketpair), or one guest of a `UnixgramListener`.
package final class DgramPort: Port {
  /// Takes over `fd`, which becomes non-blocking.
  package init(_ options: PortOptions, fd: Int32, memory: PortMemory) {
    super.init(options, fd: fd, ownsFD: true, offloads: 0, memory: memory)
  }

  /// Sends a silent guest a frame that it ignores, to learn whether somebody is
  /// there: datagram sockets say so only when written to. Call every 30 s or so.
  package func probe() {}
}
