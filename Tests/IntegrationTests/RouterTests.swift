// SPDX-License-Identifier: Apache-2.0
//
// Datagrams of a guest through real routers: who is on the way, what is too long for it, what of
// a packet's header arrives.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct RouterTests {
    private static let script = "python3 \(Installation.fixtures)/datagrams.py"

    /// A daemon on a machine with routers, and the lines that a guest's script writes.
    private func lines(
      _ script: String, options: [String] = [], configuration: String? = nil,
      with command: (Routers) throws -> RunningCommand? = { _ in nil }
    ) throws -> (guest: [String], server: String) {
      try require(.tap, .program("python3"), .program("ping"))
      let routers = try Routers()
      let server = try command(routers)
      let daemon =
        try configuration.map { try TestDaemon(configuration: $0, wrapper: routers.wrapper) }
        ?? TestDaemon(wrapper: routers.wrapper)
      defer { daemon.stop(); server?.stop(); routers.remove() }
      if let server { #expect(eventually { server.output.contains("ready") }, "\(server.errors)") }
      let result = try daemon.guest(script, options: options)
      if result.output.isEmpty { Issue.record("\(result)\n\(daemon.log(of: "default"))") }
      return (result.output.split(separator: "\n").map(String.init), server?.output ?? "")
    }

    private func serve(_ routers: Routers) throws -> RunningCommand {
      let words =
        routers.serverWrapper + ["python3", "\(Installation.fixtures)/datagrams.py", "serve"]
      return try RunningCommand(words[0], Array(words.dropFirst()))
    }

    @Test func everyRouterOnTheWayIsSeenByDatagrams() throws {
      let hops = try lines("\(Self.script) trace \(Routers.server)").guest
      #expect(
        hops == ["1 192.168.5.2 11/0", "2 10.1.0.2 11/0", "3 10.2.0.2 11/0", "4 10.3.0.2 3/3"])
    }

    @Test func everyRouterOnTheWayIsSeenByPing() throws {
      let hops = try lines(
        "for ttl in 1 2 3 4; do ping -n -c 1 -W 2 -t $ttl \(Routers.server) | grep -i 'from'; done"
      ).guest
      #expect(hops.count == 4, "\(hops)")
      for (hop, address) in zip(hops, ["192.168.5.2", "10.1.0.2", "10.2.0.2"]) {
        #expect(hop.contains("From \(address)") && hop.contains("Time to live exceeded"), "\(hop)")
      }
      // 64, less the two routers and ourselves.
      #expect(hops.last?.contains("from 10.3.0.2") == true && hops.last?.contains("ttl=61") == true)
    }

    /// The programs people reach for: datagrams to rising ports, echo requests, and both with the
    /// path's MTU.
    @Test(arguments: [
      ("traceroute", "traceroute -n -q 1 -w 2 -m 6"),
      ("traceroute", "traceroute -I -n -q 1 -w 2 -m 6"),
      ("mtr", "mtr -n -r -c 1 -m 6"), ("tracepath", "tracepath -n -m 6"),
    ])
    func everyRouterOnTheWayIsSeenBy(program: String, command: String) throws {
      try require(.program(program))
      let hops = try lines("\(command) \(Routers.server) 2>&1").guest
      let addresses = hops.compactMap { line in
        line.firstMatch(of: #/^ *\d+[:.?]*(?:\|--)? +(\d+\.\d+\.\d+\.\d+) /#).map { String($0.1) }
      }
      #expect(
        addresses.removingRepeats == ["192.168.5.2", "10.1.0.2", "10.2.0.2", "10.3.0.2"],
        "\(hops.joined(separator: "\n"))")
      if program == "tracepath" {
        #expect(hops.contains { $0.contains("pmtu 1280") }, "\(hops)")
      }
    }

    private static let ipv6 =
      "networks: {default: {plugin: slirp, mode: slirp, options: {prefix6: 'fd00:5::/64'}}}"
    private static let way6 = ["fd00:5::2", "fd10:1::2", "fd10:2::2", Routers.server6]

    /// The same over IPv6, in one scene: who is on the way, what is too long for it, and connections.
    @Test func theWayIsSeenAndGoneOverIPv6() throws {
      try require(.program("traceroute"), .program("tracepath"), .program("iperf3"))
      let lines = try lines(
        """
        # The routers' own addresses may not be theirs yet.
        for i in 1 2 3 4 5 6 7 8; do ping -6 -c 1 -W 1 \(Routers.server6) >/dev/null && break; done
        ping -6 -n -c 1 -W 2 -M do -s 1400 \(Routers.server6) 2>&1
        echo ===; traceroute -6 -n -q 1 -w 2 -m 6 \(Routers.server6) 2>&1
        echo ===; traceroute -6 -I -n -q 1 -w 2 -m 6 \(Routers.server6) 2>&1
        echo ===; tracepath -6 -n -m 6 \(Routers.server6) 2>&1
        echo ===; ping -6 -n -c 1 -W 2 -M dont -s 4000 \(Routers.server6) 2>&1
        echo ===; iperf3 -6 -c \(Routers.server6) -t 1 -J | grep -c '"error"'
        echo ===; python3 -c 'import socket; socket.create_connection(("\(Routers.server6)", 9), 5)' 2>&1 | tail -1
        """, configuration: Self.ipv6
      ) { routers in
        let words = routers.serverWrapper + ["sh", "-c", "echo ready; iperf3 -s -1"]
        return try RunningCommand(words[0], Array(words.dropFirst()))
      }.guest
      let parts = lines.split(separator: "===", omittingEmptySubsequences: false).map(Array.init)
      try #require(parts.count == 7, "\(lines)")
      for part in parts[1...3] {
        let addresses = part.compactMap { line in
          line.firstMatch(of: #/^ *\d+[:?]* +(fd[0-9a-f:]+) /#).map { String($0.1) }
        }
        #expect(addresses.removingRepeats == Self.way6, "\(part.joined(separator: "\n"))")
      }
      #expect(parts[3].contains { $0.contains("pmtu 1280") }, "\(parts[3])")
      #expect(
        parts[0].contains { $0.contains("From fd10:2::2") && $0.contains("mtu=1280") },
        "\(parts[0])")
      #expect(
        parts[4].contains { $0.hasPrefix("4008 bytes from \(Routers.server6)") }, "\(parts[4])")
      #expect(parts[5] == ["0"], "\(parts[5])")
      #expect(parts[6].first?.contains("Connection refused") == true, "\(parts[6])")
    }

    @Test func datagramsThatMustNotBeCutLearnThePathsMTU() throws {
      // A link as wide as can be: the first narrow one is the host's own.
      let heard = try lines(
        "\(Self.script) path \(Routers.server)", options: ["--mtu", "65520"], with: serve
      ).guest
      #expect(
        heard == [
          "2000 EMSGSIZE mtu 1500 from 192.168.5.2", "1400 EMSGSIZE mtu 1280 from 10.2.0.2",
          "1252 echo 1252",
        ])
    }

    @Test func pingsThatMustNotBeCutLearnThePathsMTU() throws {
      let heard = try lines(
        """
        ping -n -c 1 -W 2 -M do -s 1400 \(Routers.server) | grep -i 'frag needed'
        ping -n -c 1 -W 2 -M dont -s 4000 \(Routers.server) | grep 'bytes from'
        """
      ).guest
      #expect(heard.count == 2, "\(heard)")
      #expect(heard.first?.contains("From 10.2.0.2") == true, "\(heard)")
      #expect(heard.first?.contains("mtu = 1280") == true, "\(heard)")
      #expect(heard.last?.hasPrefix("4008 bytes from 10.3.0.2") == true, "\(heard)")
    }

    @Test func datagramsLongerThanThePathComeWholeWithTheirTrafficClassAndPort() throws {
      let (guest, server) = try lines("\(Self.script) echo \(Routers.server) 8000 184", with: serve)
      let port = try #require(guest.first?.split(separator: " ").dropFirst().first)
      #expect(guest == ["port \(port) equal tos 184"])
      #expect(server.contains("got 8000 from port \(port) tos 184"), "\(server)")
    }
  }
}

extension Array where Element: Equatable {
  /// Without those that equal the one before them.
  fileprivate var removingRepeats: [Element] {
    reduce(into: []) { if $0.last != $1 { $0.append($1) } }
  }
}
