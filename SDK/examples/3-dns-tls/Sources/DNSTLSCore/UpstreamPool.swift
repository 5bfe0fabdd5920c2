// SPDX-License-Identifier: Apache-2.0
//
// UpstreamPool: the servers and the questions in progress. A question is sent to the first healthy server; if that fails or
// does not answer, to the next, until one answers or none is left. A server that failed is tried last for half a minute.
//
// After SERVFAIL, NOTIMP or REFUSED the next server is tried, too, as it may know the answer; if none answers better the
// first such answer is used. The server is not considered failed: it may be right (a name that fails DNSSEC validation),
// and work for other names.

import NIOCore
import NIOSSL
import PluginAPI

/// All but `ask`, `forget` and `close` run on `loop`.
final class UpstreamPool: @unchecked Sendable {  // Its state is touched on `loop` only.
  private let settings: TLSSettings
  private let loop: any EventLoop
  private let mailbox: Mailbox
  private var upstreams: [Upstream] = []
  private var questions: [lnd_op: Question] = [:]
  private var isClosed = false

  /// How long a failed server is tried last.
  static let penalty = TimeAmount.seconds(30)
  /// Time before the deadline at which a stored answer is used.
  private static let margin = TimeAmount.milliseconds(100)

  init(
    settings: TLSSettings, context: NIOSSLContext, loop: any EventLoop, mailbox: Mailbox
  ) {
    self.settings = settings
    self.loop = loop
    self.mailbox = mailbox
    upstreams = settings.servers.map {
      Upstream(
        server: $0, context: context, loop: loop, connectTimeout: settings.timeout,
        idle: settings.idle, mailbox: mailbox)
    }
  }

  /// [any] The answer is put into the mailbox, once.
  func ask(_ op: lnd_op, _ message: [UInt8], deadline: NIODeadline) {
    loop.execute { self.begin(Question(op: op, message: message, deadline: deadline)) }
  }

  /// [any] Cancels a question.
  func forget(_ op: lnd_op) {
    loop.execute {
      guard let question = self.questions.removeValue(forKey: op) else { return }
      question.timer?.cancel()
      question.upstream?.forget(question)
    }
  }

  /// [any] Closes all connections.
  func close() {
    loop.execute {
      self.isClosed = true
      for question in self.questions.values { question.timer?.cancel() }
      self.questions = [:]
      for upstream in self.upstreams { upstream.close() }
    }
  }

  /// [any] The host's network changed: existing connections are closed, and servers that were unreachable are tried again.
  func networkChanged() {
    loop.execute {
      for upstream in self.upstreams { upstream.startOver() }
    }
  }

  private func begin(_ question: Question) {
    guard !isClosed else { return }
    let now = NIODeadline.now()
    question.left =
      upstreams.filter { $0.failedUntil <= now } + upstreams.filter { $0.failedUntil > now }
    questions[question.op] = question
    mailbox.count { $0.asked &+= 1 }
    next(question)
  }

  /// Sends the question to the next server of its list.
  private func next(_ question: Question) {
    guard questions[question.op] === question else { return }
    question.timer?.cancel()
    let rest = question.deadline - .now()
    guard !question.left.isEmpty, rest > .nanoseconds(0) else {
      questions[question.op] = nil
      if let answer = question.fallback { return mailbox.put(question.op, .success(answer)) }
      let text = question.reason ?? "no server answered in time"
      mailbox.count { $0.lastError = text }
      return mailbox.put(question.op, .failure(Unanswered(text: text)))
    }
    let upstream = question.left.removeFirst()
    question.upstream = upstream
    // A stored answer must be used before the host's deadline.
    let patience =
      question.fallback == nil ? settings.timeout : min(settings.timeout, rest - Self.margin)
    question.timer = loop.scheduleTask(in: patience) { [weak question] in
      guard let question else { return }
      upstream.timedOut(question)
      self.failed(
        question, upstream,
        "no answer within \(self.settings.timeout.nanoseconds / 1_000_000_000) s")
    }
    upstream.ask(question) { result in
      switch result {
      case .success(let answer): self.answered(question, upstream, answer)
      case .failure(let error): self.failed(question, upstream, error.text)
      }
    }
  }

  private func answered(_ question: Question, _ upstream: Upstream, _ answer: [UInt8]) {
    guard questions[question.op] === question else { return }
    upstream.failedUntil = .uptimeNanoseconds(0)
    if let code = Refusal(answer) {
      // The first answer of each kind; SERVFAIL takes precedence, since clients retry after it.
      if question.refusal != .serverFailure, question.fallback == nil || code == .serverFailure {
        question.fallback = answer
        question.refusal = code
      }
      return next(question)
    }
    questions[question.op] = nil
    question.timer?.cancel()
    mailbox.put(question.op, .success(answer))
  }

  private func failed(_ question: Question, _ upstream: Upstream, _ reason: String) {
    let text = "\(upstream.server): \(reason)"
    if upstream.failedUntil <= .now() { mailbox.log(text) }
    upstream.failedUntil = .now() + Self.penalty
    question.reason = text
    next(question)
  }
}

/// Response codes for which another server may have a better answer (RFC 1035 §4.1.1).
enum Refusal: UInt8 {
  case serverFailure = 2
  case notImplemented = 4
  case refused = 5

  /// Nil for other answers, and for those too short.
  init?(_ answer: [UInt8]) {
    guard answer.count >= 12 else { return nil }
    self.init(rawValue: answer[3] & 0x0F)
  }
}

/// A question in progress. Accessed on the pool's loop only.
final class Question: @unchecked Sendable {  // As above.
  let op: lnd_op
  let message: [UInt8]
  let deadline: NIODeadline
  /// Servers that have not been tried.
  var left: [Upstream] = []
  var upstream: Upstream?
  var timer: Scheduled<Void>?
  /// The failure of the last server.
  var reason: String?
  /// The answer to use if no server has a better one, and its response code.
  var fallback: [UInt8]?
  var refusal: Refusal?
  /// When it was last sent.
  var askedAt = NIODeadline.uptimeNanoseconds(0)
  /// Its state on a connection.
  var isRepeated = false
  var done: ((Result<[UInt8], Unanswered>) -> Void)?

  init(op: lnd_op, message: [UInt8], deadline: NIODeadline) {
    self.op = op
    self.message = message
    self.deadline = deadline
  }
}
