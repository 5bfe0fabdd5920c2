// SPDX-License-Identifier: Apache-2.0
//
// HTTPServers: the HTTP servers of the daemon: the control API's, and one for each network's `_ep.sock`. Loop thread.

import HostProtocol
import Logging
import NIOPosix
import Platform

/// The thread that the daemon's HTTP servers share.
final class HTTPServers {
  private let log: Logger
  /// Of all of them.
  let open = OpenRequests()
  private var thread: MultiThreadedEventLoopGroup?

  /// Descriptors that the thread and the first requests need. NIO ends the process when there are none for its thread.
  private static let descriptors = 16

  init(log: Logger) { self.log = log }

  /// Nil: too few descriptors are free. The next connection may ask again.
  private func group() -> MultiThreadedEventLoopGroup? {
    if thread == nil, Descriptor.areFree(Self.descriptors) {
      thread = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    }
    return thread
  }

  /// Nil: see `refuse`.
  func control(_ bridge: LoopBridge) -> HTTPServer? {
    guard let group = group() else { return nil }
    let routes = ControlRoutes(bridge: bridge, group: group)
    let responder = routes.router().buildResponder()
    return HTTPServer(group: group, log: log, open: open) { request, context in
      await ControlRoutes.respond(to: request, context: context, with: responder)
    }
  }

  /// Nil: see `refuse`.
  func endpoint(_ routes: EndpointRoutes) -> HTTPServer? {
    guard let group = group() else { return nil }
    return HTTPServer(group: group, log: log, open: open, oneRequest: true) { request, context in
      await routes.respond(to: request, context: context)
    }
  }

  /// Answers a connection for which there is no server, and closes it. Does not block.
  static func refuse(_ fd: Int32) {
    defer { Descriptor.close(fd) }
    let report = ErrorReport(
      .limit, "the daemon has no file descriptor left: \(DescriptorReserve.remedy)")
    guard let body = try? JSONText.encode(ErrorBody(error: report)) else { return }
    let head =
      "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
      + "Content-Length: \(body.count)\r\nConnection: close\r\n\r\n"
    _ = Files.writeIfReady(fd, Array(head.utf8) + body)
  }
}
