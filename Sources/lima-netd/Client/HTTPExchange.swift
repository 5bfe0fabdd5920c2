// SPDX-License-Identifier: Apache-2.0
//
// HTTPExchange: sends a request when the connection is established, and receives its answer. Event loop thread.

import LibC
import NIOCore
import NIOHTTP1
import Platform

struct HTTPReply: Sendable {
  var status: HTTPResponseStatus
  var body: ByteBuffer
}

final class HTTPExchange: ChannelInboundHandler {
  typealias InboundIn = HTTPClientResponsePart
  typealias OutboundOut = HTTPClientRequestPart

  struct Request: Sendable {
    var method: HTTPMethod
    var path: String
    var body: [UInt8]?
  }

  private let request: Request
  /// The daemon's log file.
  private let log: String
  private let promise: EventLoopPromise<HTTPReply>
  /// Receives the body of a successful answer in pieces; without it the body is collected.
  private let consume: (@Sendable (ByteBuffer) -> Bool)?
  private var reply: HTTPReply?
  private var isDone = false

  init(
    _ request: Request, _ promise: EventLoopPromise<HTTPReply>, log: String,
    consume: (@Sendable (ByteBuffer) -> Bool)?
  ) {
    self.request = request
    self.promise = promise
    self.log = log
    self.consume = consume
  }

  func channelActive(context: ChannelHandlerContext) {
    var head = HTTPRequestHead(version: .http1_1, method: request.method, uri: request.path)
    head.headers.add(name: "Host", value: "localhost")
    head.headers.add(name: "Connection", value: "close")
    if let body = request.body {
      head.headers.add(name: "Content-Type", value: "application/json")
      head.headers.add(name: "Content-Length", value: String(body.count))
    }
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    if let body = request.body {
      context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body)))), promise: nil)
    }
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      reply = HTTPReply(status: head.status, body: ByteBuffer())
    case .body(let part):
      take(part, context)
    case .end:
      finish(.success(reply ?? HTTPReply(status: .internalServerError, body: ByteBuffer())))
      context.close(promise: nil)
    }
  }

  private func take(_ part: ByteBuffer, _ context: ChannelHandlerContext) {
    guard var reply, !isDone else { return }
    if let consume, reply.status.code < 400 {
      if !consume(part) {
        finish(.success(reply))
        context.close(promise: nil)
      }
      return
    }
    guard reply.body.readableBytes + part.readableBytes <= ControlClient.bodyLimit else {
      finish(.failure(CommandFailure("The daemon's answer is larger than 16 MiB")))
      context.close(promise: nil)
      return
    }
    reply.body.writeImmutableBuffer(part)
    self.reply = reply
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if let error = error as? IOError {
      let errno = Errno(error.errnoCode)
      let hasEnded = [ECONNRESET, EPIPE].contains(errno.rawValue)
      finish(
        .failure(hasEnded ? endedEarly : failure("The connection to the daemon broke: \(errno)")))
    } else if error is HTTPParserError {
      finish(.failure(failure("What answers in the daemon's place does not speak HTTP")))
    } else {
      finish(.failure(failure("The connection to the daemon broke: \(error)")))
    }
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) {
    // The end of a capture also ends the connection.
    if consume != nil, let reply {
      finish(.success(reply))
    } else {
      finish(.failure(endedEarly))
    }
  }

  private var endedEarly: CommandFailure {
    failure("The daemon closed the connection before it answered")
  }

  private func failure(_ text: String) -> CommandFailure {
    CommandFailure(text, remedy: "Does it still run?  lima-netd status; its log:  \(log)")
  }

  private func finish(_ result: Result<HTTPReply, any Error>) {
    guard !isDone else { return }
    isDone = true
    promise.completeWith(result)
  }
}
