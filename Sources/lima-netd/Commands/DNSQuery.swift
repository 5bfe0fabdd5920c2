// SPDX-License-Identifier: Apache-2.0
//
// dns: queries a network's DNS as a guest does (query), with its other sub-commands in DNSCacheCommand, DNSServe,
// DNSGuestRules.

import ArgumentParser
import DNSMessage
import Daemon
import Platform

struct DNS: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Ask a network's DNS what its guests would be told; serve one without a network.",
    discussion: """
      Which plugin answers for a network is one line of networks.yaml, for one network or for all:

        dns: {plugin: hostdns, options: {timeout: 3},
              hosts: {db.internal: 10.0.0.5}, ipv6: false}

      kill -HUP makes a running network's DNS another one; its guests and their connections stay.

        lima-netd dns query example.com
        lima-netd dns cache ls
      """,
    subcommands: [DNSQuery.self, DNSCacheCommand.self, DNSServe.self, DNSGuestRules.self],
    defaultSubcommand: DNSQuery.self)
}

struct DNSQuery: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "query", abstract: "Ask a network's DNS, or any server, as a guest would.",
    usage: "lima-netd dns query <name> [<type> ...] [<options>]",
    discussion: """
      Starts the network if need be. The answers come first, one a line as in a zone file; then, behind ;;, what else \
      the answer holds, who gave it (a plugin, the network's own names, or its cache), and how long it took.

        lima-netd dns query host.lima.internal
        lima-netd dns query example.com A AAAA HTTPS --network user-v2
        lima-netd dns query -x 192.168.5.2
        lima-netd dns query bücher.example --short
        lima-netd dns query version.bind TXT --class CH --json
        lima-netd dns query example.com TXT --udp --no-edns
        lima-netd dns query example.com --server 127.0.0.1:5300

      It asks over UDP, ready for 1232 bytes, and once more over TCP where the answer was cut, as a guest does. --udp \
      shows what comes by UDP alone, --tcp what comes by TCP; --bufsize and --no-edns make it another guest. The words \
      that dig has for these are understood, too: +short, +tcp, +notcp, +bufsize=512, +noedns, +dnssec, @127.0.0.1:5300.

      The status is the answer's code: 0 NOERROR (also with no record of the type), 2 SERVFAIL, 3 NXDOMAIN, 4 NOTIMP, \
      5 REFUSED, ...; of several types that of the first that failed. 1: there was no answer. 64: the command makes no sense.
      """)

  enum Transport: String, EnumerableFlag {
    case tcp, udp

    static func help(for value: Transport) -> ArgumentHelp? {
      switch value {
      case .tcp: "Ask over TCP."
      case .udp: "Ask over UDP, and show an answer that was cut as it is."
      }
    }
  }

  @Argument(
    help: ArgumentHelp(
      "The name, and what is asked of it: A (if nothing is said), AAAA, MX, TXT, ..., TYPE65. An address is asked for its names.",
      valueName: "name"))
  var words: [String]
  @Flag(
    name: [.customShort("x"), .long], help: "The name is an address: ask for its names (PTR).")
  var reverse = false
  @Option(
    name: .customLong("class"),
    help: ArgumentHelp("IN, CH, HS, ANY or CLASS3. (default: IN)", valueName: "class"))
  var classText: String?
  @Flag(help: "Print nothing but the answers' data, a line each.")
  var short = false
  @Flag(exclusivity: .exclusive) var transport: Transport?
  @Option(
    help: ArgumentHelp(
      "Bytes the client takes over UDP, 512 to 65535. (default: 1232)", valueName: "bytes"))
  var bufsize: Int?
  @Flag(name: .customLong("no-edns"), help: "Ask as a client without EDNS: 512 bytes over UDP.")
  var noEDNS = false
  @Flag(help: "Ask for DNSSEC's records (DO).")
  var dnssec = false
  @Flag(
    name: .customLong("checking-disabled"), help: "Ask for data that fails DNSSEC's checks (CD).")
  var checkingDisabled = false
  @Flag(name: .customLong("no-recursion"), help: "Ask for what is there already (no RD).")
  var noRecursion = false
  @Option(
    help: ArgumentHelp("Whose DNS to ask. (default: default)", valueName: "network"),
    completion: .networks)
  var network: String?
  @Option(
    help: ArgumentHelp(
      "Ask this server, not a network: ADDRESS or ADDRESS:PORT. Needs no daemon.",
      valueName: "address"))
  var server: String?
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func validate() throws {
    _ = try questions
    let words = try parsed
    if network != nil, server ?? words.server != nil {
      throw ValidationError("Ask a network or a server: --network and --server exclude each other.")
    }
    if let server = server ?? words.server, SocketEndpoint(server, defaultPort: 53) == nil {
      throw ValidationError(
        "\(server): give an address, as 127.0.0.1:5300, [::1]:53 or 192.168.5.3.")
    }
  }

  private var parsed: DNSQuestionWords {
    get throws {
      do { return try DNSQuestionWords(words) } catch { throw ValidationError("\(error)") }
    }
  }

  /// The questions; for an address its reverse name, unless a type is given.
  var questions: [DNSLookup] {
    get throws {
      let words = try parsed
      guard let name = words.name else { throw ValidationError("Which name? Give it first.") }
      guard DNSName(userText: name) != nil else {
        throw ValidationError(
          "\(name): not a domain name: labels have 1 to 63 bytes, all of it at most 253.")
      }
      let address = DNSAddress(name)
      if reverse, address == nil {
        throw ValidationError("\(name): -x takes an address, as 192.168.5.2 or fd00::1.")
      }
      let dnsClass = try classText.map { text in
        guard let value = DNSClass(text) else {
          throw ValidationError(
            "--class \(text): there are IN, CH, HS, ANY, and CLASS3 and the like.")
        }
        return "\(value)"
      }
      if let bufsize, !(512...65535).contains(bufsize) {
        throw ValidationError("--bufsize \(bufsize): give a number from 512 to 65535.")
      }
      let size = noEDNS ? 0 : bufsize ?? words.udpSize
      let wantsSignatures = dnssec || words.dnssec
      if size == 0, wantsSignatures {
        throw ValidationError("DNSSEC needs EDNS: --dnssec and --no-edns exclude each other.")
      }
      let types = words.types.isEmpty ? [reverse || address != nil ? "PTR" : "A"] : words.types
      return types.map { type in
        let asked =
          address.flatMap { type == "PTR" ? "\(DNSName(reverseOf: $0))" : nil } ?? name
        return DNSLookup(
          name: asked, type: type, class: dnsClass ?? words.dnsClass, udpSize: size,
          dnssec: wantsSignatures ? true : nil,
          checkingDisabled: checkingDisabled || words.checkingDisabled ? true : nil,
          recursion: noRecursion || !words.recursion ? false : nil)
      }
    }
  }

  func run() throws {
    let words = try parsed
    let way = transport ?? words.transport
    let resolver: any DNSClient
    #if os(Linux)
      var daemon: GuestDaemon?
      defer { daemon?.stop() }
    #endif
    if let server = (server ?? words.server).flatMap({ SocketEndpoint($0, defaultPort: 53) }) {
      resolver = DNSServerAsker(server: server)
    } else {
      var served = try home.resolveServed()
      #if os(Linux)
        daemon = try GuestDaemon.reach(served, pluginDirectories: [])
        served = daemon?.servedHome(of: served) ?? served
      #endif
      resolver = NetworkAsker(client: ControlClient(home: served), network: network ?? "default")
    }
    let results = try questions.map { try Self.ask($0, way, resolver) }
    if listing.json {
      // A single question is printed as an object.
      if results.count == 1 {
        try listing.show(results[0])
      } else {
        try listing.show(results)
      }
    } else if short || words.isShort {
      let lines = results.flatMap { $0.answers.map(\.data) }
      if !lines.isEmpty { StandardOutput.print(lines.joined(separator: "\n")) }
    } else {
      StandardOutput.print(results.map(\.text).joined(separator: "\n\n"))
    }
    if let failed = results.first(where: { $0.code != 0 }) {
      throw ExitCode(Int32(failed.code))
    }
  }

  /// Asks over UDP, and again over TCP if the answer was truncated, unless one of them was requested.
  static func ask(
    _ question: DNSLookup, _ way: Transport?, _ resolver: any DNSClient
  ) throws -> DNSResult {
    var question = question
    question.transport = (way ?? .udp).rawValue
    var reply = try resolver.ask(question)
    var wasCut = false
    if way == nil, reply.message.header.isTruncated {
      question.transport = Transport.tcp.rawValue
      do { reply = try resolver.ask(question) } catch let failure as CommandFailure {
        throw CommandFailure(
          "The answer was cut over UDP, and there is none over TCP: \(failure.message)",
          remedy: "What came over UDP:  --udp", code: failure.code)
      }
      wasCut = true
    }
    return DNSResult(question, reply, wasCut: wasCut)
  }
}
