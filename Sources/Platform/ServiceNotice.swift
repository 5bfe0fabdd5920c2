// SPDX-License-Identifier: Apache-2.0
//
// ServiceNotice: status datagrams to the service manager's socket NOTIFY_SOCKET (sd_notify(3)). Without one the calls
// do nothing. Never blocks. One thread.

import LibC

package struct ServiceNotice {
  /// Absolute; nil: no manager listens. Abstract sockets are not supported.
  package let socket: String?

  /// Removes the variable from the environment, so that no child inherits it.
  package init() {
    let path = CurrentProcess.environment["NOTIFY_SOCKET"]
    unsetenv("NOTIFY_SOCKET")
    socket = path.flatMap { $0.hasPrefix("/") ? $0 : nil }
  }

  /// - Parameter socket: what the program had whose place this one has taken.
  package init(socket: String?) { self.socket = socket }

  /// Reports that the service is ready.
  package func ready(_ status: String) { send("READY=1\nSTATUS=\(status)") }

  package func stopping() { send("STOPPING=1") }

  private func send(_ text: String) {
    guard let socket, let fd = try? UnixSocket.connect(path: socket, type: .datagram) else {
      return
    }
    defer { Descriptor.close(fd) }
    let line = text.split(separator: "\n").joined(separator: "\n")
    _ = Files.writeIfReady(fd, Array(line.utf8))
  }
}
