// SPDX-License-Identifier: Apache-2.0
//
// HandedSockets: bound sockets of the program whose place this one has taken (ProgramReplacement). `UnixSocket.serve` looks
// its path up here, so that clients who connect meanwhile wait in the backlog and no file is made anew. Any thread.

import Synchronization

package enum HandedSockets {
  /// A socket, and the file that it is bound to.
  package struct Entry: Codable, Sendable, Hashable {
    package var path: String
    package var isStream: Bool
    package var fd: Int32
    /// Of the file.
    package var device: UInt64
    package var inode: UInt64

    /// Nil: it has no file of its own: a service manager's, which is handed over by `InheritedSockets`.
    package init?(_ file: SocketFile?, fd: Int32, isStream: Bool) {
      guard let file, fd >= 0 else { return nil }
      path = file.path
      self.isStream = isStream
      self.fd = fd
      device = file.device
      inode = file.inode
    }

    /// The socket as it was bound; its descriptor becomes the caller's.
    package var bound: UnixSocket.Bound {
      UnixSocket.Bound(fd: fd, file: SocketFile(path: path, device: device, inode: inode))
    }
  }

  private static let sockets = Mutex<[Entry]>([])

  /// Takes over their descriptors.
  package static func adopt(_ entries: [Entry]) { sockets.withLock { $0 = entries } }

  /// Closes those that nobody asked for, and unlinks their files.
  package static func closeRest() {
    let rest = sockets.withLock { sockets in
      defer { sockets = [] }
      return sockets
    }
    for entry in rest { entry.bound.close() }
  }

  /// Nil: there is none, or its file is gone.
  static func take(_ path: String, _ type: UnixSocket.Kind) -> UnixSocket.Bound? {
    let entry = sockets.withLock { sockets -> Entry? in
      let index = sockets.firstIndex { $0.path == path && $0.isStream == (type == .stream) }
      return index.map { sockets.remove(at: $0) }
    }
    guard let bound = entry?.bound else { return nil }
    guard bound.file?.isThere == true else {
      Descriptor.close(bound.fd)
      return nil
    }
    return bound
  }
}
