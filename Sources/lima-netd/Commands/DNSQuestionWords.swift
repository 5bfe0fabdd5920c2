// SPDX-License-Identifier: Apache-2.0
//
// DNSQuestionWords: the arguments of `dns query`: a name and record types, and for users of dig its @SERVER and the most
// common of its +options.

import DNSMessage

struct DNSQuestionWords {
  var name: String?
  var types: [String] = []
  var dnsClass: String?
  var server: String?
  var isShort = false
  var transport: DNSQuery.Transport?
  var udpSize: Int?
  var dnssec = false
  var checkingDisabled = false
  var recursion = true

  struct Mistake: Error, CustomStringConvertible {
    let description: String
  }

  /// The supported options of dig, for messages.
  static let known =
    "+short, +tcp, +notcp, +ignore, +bufsize=N, +noedns, +dnssec, +cdflag and +norecurse"

  init(_ words: [String]) throws(Mistake) {
    for word in words {
      if word.hasPrefix("+") {
        try take(word.dropFirst())
      } else if word.hasPrefix("@"), word.count > 1 {
        server = String(word.dropFirst())
      } else if name == nil {
        name = word
      } else if let type = DNSType(word) {
        guard type != .opt else { throw Mistake(description: "OPT is nothing to ask for.") }
        types.append("\(type)")
      } else if let value = DNSClass(word) {
        dnsClass = "\(value)"
      } else {
        throw Mistake(
          description:
            "\(word): no such type. Known are A, AAAA, MX, TXT, ...; TYPE65 names any by number.")
      }
    }
  }

  private mutating func take(_ word: Substring) throws(Mistake) {
    switch word {
    case "short": isShort = true
    case "tcp", "vc": transport = .tcp
    // dig without its retry over TCP.
    case "notcp", "novc", "ignore": transport = .udp
    case "noedns": udpSize = 0
    case "dnssec", "do": dnssec = true
    case "cd", "cdflag": checkingDisabled = true
    case "norec", "norecurse", "nordflag": recursion = false
    default:
      guard word.hasPrefix("bufsize="), let size = Int(word.dropFirst(8)),
        (512...65535).contains(size)
      else {
        throw Mistake(
          description: "+\(word): of dig's words these are understood: \(Self.known).")
      }
      udpSize = size
    }
  }
}
