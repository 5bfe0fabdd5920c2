// SPDX-License-Identifier: Apache-2.0
//
// ControlClient: requests to the daemon over its control socket: HTTP/1.1 with JSON, one connection per request. Called
// from the main thread, which waits; the connection is on an event loop thread. Not used by `exec` and `attach`, which must
// have one thread.

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

  /// Maximum bytes of an answer that is no stream.
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

  /// POST or DELETE with a JSON body and a JSON answer.
  func send<Value: Decodable & Sendable>(
    _ method: HTTPMethod, _ path: String, body: some Encodable, as type: Value.Type = Value.self
  ) throws -> Value {
    try decode(request(method, path, body: JSONText.encode(body)))
  }

  /// A request without a body and with a JSON answer.
  func send<Value: Decodable & Sendable>(
    _ method: HTTPMethod, _ path: String, as type: Value.Type = Value.self
  ) throws -> Value {
    try decode(request(method, path, body: nil))
  }

  /// For requests whose answer has no contents.
  func perform(_ method: HTTPMethod, _ path: String, body: (any Encodable)? = nil) throws {
    _ = try request(method, path, body: body.map { try JSONText.encode($0) })
  }

  /// A stream: each piece of the body is passed to `consume`, on the event loop's thread, which may block to slow the
  /// daemon down; false ends the stream. The future completes when the stream has ended.
  func stream(
    _ path: String, consume: @escaping @Sendable (ByteBuffer) -> Bool
  ) throws -> EventLoopFuture<Void> {
    try requireAnswer()
    let promise = group.next().makePromise(of: HTTPReply.self)
    try start(.GET, path, body: nil, promise, consume: consume)
    return promise.futureResult.flatMapThrowing { try check($0) }
  }

  /// - Returns: nil if no daemon is running.
  func ifRunning<Value>(_ body: (ControlClient) throws -> Value) throws -> Value? {
    do {
      return try body(self)
    } catch is DaemonNotRunning {
      return nil
    }
  }

  /// Thrown if no daemon listens on the socket.
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

  /// Seconds without an answer until the daemon is asked whether it is alive, repeatedly, since a request may take long;
  /// and seconds it has to answer that: its loop is never busy for as long.
  static let patience = 5

  /// - Throws: if the daemon does not answer even that, a `CommandFailure` with its process id and the remedy.
  func requireAnswer() throws {
    let promise = group.next().makePromise(of: HTTPReply.self)
    try start(.GET, APIPath.alive, body: nil, promise, consume: nil)
    // Any answer counts, also that of a daemon without this path.
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
    // An empty name would make the next segment the name.
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

  /// Nanoseconds that a process with the home's lock may be without a socket: while it starts, ends, or notices that the
  /// socket was removed.
  private static let socketPatience: UInt64 = 3_000_000_000

  private static func isAbsence(_ errno: Errno) -> Bool {
    errno == .noSuchFile || errno == .connectionRefused
  }

  /// No process listens, and a daemon is about to.
  /// - Throws: when the time for that is over.
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

  /// The part of the status that all versions have.
  private struct DaemonVersion: Decodable { var version: String }

  /// Nil if the answer has no version.
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
