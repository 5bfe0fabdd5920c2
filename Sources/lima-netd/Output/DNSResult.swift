// SPDX-License-Identifier: Apache-2.0
//
// DNSResult: a DNS answer as `dns query` shows it.

import DNSMessage
import Daemon
import Platform

struct DNSResult: Encodable {
  struct Record: Encodable {
    let name: String
    let ttl: UInt32
    let `class`: String
    let type: String
    let data: String

    init(_ record: DNSRecord) {
      name = "\(record.name)"
      ttl = record.ttl
      self.class = "\(record.dnsClass)"
      type = "\(record.type)"
      data = "\(record.data)"
    }

    var line: String { "\(name)\t\(ttl)\t\(self.class)\t\(type)\t\(data)" }
  }

  struct ExtendedError: Encodable {
    let code: UInt16
    let meaning: String
    let text: String
  }

  struct EDNS: Encodable {
    let udpSize: UInt16
    let dnssec: Bool
    let errors: [ExtendedError]
    /// Codes of other EDNS options.
    let options: [UInt16]
  }

  let name: String
  let type: String
  let `class`: String
  let status: String
  /// The code of `status`: 0 NOERROR, 3 NXDOMAIN, ...
  let code: UInt16
  /// The flags that are set: "qr", "aa", "tc", "rd", "ra", "ad", "cd".
  let flags: [String]
  let answers: [Record]
  let authority: [Record]
  let additional: [Record]
  let edns: EDNS?
  /// The transport of the answer, and its size in bytes.
  let transport: String
  let size: Int
  /// The answer over UDP was truncated, and the question was sent again over TCP.
  let retried: Bool
  /// Exactly one of the two is set.
  let network: String?
  let server: String?
  /// A plugin's name, "names" or "cache"; nil if unknown.
  let source: String?
  /// The network's DNS plugin: "hostdns 0.1.0".
  let plugin: String?
  let milliseconds: Double

  private let errorLines: [String]

  private enum CodingKeys: String, CodingKey {
    case name, type, `class`, status, code, flags, answers, authority, additional, edns, transport,
      size, retried, network, server, source, plugin, milliseconds
  }

  init(_ question: DNSLookup, _ reply: DNSReply, wasCut: Bool = false) {
    let message = reply.message
    name = question.name
    type = question.type
    self.class = question.class ?? "IN"
    status = "\(message.responseCode)"
    code = message.responseCode.rawValue
    flags = message.header.flagNames
    answers = message.answers.map(Record.init)
    authority = message.authorities.map(Record.init)
    additional = message.additionals.map(Record.init)
    let errors = message.edns?.extendedErrors ?? []
    errorLines = errors.map { "\($0)" }
    edns = message.edns.map { edns in
      EDNS(
        udpSize: edns.udpSize, dnssec: edns.dnssecOK,
        errors: errors.map { ExtendedError(code: $0.code, meaning: $0.meaning, text: $0.text) },
        options: edns.optionList.map(\.code).filter { $0 != 15 })
    }
    transport = question.transport ?? "udp"
    size = reply.octets
    retried = wasCut
    network = reply.network
    server = reply.server
    source = reply.source
    plugin = reply.plugin
    milliseconds = reply.milliseconds
  }

  var text: String {
    var lines = answers.map(\.line)
    if lines.isEmpty { lines = [emptiness] }
    if !authority.isEmpty { lines += [";; AUTHORITY"] + authority.map(\.line) }
    if !additional.isEmpty { lines += [";; ADDITIONAL"] + additional.map(\.line) }
    lines += errorLines.map { ";; because: EDE \($0)" }
    if flags.contains("tc") {
      lines.append(";; cut: a client asks for the rest over TCP")
    } else if retried {
      lines.append(";; cut over UDP, asked again over TCP")
    }
    var facts = ["flags " + flags.joined(separator: " ")]
    if let edns {
      facts.append("EDNS \(edns.udpSize)" + (edns.dnssec ? " do" : ""))
      if !edns.options.isEmpty {
        facts.append("options " + edns.options.map(String.init).joined(separator: " "))
      }
    }
    facts.append("\(Plural.text(Int(size), "byte")) over \(transport.uppercased())")
    lines.append(";; " + facts.joined(separator: "; "))
    let tenths = Int((milliseconds * 10).rounded())
    lines.append(";; \(status) from \(answerer), \(tenths / 10).\(tenths % 10) ms")
    return lines.joined(separator: "\n")
  }

  private var emptiness: String {
    let name = DNSName(self.name)?.displayed ?? self.name
    switch status {
    case "NOERROR" where flags.contains("tc"): return "\(name): none of the answer fits"
    case "NOERROR": return "\(name) has no record of type \(type)"
    case "NXDOMAIN": return "\(name) does not exist"
    default: return "\(name) could not be resolved: \(status)"
    }
  }

  private var answerer: String {
    if let server { return server }
    let behind = " of network \(network ?? "?")"
    switch source {
    case "names": return "the names" + behind
    case "cache": return "the cache (\(plugin ?? "of the DNS plugin"))" + behind
    // The network's plugin may have been replaced since: the answer's source takes precedence.
    case .some(let name) where plugin?.hasPrefix(name + " ") != true: return name + behind
    default: return (plugin ?? "the DNS plugin") + behind
    }
  }
}
