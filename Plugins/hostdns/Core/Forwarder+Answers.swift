// SPDX-License-Identifier: Apache-2.0
//
// Classifies a nameserver's message: the answer, a failure after which another server is tried, truncated, or not an
// answer to the query.

import DNSMessage
import LimaNetdSDK
import PluginAPI

extension Forwarder {
  /// Handles a complete message of a server; false when it is not the answer and the right one may still come.
  /// - Parameter isCut: the datagram was longer than the read buffer.
  func judge(
    _ bytes: [UInt8], _ exchange: Exchange, _ attempt: Attempt, isCut: Bool = false
  ) -> Bool {
    let question = exchange.question.question
    if !attempt.isStream,
      DNSSurvey.isTruncatedAnswer(bytes, to: question, id: attempt.id, isCut: isCut)
    {
      askOverTCP(exchange, attempt, bytes)
      return true
    }
    guard let survey = try? DNSSurvey(bytes) else {
      counters.strangers &+= 1
      return false
    }
    let edns = survey.edns(of: bytes)
    let code = DNSResponseCode(
      rawValue: UInt16(edns?.extendedCode ?? 0) << 4 | survey.header.responseCode.rawValue)
    let isGood = code == .noError || code == .nameError
    guard survey.answers(question, id: attempt.id, in: bytes) else {
      // A failure response may have no question.
      guard !isGood, survey.questionCount == 0, survey.header.isResponse,
        survey.header.opcode == .query, survey.header.id == attempt.id
      else {
        counters.strangers &+= 1
        return false
      }
      let options = survey.optRange.map { survey.ednsOptions(of: bytes, in: $0) } ?? []
      serverFailed(exchange, attempt, code) { exchange.question.answer(code, options: options) }
      return true
    }
    let isLame =
      code == .noError && survey.answerCount == 0 && !survey.header.recursionAvailable
      && !survey.header.isAuthoritative && exchange.question.header.recursionDesired
    if isLame {
      // A referral, or an empty answer without recursion: not usable for a client that desires recursion.
      serverFailed(exchange, attempt, code) { bytes }
    } else if isGood {
      counters.answers &+= 1
      favour(attempt.server, in: exchange)
      finish(exchange, bytes)
    } else {
      serverFailed(exchange, attempt, code) { bytes }
    }
    return true
  }

  /// SERVFAIL, REFUSED and others: another server is tried. One that does not support EDNS is asked again without
  /// (RFC 6891 7).
  private func serverFailed(
    _ exchange: Exchange, _ attempt: Attempt, _ code: DNSResponseCode, _ message: () -> [UInt8]
  ) {
    let complains = code == .formatError || code == .notImplemented || code == .badVersion
    if complains, exchange.sendsEDNS(to: attempt.server) {
      exchange.withoutEDNS.append(attempt.server)
      end(attempt, of: exchange)
      if !begin(exchange, attempt.server, stream: attempt.isStream) { advance(exchange) }
      return
    }
    if exchange.fallback == nil { exchange.fallback = message() }
    disfavour(attempt.server)
    failed(attempt, of: exchange)
  }

  /// RFC 2181 9, RFC 7766 5. If the server cannot be reached over TCP, the truncated message is the answer, as far as
  /// its records are complete.
  private func askOverTCP(_ exchange: Exchange, _ attempt: Attempt, _ bytes: [UInt8]) {
    exchange.fallback =
      (try? DNSSurvey(bytes)) == nil ? exchange.question.truncated : bytes
    counters.overTCP &+= 1
    end(attempt, of: exchange)
    if !begin(exchange, attempt.server, stream: true) { advance(exchange) }
  }
}
