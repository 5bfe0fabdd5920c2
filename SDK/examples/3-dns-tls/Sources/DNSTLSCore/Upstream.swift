// SPDX-License-Identifier: Apache-2.0
//
// Upstream: one server with one connection, which is opened for the first question and used for all others (RFC 7858 §3.4).
// Questions are pipelined and answers may be out of order (RFC 7766 §6.2.1). If the server closes an idle connection, a new
// one is opened, and questions that were lost with the old one are sent again, once. Event loop thread.

import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS

final class Upstream: @unchecked Sendable {  // Its state is touched on its loop only.
  let server: TLSServer
  var failedUntil = NIODeadline.uptimeNanoseconds(0)

  private enum State {
    case closed
    case connecting((any Channel)?)
    case open(any Channel)
  }

  private let context: NIOSSLContext
  private let loop: any EventLoop
  private let connectTimeout: TimeAmount
  private let idle: TimeAmount
  private let mailbox: Mailbox
  private var state = State.closed
  /// Number of the present connection: events of earlier ones are ignored.
  private var connection = 0
  /// Questions sent to the server, by their id on this connection.
  private var asked: [UInt16: Question] = [:]
  /// Questions that wait for the connection.
  private var waiting: [Question] = []
  private var idleTimer: Scheduled<Void>?
  private var handshakeTimer: Scheduled<Void>?
  /// Whether an answer was received on this connection.
  private var hasAnswered = false
  private var lastAnswer = NIODeadline.uptimeNanoseconds(0)

  init(
    server: TLSServer, context: NIOSSLContext, loop: any EventLoop, connectTimeout: TimeAmount,
    idle: TimeAmount, mailbox: Mailbox
  ) {
    self.server = server
    self.context = context
    self.loop = loop
    self.connectTimeout = connectTimeout
    self.idle = idle
    self.mailbox = mailbox
  }

  // MARK: Questions

  func ask(_ question: Question, _ done: @escaping (Result<[UInt8], Unanswered>) -> Void) {
    question.done = done
    question.isRepeated = false
    send(question)
  }

  func forget(_ question: Question) {
    question.done = nil
    waiting.removeAll { $0 === question }
    // Its id stays in use on this connection: the answer may still arrive.
  }

  /// The question had no answer in time. If nothing has been received on the connection since the question was sent, it is
  /// considered dead (the host may have moved to another network), and a new one is opened.
  func timedOut(_ question: Question) {
    forget(question)
    guard case .open = state, lastAnswer < question.askedAt else { return }
    let lost = asked.values.filter { $0.done != nil }
    asked = [:]
    close()
    for question in lost {
      finish(question, .failure(Unanswered(text: "the connection leads nowhere")))
    }
  }

  private func send(_ question: Question) {
    idleTimer?.cancel()
    switch state {
    case .closed:
      waiting.append(question)
      connect()
    case .connecting:
      waiting.append(question)
    case .open(let channel):
      guard let id = freeID() else {
        return finish(question, .failure(Unanswered(text: "too many questions are under way")))
      }
      question.askedAt = .now()
      asked[id] = question
      let message = Padding.pad(question.message)
      var buffer = channel.allocator.buffer(capacity: message.count + 2)
      buffer.writeInteger(UInt16(message.count))
      buffer.writeInteger(id)
      buffer.writeBytes(message.dropFirst(2))
      channel.writeAndFlush(buffer, promise: nil)
    }
  }

  /// A random id that no question in progress has.
  private func freeID() -> UInt16? {
    guard asked.count < 4096 else { return nil }
    while true {
      let id = UInt16.random(in: .min ... .max)
      if asked[id] == nil { return id }
    }
  }

  private func finish(_ question: Question, _ result: Result<[UInt8], Unanswered>) {
    let done = question.done
    question.done = nil
    done?(result)
  }

  fileprivate func received(_ message: ByteBuffer, connection: Int) {
    var message = message
    guard connection == self.connection, message.readableBytes >= 12,
      let id = message.readInteger(as: UInt16.self),
      let question = asked.removeValue(forKey: id)
    else { return }
    hasAnswered = true
    lastAnswer = .now()
    // Restores the host's id.
    let answer = Array(question.message.prefix(2)) + Array(message.readableBytesView)
    finish(question, .success(Padding.unpad(answer, to: question.message)))
    if asked.isEmpty, waiting.isEmpty { becomeIdle() }
  }

  // MARK: The connection

  private func connect() {
    state = .connecting(nil)
    connection += 1
    hasAnswered = false
    let current = connection
    mailbox.count { $0.connections &+= 1 }
    let (context, name) = (self.context, server.name)
    ClientBootstrap(group: loop)
      .connectTimeout(connectTimeout)
      .channelOption(.tcpOption(.tcp_nodelay), value: 1)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          try pipeline.addHandler(NIOSSLClientHandler(context: context, serverHostname: name))
          try pipeline.addHandler(ByteToMessageHandler(MessageDecoder()))
          try pipeline.addHandler(MessageHandler(self, connection: current))
        }
      }
      .connect(to: server.address)
      .whenFailure { error in self.closed(current, "\(error)") }
    // The server may accept the connection and then send nothing.
    handshakeTimer = loop.scheduleTask(in: connectTimeout) {
      self.closed(current, "no TLS within \(self.connectTimeout.nanoseconds / 1_000_000_000) s")
    }
  }

  /// The TCP connection is established; TLS follows.
  fileprivate func connected(_ channel: any Channel, connection: Int) {
    guard connection == self.connection else { return channel.close(promise: nil) }
    state = .connecting(channel)
  }

  /// TLS is established, and the server is authenticated.
  fileprivate func established(_ channel: any Channel, connection: Int) {
    guard connection == self.connection else { return channel.close(promise: nil) }
    handshakeTimer?.cancel()
    state = .open(channel)
    let questions = waiting
    waiting = []
    for question in questions where question.done != nil { send(question) }
    if asked.isEmpty { becomeIdle() }
  }

  fileprivate func closed(_ connection: Int, _ reason: String) {
    guard connection == self.connection, !isClosed else { return }
    letGo()
    self.connection += 1
    idleTimer?.cancel()
    handshakeTimer?.cancel()
    let mayRepeat = hasAnswered
    let lost = asked.values.filter { $0.done != nil } + waiting.filter { $0.done != nil }
    asked = [:]
    waiting = []
    for question in lost {
      // A server may close a connection at any time (RFC 7766 §6.2.4).
      if mayRepeat, !question.isRepeated {
        question.isRepeated = true
        send(question)
      } else {
        finish(question, .failure(Unanswered(text: reason)))
      }
    }
  }

  /// Opens a new connection and sends the questions in progress again.
  func startOver() {
    failedUntil = .uptimeNanoseconds(0)
    guard !isClosed else { return }
    hasAnswered = true
    closed(connection, "the network has changed")
  }

  private func letGo() {
    switch state {
    case .open(let channel), .connecting(let channel?): channel.close(promise: nil)
    case .connecting(nil), .closed: break
    }
    state = .closed
  }

  private var isClosed: Bool {
    if case .closed = state { true } else { false }
  }

  private func becomeIdle() {
    idleTimer?.cancel()
    idleTimer = loop.scheduleTask(in: idle) { self.close() }
  }

  func close() {
    idleTimer?.cancel()
    handshakeTimer?.cancel()
    connection += 1
    asked = [:]
    letGo()
  }
}

/// Decodes messages with a two-byte length prefix (RFC 7858 §3.3).
private struct MessageDecoder: ByteToMessageDecoder {
  typealias InboundOut = ByteBuffer

  mutating func decode(
    context: ChannelHandlerContext, buffer: inout ByteBuffer
  ) throws -> DecodingState {
    guard let message = buffer.readLengthPrefixedSlice(as: UInt16.self) else {
      return .needMoreData
    }
    context.fireChannelRead(wrapInboundOut(message))
    return .continue
  }
}

/// The last handler of a connection's pipeline.
private final class MessageHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let upstream: Upstream
  private let connection: Int
  private var reason = "the server closed the connection"

  init(_ upstream: Upstream, connection: Int) {
    self.upstream = upstream
    self.connection = connection
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .handshakeCompleted? = event as? TLSUserEvent {
      upstream.established(context.channel, connection: connection)
    }
    context.fireUserInboundEventTriggered(event)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    upstream.received(unwrapInboundIn(data), connection: connection)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    reason = "\(error)"
    context.close(promise: nil)
  }

  func channelActive(context: ChannelHandlerContext) {
    upstream.connected(context.channel, connection: connection)
    context.fireChannelActive()
  }

  func channelInactive(context: ChannelHandlerContext) {
    upstream.closed(connection, reason)
    context.fireChannelInactive()
  }
}
