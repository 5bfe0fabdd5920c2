// SPDX-License-Identifier: Apache-2.0
//
// Combines two answers: the host's resolver decides, the nameservers' message adds details.

import DNSMessage
import Platform

enum Verdict {
  /// The answer to a query for addresses.
  ///
  /// The nameservers' message is used when it agrees: it has the TTLs, the CNAME records, or the SOA of a negative
  /// answer. Otherwise it does not reflect this host's view of the name, and the addresses alone are the answer.
  /// - Parameter trouble: the reason, if neither gave an answer.
  static func answer(
    _ question: HostDNSQuestion, system: HostLookup.Outcome, servers message: [UInt8]?,
    trouble: DNSExtendedError, timeToLive: UInt32
  ) -> [UInt8] {
    let type = question.question.type
    guard type == .a || type == .aaaa else {
      return existence(question, system, message, trouble, timeToLive)
    }
    if let message, agrees(message, with: system, question) { return message }
    switch system {
    case .found(let octets):
      return addresses(
        question, octets.compactMap { DNSAddress(octets: $0) }, timeToLive: timeToLive)
    // RFC 1035 4.1.1, RFC 2308 2: a missing name differs from missing data, and a resolver that could not determine
    // either must not claim it.
    case .noData: return question.answer(.noError, denialTTL: timeToLive)
    case .noName: return question.answer(.nameError, denialTTL: timeToLive)
    case .tryAgain, .failed:
      // The nameservers' failure may give the reason: REFUSED, an extended error (RFC 8914).
      if let message, isFailure(message) { return message }
      return question.failure(trouble)
    }
  }

  /// The answer to another query, when the nameservers report NXDOMAIN: a name that the system knows exists (RFC 2308
  /// 5, RFC 8020 2).
  private static func existence(
    _ question: HostDNSQuestion, _ system: HostLookup.Outcome, _ message: [UInt8]?,
    _ trouble: DNSExtendedError, _ timeToLive: UInt32
  ) -> [UInt8] {
    switch system {
    case .found(let octets):
      addresses(question, octets.compactMap { DNSAddress(octets: $0) }, timeToLive: timeToLive)
    case .noData: question.answer(.noError, denialTTL: timeToLive)
    case .noName, .tryAgain, .failed: message ?? question.failure(trouble)
    }
  }

  /// The addresses of the queried type, all of them for ANY (RFC 8482 4.1).
  static func addresses(
    _ question: HostDNSQuestion, _ addresses: [DNSAddress], timeToLive: UInt32
  ) -> [UInt8] {
    let asked = question.question
    let records = addresses.filter { asked.type == $0.type || asked.type == .any }
      .map { DNSRecord(name: asked.name, ttl: timeToLive, data: .address($0)) }
    return question.answer(.noError, records, denialTTL: timeToLive)
  }

  private static func agrees(
    _ message: [UInt8], with system: HostLookup.Outcome, _ question: HostDNSQuestion
  ) -> Bool {
    guard let parsed = try? DNSMessage(parsing: message) else { return false }
    let addresses = parsed.answers.compactMap { record in
      if record.type == question.question.type, case .address(let address) = record.data {
        address
      } else {
        nil
      }
    }
    switch system {
    case .found(let octets):
      // The C library sorts the addresses, and may omit some of very many.
      let known = Set(octets.compactMap { DNSAddress(octets: $0) })
      return parsed.responseCode == .noError && !known.isEmpty && known == Set(addresses)
    case .noData: return parsed.responseCode == .noError && addresses.isEmpty
    case .noName: return parsed.responseCode == .nameError
    case .tryAgain, .failed: return false
    }
  }

  /// Whether the nameservers have an address: no other source is needed.
  static func isFinal(_ message: [UInt8]?) -> Bool {
    guard let message, let survey = try? DNSSurvey(message) else { return false }
    return survey.header.responseCode == .noError && survey.answerCount > 0
  }

  /// Whether they report that the name does not exist.
  static func isMissing(_ message: [UInt8]?) -> Bool {
    guard let message, let survey = try? DNSSurvey(message) else { return false }
    return survey.header.responseCode == .nameError && survey.answerCount == 0
  }

  private static func isFailure(_ message: [UInt8]) -> Bool {
    guard let survey = try? DNSSurvey(message) else { return false }
    let code = survey.header.responseCode
    return (code != .noError || survey.edns(of: message)?.extendedCode ?? 0 != 0)
      && code != .nameError && !survey.header.isTruncated
  }
}
