// SPDX-License-Identifier: Apache-2.0
//
// ControlClient: asks the daemon over its control socket: HTTP/1.1 with JSON, one connection a request. Called from
// the main thread, which waits; the connection lives on one event loop thread. `exec` and `attach` never come here.

import LibC
import Daemon
import Dispatch
import NIOCore
import NIOHTTP1
import NIOPosix
import Platform

struct ControlClient {
  let home: LimaHome
  private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

  /// An answer's body is a document that is shown, not a stream: more than this is a mistake.
  static let bodyLimit = 16 << 20

  init(_ options: HomeOptions) throws {
    home = try options.resolveServed()
  }

  init(home: LimaHome) {
    self.home = home
  }

  /// Of a daemon that is started, and stays, where none serves the home now.
  init(starting options: HomeOptions) throws {
    try self.init(options)
    try StartedDaemon.require(home, at: home.controlSocket)
  }

  /// GET.
  func get<Value: Decodable & Sendable>(_ path: String, as type: Value.Type = Value.self) throws
    -> Value
  {
    try decode(request(.GET, path, body: nil))
  }

  /// POST, DELETE with a JSON body and a JSON answer.
  func send<Value: Decodable & Sendable>(
    _ method: HTTPMethod, _ path: String, body: some Encodable, as type: Value.Type = Value.self
  ) throws -> Value {
    try decode(request(method, path, body: JSONText.encode(body)))
  }

  /// DELETE and the like with a JSON answer.
  func send<Value: Decodable & Sendable>(
    _ method: HTTPMethod, _ path: String, as type: Value.Type = Value.self
  ) throws -> Value {
    try decode(request(method, path, body: nil))
  }

  /// For requests whose answer says no more than that it was done.
  func perform(_ method: HTTPMethod, _ path: String, body: (any Encodable)? = nil) throws {
    _ = try request(method, path, body: body.map { try JSONText.encode($0) })
  }

  /// A body without end: every piece goes to `consume`, on the event loop's thread, which may block to slow the
  /// daemon down; false ends it. The future is done when the stream is.
  func stream(
    _ path: String, consume: @escaping @Sendable (ByteBuffer) -> Bool
  ) throws -> EventLoopFuture<Void> {
    try requireAnswer()
    let promise = group.next().makePromise(of: HTTPReply.self)
    try start(.GET, path, body: nil, promise, consume: consume)
    return promise.futureResult.flatMapThrowing { try check($0) }
  }

  /// - Returns: nil when no daemon listens.
  func ifRunning<Value>(_ body: (ControlClient) throws -> Value) throws -> Value? {
    do {
      return try body(self)
    } catch is DaemonNotRunning {
      return nil
    }
  }

  /// Thrown where nobody listens.
  struct DaemonNotRunning: Error, CustomStringConvertible {
    let home: String
    var description: String { CommandFailure.daemonNotRunning(home).description }
  }

  private func request(_ method: HTTPMethod, _ path: String, body: [UInt8]?) throws -> ByteBuffer {
    let promise = group.next().makePromise(of: HTTPReply.self)
    try start(method, path, body: body, promise, consume: nil)
    while !isComplete(promise.futureResult, within: Self.patience) { try requireAnswer() }
    let reply = try promise.futureResult.wait()
    try check(reply)
    return reply.body
  }

  // MARK: A daemon that hangs

  /// Seconds until a daemon that has not answered is asked whether it lives; again and again, since what was asked may
  /// take long. And seconds in which it has to say so: its loop is never held that long.
  static let patience = 5

  /// - Throws: when the daemon does not even say that it lives: a `CommandFailure` that names its process and what is to be
  ///   done.
  func requireAnswer() throws {
    let promise = group.next().makePromise(of: HTTPReply.self)
    try start(.GET, APIPath.alive, body: nil, promise, consume: nil)
    // Any answer is one, also that of a daemon which does not know the question.
    guard isComplete(promise.futureResult, within: Self.patience) else {
      throw CommandFailure.daemonSilent(home, pid: home.writtenPID)
    }
  }

  private func isComplete(_ future: EventLoopFuture<HTTPReply>, within seconds: Int) -> Bool {
    let done = DispatchSemaphore(value: 0)
    future.whenComplete { _ in done.signal() }
    return done.wait(timeout: .now() + .seconds(seconds)) == .success
  }

  private func start(
    _ method: HTTPMethod, _ path: String, body: [UInt8]?, _ promise: EventLoopPromise<HTTPReply>,
    consume: (@Sendable (ByteBuffer) -> Bool)?
  ) throws {
    // The word behind an empty name would be taken for it.
    guard !path.prefix(while: { $0 != "?" }).contains("//"), path.last != "/" else {
      let failure = CommandFailure("An empty name was given: it names nothing")
      promise.fail(failure)
      throw failure
    }
    let exchange = HTTPExchange.Request(method: method, path: path, body: body)
    func connect() throws {
      _ = try ClientBootstrap(group: group)
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHTTPClientHandlers()
            try channel.pipeline.syncOperations.addHandler(
              HTTPExchange(exchange, promise, log: home.daemonLog, consume: consume))
          }
        }
        .connect(unixDomainSocketPath: home.controlSocket).wait()
    }
    let deadline = MonotonicClock.now() &+ Self.socketPatience
    do {
      while true {
        do { return try connect() } catch let error as IOError {
          guard try isComing(Errno(error.errnoCode), deadline) else { throw error }
          usleep(50_000)
        }
      }
    } catch {
      promise.fail(error)
      guard let error = error as? IOError else {
        if error is CommandFailure { throw error }
        throw CommandFailure("The daemon of \(home.path) could not be reached: \(error)")
      }
      let errno = Errno(error.errnoCode)
      if Self.isAbsence(errno) { throw DaemonNotRunning(home: home.path) }
      throw CommandFailure.daemonUnreachable(home, errno)
    }
  }

  /// Nanoseconds in which a process that has the home, but no socket, begins, ends, or notices that somebody removed it.
  private static let socketPatience: UInt64 = 3_000_000_000

  private static func isAbsence(_ errno: Errno) -> Bool {
    errno == .noSuchFile || errno == .connectionRefused
  }

  /// Nobody listens, and there is a daemon that may in a moment.
  /// - Throws: when the moment is over.
  private func isComing(_ errno: Errno, _ deadline: UInt64) throws -> Bool {
    guard Self.isAbsence(errno), let pid = home.lockHolder else { return false }
    guard MonotonicClock.now() < deadline else {
      throw CommandFailure.daemonUnheard(home, pid: pid)
    }
    return true
  }

  // MARK: A daemon of another version

  private func check(_ reply: HTTPReply) throws {
    guard reply.status.code >= 400 else { return }
    guard let body = try? JSONText.decode(ErrorBody.self, from: reply.body.readableBytesView) else {
      throw notUnderstood("it answered \(reply.status)", version: askVersion())
    }
    throw CommandFailure(body.error.message, code: body.error.code)
  }

  private func decode<Value: Decodable>(_ body: ByteBuffer) throws -> Value {
    do {
      return try JSONText.decode(Value.self, from: body.readableBytesView)
    } catch {
      let version = try? JSONText.decode(DaemonVersion.self, from: body.readableBytesView).version
      throw notUnderstood(
        "its answer is not understood by \(LimaNetd.versionText), as \(JSONText.explain(error))",
        version: version ?? askVersion())
    }
  }

  /// All that is needed of the status of any version.
  private struct DaemonVersion: Decodable { var version: String }

  /// Nil: what is there does not say.
  private func askVersion() -> String? {
    let promise = group.next().makePromise(of: HTTPReply.self)
    guard (try? start(.GET, APIPath.status, body: nil, promise, consume: nil)) != nil,
      isComplete(promise.futureResult, within: Self.patience),
      let reply = try? promise.futureResult.wait()
    else { return nil }
    return try? JSONText.decode(DaemonVersion.self, from: reply.body.readableBytesView).version
  }

  private func notUnderstood(_ what: String, version: String?) -> CommandFailure {
    guard let version, version != LimaNetd.version else {
      return CommandFailure.daemonStrange(home, what, pid: home.lockHolder)
    }
    let words = HomeOptions.words(for: home)
    return CommandFailure(
      "The daemon of \(home.path) is lima-netd \(version), and this is \(LimaNetd.versionText): \(what)",
      remedy: "Have it be this version:  lima-netd restart\(words)")
  }
}
