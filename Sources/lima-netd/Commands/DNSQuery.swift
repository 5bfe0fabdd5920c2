// SPDX-License-Identifier: Apache-2.0
//
// dns: asks a network's DNS as a guest would (query), and what belongs to it (DNSCache, DNSServe, DNSGuestRules).

import ArgumentParser
import DNSMessage
import FoundationEssentials

struct DNS: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Ask a network's DNS what its guests would be told; serve one without a network.",
    discussion: """
      Which plugin answers for a network is one line of networks.yaml, for one network or for all:

        dns: {plugin: hostdns, options: {timeout: 3}, hosts: {db.internal: 10.0.0.5}, ipv6: false}

      kill -HUP makes a running network's DNS another one; its guests and their connections stay.
      """,
    subcommands: [DNSQuery.self, DNSCache.self, DNSServe.self, DNSGuestRules.self],
    defaultSubcommand: DNSQuery.self)
}

struct DNSQuery: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "query", abstract: "Resolve a name by a network's DNS plugin.",
    discussion: """
      Starts the network if need be. The answers come first, one a line as in a zone file; then who \
      answered (a plugin, the network's own names, or its cache), and how long it took.

        lima-netd dns query host.lima.internal
        lima-netd dns query example.com MX --network default
        lima-netd dns query 192.168.5.2 --json
      """)

  @Argument(help: "The name; or an address, whose names are asked for.")
  var name: String
  @Argument(help: "A (the default), AAAA, MX, TXT, ..., or TYPE65; of an address PTR.")
  var type: String?
  @Option(help: ArgumentHelp("Whose DNS to ask.", valueName: "network"))
  var network = "default"
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func validate() throws {
    guard DNSName(name) != nil else {
      throw ValidationError(
        "\(name): not a domain name: labels have 1 to 63 bytes, all of it at most 253.")
    }
    guard let type else { return }
    guard DNSType(type) != nil else {
      throw ValidationError(
        "\(type): no such type. Known are A, AAAA, MX, TXT, ...; TYPE65 names any by number.")
    }
  }

  /// What the DNS is asked: of an address, unless another type is given, its reverse name.
  var question: (name: String, type: String) {
    let type = type?.uppercased()
    if let address = DNSAddress(name), type == nil || type == "PTR" {
      return ("\(DNSName(reverseOf: address))", "PTR")
    }
    return (name, type ?? "A")
  }

  func run() throws {
    let client = try ControlClient(home)
    let (name, type) = question
    let answer = try client.resolve(name: name, type: type, network: network)
    guard let bytes = Data(base64Encoded: answer.message),
      let message = try? DNSMessage(parsing: Array(bytes))
    else {
      throw CommandFailure("The DNS plugin's answer is not a DNS message")
    }
    let report = DNSResult(
      name: name, type: type, network: network,
      source: answer.source, plugin: try? client.dnsPlugin(of: network),
      milliseconds: answer.milliseconds, message)
    try listing.show(report) { report.text }
  }
}

/// An answer as it is shown.
struct DNSResult: Encodable {
  struct Record: Encodable {
    let name: String
    let ttl: UInt32
    let type: String
    let data: String
  }

  let name: String
  let type: String
  let status: String
  let answers: [Record]
  let network: String
  /// A plugin's name, "names" or "cache"; nil when the daemon does not say.
  let source: String?
  /// The network's DNS plugin: "hostdns 0.1.0".
  let plugin: String?
  let milliseconds: Double

  init(
    name: String, type: String, network: String, source: String? = nil, plugin: String?,
    milliseconds: Double,
    _ message: DNSMessage
  ) {
    self.name = name
    self.type = type
    self.network = network
    self.source = source
    self.plugin = plugin
    self.milliseconds = milliseconds
    status = "\(message.responseCode)"
    answers = message.answers.map {
      Record(name: "\($0.name)", ttl: $0.ttl, type: "\($0.type)", data: "\($0.data)")
    }
  }

  var text: String {
    var lines = answers.map { "\($0.name)\t\($0.ttl)\tIN\t\($0.type)\t\($0.data)" }
    if lines.isEmpty {
      switch status {
      case "NOERROR": lines = ["\(name) has no record of type \(type)"]
      case "NXDOMAIN": lines = ["\(name) does not exist"]
      default: lines = ["\(name) could not be resolved: \(status)"]
      }
    }
    let tenths = Int((milliseconds * 10).rounded())
    lines.append(
      ";; \(status) from \(answerer) of network \(network), \(tenths / 10).\(tenths % 10) ms"
    )
    return lines.joined(separator: "\n")
  }

  private var answerer: String {
    switch source {
    case "names": return "the names"
    case "cache": return "the cache (\(plugin ?? "of the DNS plugin"))"
    // The plugin may have been changed since: the answer's own word counts.
    case .some(let name) where plugin?.hasPrefix(name + " ") != true: return name
    default: return plugin ?? "the DNS plugin"
    }
  }
}
