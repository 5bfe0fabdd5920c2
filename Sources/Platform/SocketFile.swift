// SPDX-License-Identifier: Apache-2.0
//
// SocketFile: the file of a unix socket that this process has bound, so that it is unlinked at the end, and no other
// socket's file is that has taken its path meanwhile. Device and inode identify it: the open socket holds the inode,
// so that its number is not reused. The window between the check and the unlink cannot be closed.

package struct SocketFile: Hashable, Sendable {
  package let path: String
  let device: UInt64
  let inode: UInt64

  /// For a socket just bound to `path`; nil when another file is already there.
  init?(bound path: String) {
    guard let there = try? Files.info(path, followLinks: false), there.kind == .socket else {
      return nil
    }
    self.path = path
    device = there.device
    inode = there.inode
  }

  /// Of a socket that this process had bound before it replaced its program.
  init(path: String, device: UInt64, inode: UInt64) {
    self.path = path
    self.device = device
    self.inode = inode
  }

  /// Whether `path` still names it.
  package var isThere: Bool {
    guard let there = try? Files.info(path, followLinks: false) else { return false }
    return there.kind == .socket && there.device == device && there.inode == inode
  }

  /// Unlinks it if it is still there. Call it before closing the socket. Idempotent.
  package func remove() {
    if isThere { UnixSocket.unlinkSocket(path) }
  }
}
