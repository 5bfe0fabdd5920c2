// SPDX-License-Identifier: Apache-2.0
//
// EndpointListener: a network's `_ep.sock`, gvproxy's HTTP API. Accepts on the loop and looks at the head of the first
// request without taking it. The two paths that do not stay HTTP are dealt with here, and the connection itself is
// handed on, so that their bytes never pass through this process; everything else goes to the HTTP server, which finds
// the request where it was. One connection, one request (see EndpointRoutes), so the first head is all there is to see.
// Loop thread.

import Logging
import Platform

final class EndpointListener {
  /// A connection that stays HTTP; the descriptor becomes the callee's, as with the others.
  var onHTTP: (Int32) -> Void = { Descriptor.close($0) }
  /// A connection that goes on as TCP to "ADDRESS:PORT".
  var onTunnel: (String, Int32) -> Void = { Descriptor.close($1) }
  /// A connection on which frames follow.
  var onFrames: (Int32) -> Void = { Descriptor.close($0) }

  private let loop: EventLoop
  var acceptor: UnixAcceptor?
  /// Connections whose head is not whole, with when they came.
  var waiting: [Int32: (since: UInt64, timer: EventLoop.TimerID?)] = [:]

  private static let maximumWaiting = 128
  private static let headTimeout: UInt64 = 10_000_000_000
  private static let recheck: UInt64 = 10_000_000

  init(path: String, loop: EventLoop, log: Logger) throws(SystemError) {
    self.loop = loop
    acceptor = try UnixAcceptor(
      path: path, loop: loop, onFailure: { log.warning("\(path): cannot accept: \($0)") },
      onConnection: { [weak self] in self?.accept($0) })
  }

  /// See `UnixAcceptor.renew`.
  func renew() throws(SystemError) -> Bool { try acceptor?.renew() ?? false }

  /// Closes and unlinks. Idempotent.
  func close() {
    guard acceptor?.close() == true else { return }
    for fd in Array(waiting.keys) { drop(fd) }
  }

  private func accept(_ fd: Int32) {
    guard waiting.count < Self.maximumWaiting else { return Descriptor.close(fd) }
    waiting[fd] = (MonotonicClock.now(), nil)
    watch(fd)
  }

  private func watch(_ fd: Int32) {
    do throws(SystemError) {
      try loop.add(fd, .read) { [weak self] _ in self?.look(fd) }
    } catch {
      return drop(fd)
    }
    waiting[fd]?.timer = loop.schedule(after: Self.headTimeout) { [weak self] in self?.drop(fd) }
  }

  private func look(_ fd: Int32) {
    var head = [UInt8](repeating: 0, count: EndpointHead.limit)
    let count = Sockets.peek(fd, &head)
    if count == -Int(Errno.wouldBlock.rawValue) { return }
    guard count > 0 else { return drop(fd) }
    switch EndpointHead(head[..<count]) {
    case .incomplete:
      lookAgain(fd)
    case .http:
      release(fd)
      onHTTP(fd)
    case .tunnel(let guest, let length):
      guard take(length, of: fd), Sockets.sendAll(fd, Array("OK".utf8)) else { return drop(fd) }
      release(fd)
      onTunnel(guest, fd)
    case .frames(let length):
      guard take(length, of: fd) else { return drop(fd) }
      release(fd)
      onFrames(fd)
    }
  }

  /// What was looked at is still there, and would wake the loop at once.
  private func lookAgain(_ fd: Int32) {
    guard let (since, timer) = waiting[fd] else { return }
    if let timer { loop.cancel(timer) }
    loop.remove(fd)
    guard MonotonicClock.now() &- since < Self.headTimeout else { return drop(fd) }
    waiting[fd]?.timer = loop.schedule(after: Self.recheck) { [weak self] in
      guard let self, waiting[fd] != nil else { return }
      watch(fd)
      look(fd)
    }
  }

  /// The head's bytes are there: they have been seen.
  private func take(_ length: Int, of fd: Int32) -> Bool {
    var head = [UInt8](repeating: 0, count: length)
    return Files.readSome(fd, &head) == length
  }

  private func release(_ fd: Int32) {
    guard let entry = waiting.removeValue(forKey: fd) else { return }
    if let timer = entry.timer { loop.cancel(timer) }
    loop.remove(fd)
  }

  func drop(_ fd: Int32) {
    guard waiting[fd] != nil else { return }
    release(fd)
    Descriptor.close(fd)
  }
}
