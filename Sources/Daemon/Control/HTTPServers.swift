// SPDX-License-Identifier: Apache-2.0
//
// HTTPServers: the HTTP servers of the daemon: the control API's, and one for each network's `_ep.sock`. Loop thread.

import Logging
import NIOPosix

/// The thread that the daemon's HTTP servers share.
final class HTTPServers {
  private let log: Logger
  /// Of all of them.
  let open = OpenRequests()
  private lazy var group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

  init(log: Logger) { self.log = log }

  func control(_ bridge: LoopBridge) -> HTTPServer {
    let routes = ControlRoutes(bridge: bridge, group: group)
    let responder = routes.router().buildResponder()
    return HTTPServer(group: group, log: log, open: open) { request, context in
      await ControlRoutes.respond(to: request, context: context, with: responder)
    }
  }

  func endpoint(_ routes: EndpointRoutes) -> HTTPServer {
    HTTPServer(group: group, log: log, open: open, oneRequest: true) { request, context in
      await routes.respond(to: request, context: context)
    }
  }
}
