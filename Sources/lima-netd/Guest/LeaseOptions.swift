// SPDX-License-Identifier: Apache-2.0
//
// LeaseOptions: what `exec` and `attach` take for a guest that has an address of the network's: ports of the host that lead to
// it, and whom it asks for names.

import ArgumentParser
import Daemon
import Platform

struct LeaseOptions: ParsableArguments {
  @Option(
    name: [.customShort("p"), .customLong("publish")],
    help: ArgumentHelp(
      "A port of the host that leads to the guest as long as it is there; as 8080:80, 8080:80/udp or 0.0.0.0:8080:80. Can be repeated.",
      valueName: "port"))
  var published: [PublishedPort] = []

  @Option(
    help: ArgumentHelp(
      "Ask this server for names, instead of the network's. Can be repeated.",
      valueName: "address"))
  var dns: [String] = []

  func forwards() -> [Forward] { published.map(\.forward) }

  #if os(Linux)
    /// - Throws: `CommandFailure`.
    func servers() throws -> [String] {
      for text in dns where NetlinkAddress(text) == nil {
        throw CommandFailure("--dns \(text): give an IP address, as 192.168.5.3 or 1.1.1.1")
      }
      return dns
    }
  #endif
}

/// A port of the host and one of the guest: [ADDRESS:]PORT[:PORT][/tcp|/udp], as Docker and podman have it. Without an
/// address it is on 127.0.0.1, without a second port both are the same.
struct PublishedPort: ExpressibleByArgument, Hashable {
  /// Its `guest` is a port alone.
  let forward: Forward

  init?(argument: String) {
    let halves = argument.split(separator: "/", omittingEmptySubsequences: false)
    guard halves.count <= 2 else { return nil }
    let transport = halves.count == 2 ? String(halves[1]) : "tcp"
    guard transport == "tcp" || transport == "udp" else { return nil }
    var rest = halves[0]
    var address = "127.0.0.1"
    if rest.hasPrefix("[") {
      guard let end = rest.firstIndex(of: "]") else { return nil }
      address = String(rest[...end])
      rest = rest[rest.index(after: end)...]
      guard rest.hasPrefix(":") else { return nil }
      rest = rest.dropFirst()
    }
    var parts = rest.split(separator: ":", omittingEmptySubsequences: false)
    if parts.count == 3, address == "127.0.0.1" { address = String(parts.removeFirst()) }
    guard (1...2).contains(parts.count), !address.isEmpty, let host = UInt16(parts[0]),
      let guest = UInt16(parts[parts.count - 1]), guest > 0
    else { return nil }
    forward = Forward(protocol: transport, host: "\(address):\(host)", guest: String(guest))
  }
}
