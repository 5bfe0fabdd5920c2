// SPDX-License-Identifier: Apache-2.0
//
// ServiceNotice: what a service tells the manager that started it: datagrams to the socket of NOTIFY_SOCKET
// (sd_notify(3)). Nothing happens, and nothing is waited for, where there is none. One thread.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

package struct ServiceNotice {
  /// Absolute; nil: nobody wants to know. Sockets without a file (abstract ones) are not supported.
  private let socket: String?

  /// Takes the variable out of the environment: it is for no child.
  package init() {
    let path = CurrentProcess.environment["NOTIFY_SOCKET"]
    unsetenv("NOTIFY_SOCKET")
    socket = path.flatMap { $0.hasPrefix("/") ? $0 : nil }
  }

  /// It serves from now on.
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
