// SPDX-License-Identifier: Apache-2.0
//
// IPv6 as guests have it: configured by the command, by the kernel alone and by DHCPv6; what follows the host's
// connectivity, and what does not depend on it.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct IPv6Tests {
    private static let server = "2001:db8:5::1"
    private static let configuration = """
      networks:
        default:
          mode: slirp
          options:
            prefix6: fd00:5::/64
        lab:
          mode: user-v2
          gateway: 192.168.104.1
          options:
            prefix6: fd00:6::/64
        plain:
          mode: slirp
          gateway: 192.168.7.2
          options:
            ipv6: false
      """

    /// A machine with an address of the world, and no way there yet.
    private func machine() throws -> Namespace {
      let machine = try Namespace(addresses: ["\(Self.server)/64", "192.0.2.2/24"])
      // Until duplicate address detection is through.
      #expect(try eventually { try !machine.shell("ip -6 addr").output.contains("tentative") })
      return machine
    }

    private static let upstream = "default via fe80::1 dev wire"

    @Test func aCommandHasBothFamiliesAndItsRouteFollowsTheHosts() throws {
      try require(.tap, .program("python3"), .program("curl"), .program("ping"))
      let machine = try machine()
      let daemon = try TestDaemon(configuration: Self.configuration, wrapper: machine.wrapper)
      let files = daemon.home + "/www"
      try FileManager.default.createDirectory(atPath: files, withIntermediateDirectories: true)
      try "over six".write(toFile: files + "/index.html", atomically: true, encoding: .utf8)
      let words =
        machine.wrapper + [
          "python3", "-m", "http.server", "--bind", "::", "--directory", files, "8086",
        ]
      let web = try RunningCommand(words[0], Array(words.dropFirst()))
      defer { daemon.stop(); web.stop(); machine.remove() }
      #expect(
        try eventually { try machine.shell("curl -sg http://[::1]:8086/").output == "over six" })

      // Without a way to the world there is none for guests, and all else works.
      let alone = try daemon.guest(
        """
        ip -6 -o addr show dev eth0 scope global
        echo "route: $(ip -6 route show default)"
        ping -6 -n -c 1 -W 5 fd00:5::2 | grep -o '1 received'
        curl -sg -m 5 'http://[fd00:5::2]:8086/'; echo
        getent ahostsv6 host.lima.internal | head -1
        """)
      #expect(alone.output.contains("fd00:5::15/64"), "\(alone)")
      #expect(alone.output.contains("route: \n"), "\(alone)")
      #expect(alone.output.contains("1 received"), "\(alone)")
      #expect(alone.output.contains("over six"), "\(alone)")
      #expect(alone.output.contains("fd00:5::2 "), "\(alone)")

      // A guest that stays, while the host's way comes and goes.
      let watch = try daemon.begin(
        "exec", "default", "--", "sh", "-c",
        "while sleep 0.1; do ip -6 route show default | grep -q fe80 && echo there || echo gone; done"
      )
      defer { watch.stop() }
      #expect(eventually { watch.output.hasSuffix("gone\n") }, "\(watch.errors)")
      try machine.shell("ip -6 route add \(Self.upstream)")
      #expect(eventually { watch.output.hasSuffix("there\n") }, "\(daemon.log(of: "default"))")
      let online = try daemon.guest(
        "ip -6 route show default; curl -sg -m 5 'http://[\(Self.server)]:8086/'")
      #expect(online.output.contains("default via fe80::"), "\(online)")
      #expect(online.output.contains("over six"), "\(online)")
      try machine.shell("ip -6 route del \(Self.upstream)")
      #expect(eventually { watch.output.hasSuffix("gone\n") })
    }

    /// What a guest's C library puts first (RFC 6724), and so what programs try first.
    @Test func aNameOfBothFamiliesCostsNoTimeWhereTheHostHasOne() throws {
      try require(.tap, .program("python3"), .program("curl"), .program("getent"))
      let machine = try machine()
      let daemon = try TestDaemon(
        configuration: """
          dns:
            hosts:
              dual.test: [192.0.2.2, "\(Self.server)"]

          """ + Self.configuration, wrapper: machine.wrapper)
      let words = machine.wrapper + ["python3", "-m", "http.server", "--bind", "::", "8087"]
      let web = try RunningCommand(words[0], Array(words.dropFirst()))
      defer { daemon.stop(); web.stop(); machine.remove() }
      #expect(
        try eventually { try machine.shell("curl -sg -o /dev/null http://[::1]:8087/").succeeded })
      let script = """
        getent ahosts dual.test | head -n 1
        getent ahosts host.lima.internal | head -n 1
        curl -sv -m 10 -o /dev/null http://dual.test:8087/ 2>&1 | grep -E 'Trying|Connected'
        curl -6 -sS -m 10 -o /dev/null http://dual.test:8087/; echo "by IPv6: $?"
        """
      func answers(_ result: CommandResult) -> [String] {
        result.output.split(separator: "\n").map(String.init)
      }
      // §5 rule 1: the guest has no way to the IPv6 address, and knows it before it tries.
      let alone = try daemon.guest(script)
      let first = answers(alone)
      #expect(first.first?.hasPrefix("192.0.2.2 ") == true, "\(alone)")
      #expect(first.first { $0.contains("Trying") }?.contains("192.0.2.2") == true, "\(alone)")
      #expect(!alone.output.contains("Trying [2001") && !alone.output.contains("Trying 2001"))
      // 7: it is told so; 28 would be a wait.
      #expect(alone.output.contains("by IPv6: 7"), "\(alone)")
      // §5 rules 5 and 6: its network's own addresses are of the guest's label, and IPv6 goes first.
      #expect(first.dropFirst().first?.hasPrefix("fd00:5::2 ") == true, "\(alone)")

      // With a way: a unique local source is of another label than the address, so IPv4 goes first, and IPv6 works.
      try machine.shell("ip -6 route add \(Self.upstream)")
      let both = try daemon.guest(script)
      #expect(answers(both).first?.hasPrefix("192.0.2.2 ") == true, "\(both)")
      #expect(both.output.contains("by IPv6: 0"), "\(both)")
    }

    @Test func theKernelConfiguresItselfAndDHCPv6GivesAnAddress() throws {
      try require(.tap, .program("dhclient"), .root)
      let machine = try machine()
      try machine.shell("ip -6 route add \(Self.upstream)")
      let daemon = try TestDaemon(configuration: Self.configuration, wrapper: machine.wrapper)
      let container = try Namespace()
      defer { daemon.stop(); container.remove(); machine.remove() }
      let attached = try daemon.begin(
        "attach", "lab", "--netns", "/proc/\(container.processIdentifier)/ns/net", "--tap", "net0",
        "--no-config", "--name", "box")
      defer { attached.stop() }
      #expect(
        eventually { attached.output.contains("net0 is on network lab") },
        "\(attached.output)\(attached.errors)")
      // RFC 4862: an address of the advertised prefix, and the router.
      #expect(
        try eventually {
          let state = try container.shell("ip -6 addr show dev net0; ip -6 route show default")
          return state.output.contains("fd00:6::") && state.output.contains("default via fe80::")
            && !state.output.contains("tentative")
        }, "\((try? container.shell("ip -6 addr; ip -6 route").output) ?? "")")
      // Known to the network, which others find it by.
      #expect(
        try eventually {
          try daemon.netd("leases").output.split(separator: "\n").contains {
            $0.contains("fd00:6:") && $0.contains("box") && $0.contains("auto")
          }
        }, "\((try? daemon.netd("leases").output) ?? "")")
      #expect(
        try daemon.guest("getent ahostsv6 box.internal", on: "lab").output.contains("fd00:6:"))

      let script = daemon.home + "/dhclient-script"
      try "#!/bin/sh\necho \"$reason $new_ip6_address $new_dhcp6_name_servers\"\n".write(
        toFile: script, atomically: true, encoding: .utf8)
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: script)
      let leased = try container.shell(
        """
        cd \(daemon.home); dhclient -6 -1 -sf \(script) -lf \(daemon.home)/l6 -pf \(daemon.home)/p6 net0 2>&1
        kill $(cat \(daemon.home)/p6)
        """, seconds: 60)
      #expect(leased.output.contains("BOUND6 fd00:6::"), "\(leased)")
      #expect(leased.output.contains("fd00:6::2"), "\(leased)")
    }

    @Test func guestsOfOneNetworkReachEachOther() throws {
      try require(.tap, .program("ping"))
      let machine = try machine()
      let daemon = try TestDaemon(configuration: Self.configuration, wrapper: machine.wrapper)
      defer { daemon.stop(); machine.remove() }
      let other = try daemon.begin("exec", "lab", "--name", "anna", "--", "sleep", "60")
      defer { other.stop() }
      #expect(try eventually { try daemon.netd("leases").output.contains("fd00:6:") })
      let result = try daemon.guest(
        "ping -6 -n -c 1 -W 5 anna.internal; ip -6 route show default", on: "lab")
      #expect(
        result.output.contains("1 received") && result.output.contains("fd00:6:"), "\(result)")
      #expect(!result.output.contains("default"), "\(result)")
    }

    @Test func aNetworkWithoutIPv6SaysNothingOfIt() throws {
      try require(.tap)
      let machine = try machine()
      try machine.shell("ip -6 route add \(Self.upstream)")
      let daemon = try TestDaemon(configuration: Self.configuration, wrapper: machine.wrapper)
      defer { daemon.stop(); machine.remove() }
      let result = try daemon.guest(
        """
        ip -6 -o addr show dev eth0 scope global; ip -6 route show default
        getent ahostsv6 host.lima.internal | grep -v ffff; ping -n -c 1 -W 5 192.168.7.2
        """, on: "plain")
      #expect(result.output.contains("1 received"), "\(result)")
      #expect(!result.output.contains("fd") && !result.output.contains("default"), "\(result)")
    }
  }
}
