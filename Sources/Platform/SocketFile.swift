// SPDX-License-Identifier: Apache-2.0
//
// SocketFile: the file of a unix socket that this process has bound, to be unlinked at the end, and only that one: others
// may have put theirs in its place by then. Device and inode tell, as long as the socket is open: it holds the inode, so
// that no other file gets the number. Between looking and unlinking there is a moment that no system call closes.

package struct SocketFile: Hashable, Sendable {
  package let path: String
  private let device: UInt64
  private let inode: UInt64

  /// Of the socket just bound to `path`; nil when another file is there already.
  init?(bound path: String) {
    guard let there = try? Files.info(path, followLinks: false), there.kind == .socket else {
      return nil
    }
    self.path = path
    device = there.device
    inode = there.inode
  }

  /// It is still what `path` names.
  package var isThere: Bool {
    guard let there = try? Files.info(path, followLinks: false) else { return false }
    return there.kind == .socket && there.device == device && there.inode == inode
  }

  /// Unlinks it if it is still there. Before the socket is closed. Idempotent.
  package func remove() {
    if isThere { UnixSocket.unlinkSocket(path) }
  }
}
