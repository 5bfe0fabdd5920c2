// SPDX-License-Identifier: Apache-2.0
//
// HTTPServer: HTTP/1.1 on connections that were accepted elsewhere. All servers of the daemon share one NIO thread, which
// is created with the first one, since many daemons get no requests. The routes produce the answers. Any thread.

import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTPTypes
import NIOPosix
import Platform
import Synchronization

final class HTTPServer: Sendable {
  typealias Respond = @Sendable (Request, ControlContext) async -> Response

  private let group: MultiThreadedEventLoopGroup
  private let http: HTTP1Channel
  private let log: Logger
  private let connections = Atomic<Int>(0)

  private static let maximumConnections = 128

  /// - Parameter oneRequest: each connection is closed after one request.
  init(
    group: MultiThreadedEventLoopGroup, log: Logger, open: OpenRequests = OpenRequests(),
    oneRequest: Bool = false,
    respond: @escaping Respond
  ) {
    var quiet = log
    quiet.logLevel = .error
    let logger = quiet
    self.log = logger
    self.group = group
    http = HTTP1Channel(
      responder: { request, writer, channel in
        let context = ControlContext(
          source: ApplicationRequestContextSource(channel: channel, logger: logger))
        open.begin()
        defer { open.end() }
        let response = await open.answer { await respond(request, context) }
        try await writer.write(response: response.head, body: response.body)
      },
      configuration: .init(
        additionalChannelHandlers: oneRequest ? [LastRequest()] : [],
        idleTimeout: .seconds(60),
        httpDecoderConfiguration: .init(
          maxHeaderFieldSize: 8192, maxHeaderListSize: 16384, maxHeaderFieldCount: 64)))
  }

  /// Takes ownership of a connected stream socket.
  func serve(_ fd: Int32) {
    guard connections.add(1, ordering: .relaxed).newValue <= Self.maximumConnections else {
      connections.subtract(1, ordering: .relaxed)
      return Descriptor.close(fd)
    }
    Task.detached { [self] in
      defer { connections.subtract(1, ordering: .relaxed) }
      do {
        let value = try await ClientBootstrap(group: group)
          .channelOption(ChannelOptions.allowRemoteHalfClosure, value: true)
          .withConnectedSocket(fd) { [http, log] channel in
            http.setup(channel: channel, logger: log)
          }
        await http.handle(value: value, logger: log)
      } catch {
        log.debug("HTTP: \(error)")
      }
    }
  }
}

/// Marks each request as the last of its connection, which the server then closes.
private final class LastRequest: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPRequestPart
  typealias InboundOut = HTTPRequestPart

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if case .head(var head) = unwrapInboundIn(data) {
      head.headerFields[.connection] = "close"
      return context.fireChannelRead(wrapInboundOut(.head(head)))
    }
    context.fireChannelRead(data)
  }
}

struct ControlContext: RequestContext {
  var coreContext: CoreRequestContextStorage

  init(source: ApplicationRequestContextSource) {
    coreContext = CoreRequestContextStorage(source: source)
  }

  /// Maximum bytes of a request's body.
  var maxUploadSize: Int { 64 * 1024 }
}
