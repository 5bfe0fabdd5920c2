// SPDX-License-Identifier: Apache-2.0
//
// One answer of two: what the host's resolver says is the truth, what its nameservers say tells
// more about it.

import DNSMessage
import Platform

enum Verdict {
  /// The answer to a question for addresses.
  ///
  /// The nameservers' message is the answer when it says the same: it has the TTLs, the CNAME
  /// records that led there, or the SOA that says how long the name will be missing. Otherwise it
  /// is not about this host's view of the name, and the bare addresses are the answer.
  static func answer(
    _ question: HostDNSQuestion, system: HostLookup.Outcome, servers message: [UInt8]?,
    timeToLive: UInt32
  ) -> [UInt8] {
    if let message, agrees(message, with: system, question) { return message }
    switch system {
    case .found(let addresses):
      let records = addresses.compactMap { octets in
        DNSAddress(octets: octets).map {
          DNSRecord(name: question.question.name, ttl: timeToLive, data: .address($0))
        }
      }
      return question.answer(.noError, records)
    // RFC 1035 4.1.1, RFC 2308 2: a missing name and missing data are two things, and a resolver
    // that could not find out must not claim either.
    case .noData: return question.answer(.noError)
    case .noName: return question.answer(.nameError)
    case .tryAgain, .failed: return question.answer(.serverFailure)
    }
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
      // The C library sorts them, and may leave some out of very many.
      let known = Set(octets.compactMap { DNSAddress(octets: $0) })
      return parsed.responseCode == .noError && !known.isEmpty && known == Set(addresses)
    case .noData: return parsed.responseCode == .noError && addresses.isEmpty
    case .noName: return parsed.responseCode == .nameError
    case .tryAgain, .failed: return false
    }
  }

  /// Whether the nameservers know an address: nobody else need be asked.
  static func isFinal(_ message: [UInt8]?) -> Bool {
    guard let message, let survey = try? DNSSurvey(message) else { return false }
    return survey.header.responseCode == .noError && survey.answerCount > 0
  }
}
