// SPDX-License-Identifier: Apache-2.0
//
// ControlListener: the control API's socket. Accepts on the loop, so that it listens before anything of HTTP exists, and
// passes connections on; the HTTP server is made for the first of them, for most daemons are asked rarely.
// Loop thread.

import Logging
import Platform

final class ControlListener {
  private let path: String
  private let loop: EventLoop
  private let bridge: LoopBridge
  private let log: Logger
  private var listener: Int32
  private let servers: HTTPServers
  private var server: HTTPServer?

  init(
    path: String, loop: EventLoop, bridge: LoopBridge, servers: HTTPServers, log: Logger
  ) throws(SystemError) {
    self.path = path
    self.loop = loop
    self.bridge = bridge
    self.servers = servers
    self.log = log
    listener = try UnixSocket.listen(path: path, mode: 0o600)
    try loop.add(listener, .read) { [weak self] _ in self?.accept() }
  }

  func close() {
    guard listener >= 0 else { return }
    loop.remove(listener)
    Descriptor.close(listener)
    listener = -1
    Files.remove(path)
  }

  private func accept() {
    for _ in 0..<16 {
      let result = Sockets.accept(listener, nil, nil)
      guard result >= 0 else {
        let errno = Errno(Int32(-result))
        if errno != .wouldBlock, errno != .connectionAborted {
          log.warning("control API: cannot accept: \(errno)")
          try? loop.modify(listener, [])
          loop.schedule(after: 100_000_000) { [weak self] in
            guard let self, listener >= 0 else { return }
            try? loop.modify(listener, .read)
          }
        }
        return
      }
      let server = self.server ?? servers.control(bridge)
      self.server = server
      server.serve(Int32(result))
    }
  }
}
