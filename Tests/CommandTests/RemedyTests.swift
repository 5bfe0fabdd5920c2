// SPDX-License-Identifier: Apache-2.0
//
// What doctor says to do is something that this program does: its own commands among the remedies are commands that there
// are, with options that they have.

import ArgumentParser
import Platform
import Testing

@testable import Daemon
@testable import lima_netd

@Suite(.timeLimit(.minutes(1))) struct RemedyTests {
  private static let file = """
    networks:
      shared: {mode: shared, gateway: 192.168.105.1, options: {prefix6: "2001:db8:9::/64"}}
      lan: {mode: bridged, interface: br7}
      wifi: {mode: bridged, interface: wlan0}
      ovs: {mode: bridged, interface: ovs0}
      u: {mode: user-v2, gateway: 192.168.122.1}
    """

  /// Nothing is as it should be.
  private static func faulty() throws -> HostFacts {
    var facts = HostFacts(
      system: .linux, home: LimaHome(path: "/h/.lima"),
      user: HostFacts.User(uid: 1000, groups: [1000]))
    facts.command = "lima-netd"
    facts.configuration.networks = try ConfigDecoder.decode(
      Array(file.utf8), file: "f", homeDirectory: "/h"
    ).networks
    facts.user.name = "alice"
    facts.ip.addresses = [
      HostAddress(interface: "eth0", address: 0xC0A8_7A05, prefixLength: 24),
      HostAddress(interface: "eth1", address: 0xC0A8_6905, prefixLength: 24),
    ]
    facts.ip.routes6 = [
      HostAddress6(
        interface: "eth0", high: 0x2001_0db8_0009_0000, low: 0, prefixLength: 64)
    ]
    facts.links.candidates = ["br0", "eth0"]
    facts.links.interfaces["wlan0"] = .wireless
    facts.privilege.sudo = .refused("no")
    return facts
  }

  /// Words of a command of this program's, of each that a remedy is made of.
  private static func commands(_ remedy: String) -> [[String]] {
    remedy.replacing("&&", with: "|").replacing(";", with: "|").split(separator: "|").compactMap {
      var words = $0.split(separator: " ").map(String.init)
      if words.first == "sudo" { words.removeFirst() }
      guard words.first == "lima-netd" else { return nil }
      return words.dropFirst().map { $0.trimmingQuotes }
    }
  }

  @Test func `each command of this program's that doctor proposes is one that there is`() throws {
    var facts = [try Self.faulty(), try Self.faulty(), try Self.faulty(), try Self.faulty()]
    facts[1].ip.addresses = []
    facts[1].ip.routes6 = []
    facts[1].links.interfaces = [
      "br7": .bridge, "wlan0": .card(isPort: false), "ovs0": .openVSwitch,
    ]
    var tap = HostFacts.Tap(name: "ln1000-shared")
    (tap.exists, tap.isTap, tap.persists, tap.owner) = (true, true, true, 1000)
    facts[1].links.taps["shared"] = tap
    tap.otherHome = "/h/other"
    facts[2].links.taps["shared"] = tap
    facts[2].links.taps["lan"] = tap
    facts[3].configuration.networks = []
    facts[3].configuration.isThere = false
    let findings = facts.flatMap { Diagnosis($0).findings(for: DoctorModes.all) }
    let commands = findings.compactMap(\.remedy).flatMap(Self.commands)
    for words in commands {
      #expect(throws: Never.self, "lima-netd \(words.joined(separator: " "))") {
        _ = try LimaNetd.parseAsRoot(words)
      }
    }
    // All kinds that there are.
    for kind in ["network edit", "network setup", "network create", "recommend"] {
      #expect(commands.contains { $0.joined(separator: " ").hasPrefix(kind) }, "\(kind)")
    }
    #expect(commands.contains { $0.contains("--prefix6") })
  }
}

extension String {
  fileprivate var trimmingQuotes: String {
    count > 1 && first == "'" && last == "'" ? String(dropFirst().dropLast()) : self
  }
}
