// SPDX-License-Identifier: Apache-2.0
//
// ControlListener: the control API's socket. Accepts on the loop, so that it listens before anything of HTTP exists, and
// passes connections on; the HTTP server is made for the first of them, for most daemons are asked rarely.
// Loop thread.

import Logging
import Platform

final class ControlListener {
  private let bridge: LoopBridge
  private let servers: HTTPServers
  var acceptor: UnixAcceptor?
  private var server: HTTPServer?

  init(
    path: String, loop: EventLoop, bridge: LoopBridge, servers: HTTPServers, log: Logger
  ) throws(SystemError) {
    self.bridge = bridge
    self.servers = servers
    acceptor = try UnixAcceptor(
      path: path, loop: loop, onFailure: { log.warning("control API: cannot accept: \($0)") },
      onConnection: { [weak self] in self?.serve($0) })
  }

  /// See `UnixAcceptor.renew`.
  func renew() throws(SystemError) -> Bool { try acceptor?.renew() ?? false }

  func close() { acceptor?.close() }

  private func serve(_ fd: Int32) {
    guard let server = self.server ?? servers.control(bridge) else {
      return HTTPServers.refuse(fd)
    }
    self.server = server
    server.serve(fd)
  }
}
