// SPDX-License-Identifier: Apache-2.0
//
// ControlServer: HTTP/1.1 over connections that were accepted elsewhere. One NIO thread; requests are answered by
// ControlRoutes.
// Any thread.

import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import Platform
import Synchronization

final class ControlServer: Sendable {
  private let group: MultiThreadedEventLoopGroup
  private let http: HTTP1Channel
  private let log: Logger
  private let connections = Atomic<Int>(0)

  private static let maximumConnections = 128

  init(bridge: LoopBridge, log: Logger) {
    var quiet = log
    quiet.logLevel = .error
    let logger = quiet
    self.log = logger
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    self.group = group
    let responder = ControlRoutes(bridge: bridge, group: group).router().buildResponder()
    http = HTTP1Channel(
      responder: { request, writer, channel in
        let context = ControlContext(
          source: ApplicationRequestContextSource(channel: channel, logger: logger))
        let response = await ControlRoutes.respond(to: request, context: context, with: responder)
        try await writer.write(response: response.head, body: response.body)
      },
      configuration: .init(
        idleTimeout: .seconds(60),
        httpDecoderConfiguration: .init(
          maxHeaderFieldSize: 8192, maxHeaderListSize: 16384, maxHeaderFieldCount: 64)))
  }

  /// Takes over a connected stream socket.
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
        log.debug("control API: \(error)")
      }
    }
  }
}

struct ControlContext: RequestContext {
  var coreContext: CoreRequestContextStorage

  init(source: ApplicationRequestContextSource) {
    coreContext = CoreRequestContextStorage(source: source)
  }

  /// Bytes of a request's body.
  var maxUploadSize: Int { 64 * 1024 }
}
