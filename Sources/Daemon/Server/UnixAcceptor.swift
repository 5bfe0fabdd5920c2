// SPDX-License-Identifier: Apache-2.0
//
// UnixAcceptor: a stream socket that listens at a path, and the connections that arrive at it. One turn takes a bounded
// number, so that no flood of clients starves the rest; when the process is out of descriptors the connection stays in
// the backlog and the listener pauses, for level-triggered polling would spin. Knows nothing of what is spoken.
// Loop thread.

import Platform

final class UnixAcceptor {
  let loop: EventLoop
  private let onConnection: (Int32) -> Void
  private let onFailure: (Errno) -> Void
  let path: String
  var file: SocketFile?
  var fd: Int32

  private static let perTurn = 16
  private static let pause: UInt64 = 100_000_000

  /// Replaces a stale file; one at which another process serves is EADDRINUSE.
  /// - Parameters:
  ///   - onFailure: accepting failed and pauses; for the log.
  ///   - onConnection: a descriptor, which becomes the callee's. It may close the acceptor.
  init(
    path: String, loop: EventLoop, onFailure: @escaping (Errno) -> Void,
    onConnection: @escaping (Int32) -> Void
  ) throws(SystemError) {
    self.path = path
    self.loop = loop
    self.onConnection = onConnection
    self.onFailure = onFailure
    let bound = try UnixSocket.serve(path: path, mode: 0o600)
    (fd, file) = (bound.fd, bound.file)
    do throws(SystemError) {
      try loop.add(fd, .read) { [weak self] _ in self?.accept() }
    } catch {
      bound.close()
      throw error
    }
  }

  /// Listens anew where its file was removed or replaced; connections that were accepted stay.
  /// - Returns: whether it had to.
  /// - Throws: when something else has the path; it listens as before then, unheard.
  func renew() throws(SystemError) -> Bool {
    guard fd >= 0, let file, !file.isThere else { return false }
    let bound = try UnixSocket.serve(path: path, mode: 0o600)
    do throws(SystemError) {
      try loop.add(bound.fd, .read) { [weak self] _ in self?.accept() }
    } catch {
      bound.close()
      throw error
    }
    loop.remove(fd)
    Descriptor.close(fd)
    (fd, self.file) = (bound.fd, bound.file)
    return true
  }

  /// Closes and unlinks, if the file is still ours. False when it was closed already.
  @discardableResult func close() -> Bool {
    guard fd >= 0 else { return false }
    loop.remove(fd)
    file?.remove()
    Descriptor.close(fd)
    fd = -1
    return true
  }

  private func accept() {
    for _ in 0..<Self.perTurn where fd >= 0 {
      let result = Sockets.accept(fd, nil, nil)
      guard result >= 0 else { return failed(Errno(Int32(-result))) }
      onConnection(Int32(result))
    }
  }

  private func failed(_ errno: Errno) {
    if errno == .wouldBlock || errno == .connectionAborted { return }
    onFailure(errno)
    guard fd >= 0 else { return }
    try? loop.modify(fd, [])
    loop.schedule(after: Self.pause) { [weak self] in
      guard let self, fd >= 0 else { return }
      try? loop.modify(fd, .read)
    }
  }
}
