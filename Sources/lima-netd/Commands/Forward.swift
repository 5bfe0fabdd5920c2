// SPDX-License-Identifier: Apache-2.0
//
// forward ls, add, rm: forwards from sockets of the host to guests.

import ArgumentParser
import Daemon
import Platform

/// The command; `Forward` is the API's model.
struct ForwardCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "forward",
    abstract: "Make a guest's ports reachable from the host.",
    discussion: """
      A forward listens on the host and leads to an address inside the network. It lasts until it is removed; one of \
      --temporary ends with the daemon. It is open while it leads somewhere; waiting, with the reason, while its network is stopped, its guest \
      is away or its port is taken, and opens by itself; failed where somebody has to change what the reason says.

        lima-netd forward add default tcp 127.0.0.1:8080 192.168.5.15:80
        lima-netd forward add default udp 0.0.0.0:5353 192.168.5.15:53
        lima-netd forward add default unix /tmp/docker.sock 192.168.5.15:2375
        lima-netd forward ls
        lima-netd forward rm default tcp 127.0.0.1:8080

      Each guest of `default` is 192.168.5.15. With several of them, say which:

        lima-netd forward add default tcp 2222 192.168.5.15:22 --guest web
      """,
    subcommands: [ForwardList.self, ForwardAdd.self, ForwardRemove.self],
    defaultSubcommand: ForwardList.self)
}

enum ForwardProtocol: String, ExpressibleByArgument, CaseIterable {
  case tcp, udp, unix
}

enum ForwardSource: String, ExpressibleByArgument, CaseIterable {
  case client, gateway
}

struct ForwardList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ls", abstract: "List forwards.",
    discussion: """
        lima-netd forward ls
        lima-netd forward ls default --json
      """, aliases: ["list"])

  @Argument(help: "Only those of this network.", completion: .networks)
  var network: String?
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let client = try ControlClient(home)
    let networks: [NetworkForwards]
    if let network {
      let forwards: [Forward] = try client.get(APIPath.network(network, "forwards"))
      networks = [NetworkForwards(network: network, forwards: forwards)]
    } else {
      let reports: [NetworkReport] = try client.get(APIPath.networks)
      // Networks' processes count the connections, which are only in the report of a single network.
      networks = reports.map { report in
        let counted: [Forward]? =
          report.forwards.isEmpty || report.state != .running
          ? nil : try? client.get(APIPath.network(report.name, "forwards"))
        return NetworkForwards(network: report.name, forwards: counted ?? report.forwards)
      }
    }
    try listing.show(networks) { Self.text(networks) }
  }

  struct NetworkForwards: Encodable {
    let network: String
    let forwards: [Forward]
  }

  static func text(_ networks: [NetworkForwards]) -> String {
    var table = Table("NETWORK", "PROTOCOL", "HOST", "GUEST", "CONNECTIONS", "STATE")
    for network in networks {
      for forward in network.forwards {
        let guest =
          (forward.guest ?? "") + (forward.guestName.isEmpty ? "" : " (\(forward.guestName))")
        table.add(
          network.network, forward.protocol, forward.host, guest,
          forward.connections.map { String($0) }, state(forward))
      }
    }
    return table.isEmpty ? "No forwards." : table.text
  }

  private static func state(_ forward: Forward) -> String {
    let state = ForwardText.state(forward.state, forward.reason)
    let gateway =
      forward.source == "gateway" && forward.state == .open ? ", clients as the gateway" : ""
    return state + gateway + (forward.temporary == true ? ", temporary" : "")
  }
}

enum ForwardText {
  /// "open", "waiting: no guest is connected"; used wherever a forward is shown.
  static func state(_ state: ForwardState?, _ reason: String?) -> String {
    (state ?? .open).rawValue + (reason.map { ": \($0)" } ?? "")
  }
}

struct ForwardAdd: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add", abstract: "Open a port or a unix socket of the host that leads to a guest.",
    discussion: """
        lima-netd forward add default tcp 127.0.0.1:8080 192.168.5.15:80
        lima-netd forward add default tcp 8080 192.168.5.15:80       the same
        lima-netd forward add default unix /tmp/web.sock 192.168.5.15:80
        lima-netd forward add default tcp 0.0.0.0:8080 192.168.5.15:80 \\
          --source gateway

      A guest sees clients of other machines under their own addresses. One whose default route is another interface \
      (Lima's `shared` networks) answers them there, and they hang: with --source gateway all clients are the gateway \
      to it. The network's option forwardSource says which holds where nothing is said.
      """)

  @Argument(help: "The network.", completion: .networks)
  var network: String
  @Argument(help: "tcp, udp or unix.")
  var `protocol`: ForwardProtocol
  @Argument(
    help:
      "Where to listen: ADDRESS:PORT, PORT (on 127.0.0.1; 0: any that is free), '*:PORT' (all addresses, IPv4 and IPv6), or a path for unix."
  )
  var host: String
  @Argument(help: "Where it leads: ADDRESS:PORT inside the network.")
  var target: String
  @Option(
    help: ArgumentHelp("Which guest, where each has the same address.", valueName: "name"),
    completion: .guestsOfForward)
  var guest: String?
  @Option(
    help: ArgumentHelp(
      "Whose address the guest sees: the client's, where an answer would come back, or the gateway's. (default: the network's option forwardSource)",
      valueName: "client|gateway"))
  var source: ForwardSource?
  @Flag(help: "Until the daemon ends. Else it is there again when the next one starts.")
  var temporary = false
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let forward = Forward(
      protocol: self.protocol.rawValue, host: try ForwardAddress.host(host, self.protocol),
      guest: try ForwardAddress.guest(target), guestName: guest ?? "", source: source?.rawValue,
      temporary: temporary ? true : nil)
    let client = try ControlClient(starting: home)
    try refuseName(client)
    let open: Forward = try client.send(
      .POST, APIPath.network(network, "forwards"), body: forward)
    try listing.show(open) { Self.text(open, network) }
  }
}

extension ForwardAdd {
  /// A guest's name where an address is asked: told with the address that it has.
  private func refuseName(_ client: ControlClient) throws {
    guard SocketEndpoint(target, defaultPort: 1) == nil,
      let colon = target.lastIndex(of: ":")
    else { return }
    let (name, port) = (String(target[..<colon]), target[target.index(after: colon)...])
    let guests = try Guests.details(client, network: network)
    let folded = name.lowercased()
    guard
      let guest = guests.first(where: {
        $0.name.lowercased() == folded || $0.hostname?.lowercased() == folded
      }), let address = guest.addresses.first
    else {
      throw CommandFailure(
        "`\(name)` is neither an address nor a guest of network \(network)",
        remedy: "Those there are:  lima-netd guest ls \(network)\(home.words)")
    }
    let isShared = guests.contains { $0.id != guest.id && $0.addresses.contains(address) }
    let end = address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
    throw CommandFailure(
      "`\(name)` is a guest's name, and a forward leads to an address",
      remedy:
        "That guest's:  lima-netd forward add \(network) \(self.protocol.rawValue) "
        + "\(ShellWord.quoted(host)) \(end)"
        + (isShared ? " --guest \(ShellWord.quoted(guest.name))" : "") + home.words)
  }

  static func text(_ forward: Forward, _ network: String) -> String {
    let ends =
      "\(forward.protocol) \(forward.host) \(forward.state == .open ? "leads" : "will lead") "
    let guest = forward.guest.map { "to \($0) of \(network)" } ?? "into \(network)"
    return ends + guest + (forward.reason.map { "; it waits: \($0)" } ?? "")
  }
}

struct ForwardRemove: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rm", abstract: "Remove a forward; connections that are open go on.",
    discussion: "  lima-netd forward rm default tcp 127.0.0.1:8080", aliases: ["remove"])

  @Argument(help: "The network.", completion: .networks)
  var network: String
  @Argument(help: "tcp, udp or unix.")
  var `protocol`: ForwardProtocol
  @Argument(help: "Where it listens, as given to add.")
  var host: String
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let forward = Forward(
      protocol: self.protocol.rawValue, host: try ForwardAddress.host(host, self.protocol),
      guest: nil)
    do {
      try ControlClient(home).perform(.DELETE, APIPath.network(network, "forwards"), body: forward)
    } catch let failure as CommandFailure where failure.code == "NOT_FOUND" && failure.remedy == nil
    {
      throw CommandFailure(failure.message, remedy: "Those there are:  lima-netd forward ls")
    }
    let removed = Removed(network: network, protocol: forward.protocol, host: forward.host)
    try listing.show(removed) {
      "\(forward.protocol) \(forward.host) of \(network) is closed"
    }
  }
}

extension ForwardRemove {
  struct Removed: Encodable {
    let network: String
    let `protocol`: String
    let host: String
  }
}

/// Parses the two ends of a forward as users write them to the form of the API. The plugin validates the addresses.
enum ForwardAddress {
  static func host(_ text: String, _ protocol: ForwardProtocol) throws -> String {
    if `protocol` == .unix {
      guard !text.isEmpty else { throw CommandFailure("The path of the unix socket is empty") }
      return text.hasPrefix("/") ? text : CurrentProcess.workingDirectory + "/" + text
    }
    if !text.isEmpty, text.allSatisfy({ $0.isASCII && $0.isNumber }) {
      return "127.0.0.1:\(try port(text[...], from: 0))"
    }
    try check(text, example: "127.0.0.1:8080, or a port alone", from: 0)
    return text
  }

  static func guest(_ text: String) throws -> String {
    try check(text, example: "192.168.5.15:80, inside the network", from: 1)
    return text
  }

  private static func check(_ text: String, example: String, from first: UInt16) throws {
    try refuseRange(text)
    // "[fd00::5]" has colons, and no port.
    guard let colon = text.lastIndex(of: ":"), colon != text.startIndex,
      text.first != "[" || text[..<colon].last == "]"
    else {
      throw CommandFailure("\(text): give ADDRESS:PORT, as \(example)")
    }
    _ = try port(text[text.index(after: colon)...], from: first)
  }

  private static func port(_ text: Substring, from first: UInt16) throws -> UInt16 {
    guard let port = UInt16(text), port >= first else {
      throw CommandFailure(noPort(text, from: first))
    }
    return port
  }

  static func noPort(_ text: Substring, from first: UInt16) -> String {
    "`\(text)` is no port: a port is \(first) to 65535"
      + (first == 0 ? ", 0 any that is free" : "")
  }

  /// Refuses "8000-8010", with an address or without.
  private static func refuseRange(_ text: String) throws {
    let ports = text[(text.lastIndex(of: ":").map(text.index(after:)) ?? text.startIndex)...]
    let ends = ports.split(separator: "-", omittingEmptySubsequences: false)
    guard ends.count == 2, ends.allSatisfy({ UInt16($0) != nil }) else { return }
    throw CommandFailure(
      "\(text): a forward has one port: add one for each (an instance's portForwards may have ranges)"
    )
  }
}
