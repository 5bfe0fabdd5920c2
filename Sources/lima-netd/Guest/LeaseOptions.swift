// SPDX-License-Identifier: Apache-2.0
//
// LeaseOptions: options of `exec` and `attach` for a guest with an address of the network: published ports, and its DNS
// servers.

import ArgumentParser
import Daemon
import Platform

struct LeaseOptions: ParsableArguments {
  @Option(
    name: [.customShort("p"), .customLong("publish")],
    help: ArgumentHelp(
      "A port of the host that leads to the guest as long as it is there; as 8080:80, 8080:80/udp or 0.0.0.0:8080:80. Can be repeated.",
      valueName: "port"))
  var published: [String] = []

  @Option(
    help: ArgumentHelp(
      "Ask this server for names, instead of the network's. Can be repeated.",
      valueName: "address"))
  var dns: [String] = []

  /// ::ffff:0:0/96
  private static let mapped = [UInt8](repeating: 0, count: 10) + [0xff, 0xff]

  mutating func validate() throws {
    _ = try forwards()
    #if os(Linux)
      for (index, text) in dns.enumerated() {
        guard let address = NetlinkAddress(text) else {
          throw ValidationError(
            "--dns \(text): give an IP address, as 192.168.5.3, 1.1.1.1 or 2606:4700:4700::1111; link-local ones are not taken."
          )
        }
        guard !address.isUnspecified, !address.isLinkLocal else {
          throw ValidationError(
            "--dns \(text): no server can be asked at "
              + (address.isUnspecified
                ? "the unspecified address." : "a link-local address: give one that is routed."))
        }
        // Resolvers pass a mapped address over (RFC 4291 §2.5.5.2).
        if address.bytes.count == 16, address.bytes.starts(with: Self.mapped) {
          dns[index] = address.bytes.dropFirst(12).map(String.init).joined(separator: ".")
        }
      }
    #endif
  }

  /// - Throws: `ValidationError`.
  func forwards() throws -> [Forward] {
    try published.map { text in
      do throws(PublishedPort.Mistake) {
        return try PublishedPort(text).forward
      } catch {
        throw ValidationError("-p \(text): \(error.description)")
      }
    }
  }

}

/// A published port: [ADDRESS:]PORT[:PORT][/tcp|/udp], of the host and then of the guest, as in Docker and podman. The
/// default address is 127.0.0.1; without a second port both are the same.
struct PublishedPort: Hashable {
  /// Its `guest` is a port number only.
  let forward: Forward

  struct Mistake: Error, Hashable, CustomStringConvertible {
    let description: String

    static let form = Mistake(
      description:
        "write HOSTPORT:GUESTPORT, as 8080:80, with /udp behind it or an address of the host before it"
    )
    static func port(_ text: Substring, from first: UInt16) -> Mistake {
      Mistake(description: ForwardAddress.noPort(text, from: first))
    }
  }

  init(_ text: String) throws(Mistake) {
    let halves = text.split(separator: "/", omittingEmptySubsequences: false)
    guard halves.count <= 2 else { throw .form }
    let transport = halves.count == 2 ? String(halves[1]) : "tcp"
    guard transport == "tcp" || transport == "udp" else {
      throw Mistake(description: "`\(transport)` is no protocol that can be published: tcp or udp")
    }
    var rest = halves[0]
    var address = "127.0.0.1"
    if rest.hasPrefix("[") {
      guard let end = rest.firstIndex(of: "]") else { throw .form }
      address = String(rest[...end])
      rest = rest[rest.index(after: end)...]
      guard rest.hasPrefix(":") else { throw .form }
      rest = rest.dropFirst()
    }
    var parts = rest.split(separator: ":", omittingEmptySubsequences: false)
    if parts.count == 3, address == "127.0.0.1" { address = String(parts.removeFirst()) }
    guard (1...2).contains(parts.count), !address.isEmpty else { throw .form }
    let last = parts[parts.count - 1]
    guard !parts[0].isEmpty, !last.isEmpty else { throw .form }
    guard let host = UInt16(parts[0]) else { throw .port(parts[0], from: 0) }
    guard let guest = UInt16(last), guest > 0 else { throw .port(last, from: 1) }
    forward = Forward(protocol: transport, host: "\(address):\(host)", guest: String(guest))
  }
}
