// SPDX-License-Identifier: Apache-2.0
//
// GuestSockets: the three sockets of a network at which guests arrive. Listens from `open` to `close`, whether or not
// the network runs. Knows nothing of networks: it hands out descriptors.
// Loop thread.

import HostProtocol
import Platform

final class GuestSockets {
  let paths: NetworkSockets
  /// A connected guest: its transport and its descriptor, which becomes the callee's.
  var onGuest: (PortTransport, Int32) -> Void = { _, _ in }
  /// A frame waits at the unixgram socket and nobody reads it.
  var onUnixgramFrame: () -> Void = {}
  /// Something a client did wrong, for the log.
  var onComplaint: (String) -> Void = { _ in }

  private let loop: EventLoop
  var qemu: UnixAcceptor?
  var passing: UnixAcceptor?
  private(set) var unixgram: Int32 = -1
  var unixgramFile: SocketFile?
  private var unixgramWatched = false
  /// Connections to `_fd.sock` that have not sent their descriptor yet, with the timer that ends their patience.
  var handshakes: [Int32: EventLoop.TimerID] = [:]

  private static let maximumHandshakes = 64
  private static let handshakeTimeout: UInt64 = 10_000_000_000

  init(paths: NetworkSockets, loop: EventLoop) {
    self.paths = paths
    self.loop = loop
  }

  var isOpen: Bool { qemu != nil }

  /// Makes the sockets. Stale files are replaced; one that another process serves is EADDRINUSE, and then none stays open.
  func open() throws(SystemError) {
    guard !isOpen else { return }
    do throws(SystemError) {
      qemu = try acceptor(paths.qemu) { $0.onGuest(.stream, $1) }
      passing = try acceptor(paths.fd) { $0.handshake($1) }
      let bound = try UnixSocket.serve(path: paths.unixgram, type: .datagram, mode: 0o600)
      (unixgram, unixgramFile) = (bound.fd, bound.file)
      try watchUnixgram()
    } catch {
      close()
      throw error
    }
  }

  /// Makes those anew whose files were removed.
  /// - Returns: whether there was one.
  func renew() throws(SystemError) -> Bool {
    // Each of them, whatever the others are.
    let stream = try qemu?.renew() ?? false
    let handed = try passing?.renew() ?? false
    return stream || handed
  }

  /// The file of the socket of datagrams was removed: whoever reads it, the network's process perhaps, is not reached by it.
  var lostUnixgram: Bool { unixgram >= 0 && unixgramFile?.isThere == false }

  /// Makes it anew. Nobody reads it but this.
  func renewUnixgram() throws(SystemError) {
    let bound = try UnixSocket.serve(path: paths.unixgram, type: .datagram, mode: 0o600)
    unwatchUnixgram()
    Descriptor.close(unixgram)
    (unixgram, unixgramFile) = (bound.fd, bound.file)
    try watchUnixgram()
  }

  /// Closes what is open and unlinks those files that are still ours. Idempotent.
  func close() {
    qemu?.close()
    passing?.close()
    (qemu, passing) = (nil, nil)
    if unixgram >= 0 {
      loop.remove(unixgram)
      unixgramFile?.remove()
      Descriptor.close(unixgram)
    }
    (unixgram, unixgramFile) = (-1, nil)
    unixgramWatched = false
    for (fd, timer) in handshakes {
      loop.cancel(timer)
      loop.remove(fd)
      Descriptor.close(fd)
    }
    handshakes = [:]
  }

  // MARK: Unixgram

  /// Waits for a first frame again, because no host reads the socket now.
  func watchUnixgram() throws(SystemError) {
    guard unixgram >= 0, !unixgramWatched else { return }
    try loop.add(unixgram, .read) { [weak self] _ in
      guard let self else { return }
      unwatchUnixgram()
      onUnixgramFrame()
    }
    unixgramWatched = true
  }

  /// A host reads the socket from now on.
  func unwatchUnixgram() {
    guard unixgramWatched else { return }
    unixgramWatched = false
    loop.remove(unixgram)
  }

  /// Drops the frames that wait: the network cannot start, and they must not start it again at once.
  func drainUnixgram() {
    guard unixgram >= 0 else { return }
    for _ in 0..<4096 {
      guard case .descriptors(let fds) = DescriptorPassing.receive(unixgram) else { return }
      for fd in fds { Descriptor.close(fd) }
    }
  }

  // MARK: Accepting

  private func acceptor(
    _ path: String, then take: @escaping (GuestSockets, Int32) -> Void
  ) throws(SystemError) -> UnixAcceptor {
    try UnixAcceptor(
      path: path, loop: loop,
      onFailure: { [weak self] in self?.onComplaint("cannot accept a guest: \($0)") },
      onConnection: { [weak self] fd in
        guard let self else { return Descriptor.close(fd) }
        take(self, fd)
      })
  }

  private func handshake(_ fd: Int32) {
    guard handshakes.count < Self.maximumHandshakes else {
      onComplaint("too many clients of \(paths.fd) that send no descriptor")
      return Descriptor.close(fd)
    }
    do throws(SystemError) {
      try loop.add(fd, .read) { [weak self] _ in self?.receive(fd) }
    } catch {
      return Descriptor.close(fd)
    }
    handshakes[fd] = loop.schedule(after: Self.handshakeTimeout) { [weak self] in
      self?.onComplaint("a client of \(self?.paths.fd ?? "") sent no descriptor within 10 s")
      self?.endHandshake(fd)
    }
  }

  private func receive(_ fd: Int32) {
    switch DescriptorPassing.receive(fd) {
    case .wouldBlock:
      return
    case .closed:
      onComplaint("a client of \(paths.fd) left without sending a descriptor")
    case .failed(let error):
      onComplaint("a client of \(paths.fd): \(error)")
    case .lost:
      onComplaint("a guest is turned away: the daemon has no file descriptor left for it")
    case .descriptors(let fds):
      // A byte without a descriptor: it may still come.
      if fds.isEmpty { return }
      for extra in fds.dropFirst() { Descriptor.close(extra) }
      if Sockets.isDatagram(fds[0]) {
        onGuest(.dgram, fds[0])
      } else {
        onComplaint("a client of \(paths.fd) sent a descriptor that is no datagram socket")
        Descriptor.close(fds[0])
      }
    }
    endHandshake(fd)
  }

  func endHandshake(_ fd: Int32) {
    guard let timer = handshakes.removeValue(forKey: fd) else { return }
    loop.cancel(timer)
    loop.remove(fd)
    Descriptor.close(fd)
  }
}
