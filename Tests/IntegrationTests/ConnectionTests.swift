// SPDX-License-Identifier: Apache-2.0
//
// How TCP connections of a guest end and stall: half-close, reset and slow readers, by
// either side, in either direction of the connection.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct ConnectionTests {
    private static let peer = Installation.fixtures + "/peer.py"

    /// Each role, what the client gets and what the server sees.
    private static let roles: [(role: String, got: String, saw: String?)] = [
      ("h", "all", "all"), ("H", "all", "all"), ("r", "None", "ConnectionResetError"),
      ("R", "ConnectionResetError", nil),
    ]

    private func listening(_ server: RunningCommand) throws -> Int {
      #expect(eventually { server.output.contains("\n") }, "\(server.errors)")
      return try #require(Int(server.output.prefix { $0.isNumber }))
    }

    @Test func theHostsServersSeeHowAGuestsConnectionsEnd() throws {
      try require(.tap, .program("python3"))
      let daemon = try TestDaemon()
      let server = try RunningCommand("python3", [Self.peer, "listen"])
      defer { daemon.stop(); server.stop() }
      let port = try listening(server)
      let script = Self.roles.map { "python3 \(Self.peer) 192.168.5.2 \(port) \($0.role)" }
      let result = try daemon.guest(script.joined(separator: "; "))
      for role in Self.roles {
        #expect(result.output.contains("got \(role.role) \(role.got)\n"), "\(result)")
        guard let saw = role.saw else { continue }
        #expect(
          eventually { server.output.contains("saw \(role.role) \(saw)\n") }, "\(server.output)")
      }
    }

    @Test func aGuestsServerSeesHowForwardedConnectionsEnd() throws {
      try require(.tap, .program("python3"))
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let server = try daemon.begin("exec", "default", "--", "python3", Self.peer, "listen")
      defer { server.stop() }
      let (inside, outside) = (try listening(server), try freePort())
      let added = try daemon.netd(
        "forward", "add", "default", "tcp", "\(outside)", "192.168.5.15:\(inside)")
      #expect(added.succeeded, "\(added)")
      for role in Self.roles {
        let client = try run("python3", [Self.peer, "127.0.0.1", "\(outside)", role.role])
        #expect(client.output == "got \(role.role) \(role.got)\n", "\(client)")
        guard let saw = role.saw else { continue }
        #expect(
          eventually { server.output.contains("saw \(role.role) \(saw)\n") }, "\(server.output)")
      }
    }

    /// Six connections of 24 MiB each stand still for three seconds.
    @Test(arguments: ["s", "S"])
    func aSlowReaderLosesNothingAndCostsLittleMemory(role: String) throws {
      try require(.tap, .program("python3"))
      let daemon = try TestDaemon()
      let server = try RunningCommand("python3", [Self.peer, "listen"])
      defer { daemon.stop(); server.stop() }
      let port = try listening(server)
      // Warm: pools and code are there.
      _ = try daemon.netd("network", "start", "default")
      #expect(
        try daemon.guest("python3 \(Self.peer) 192.168.5.2 \(port) h").output == "got h all\n")
      let host = Int32(try #require(try daemon.hostProcess(of: "default")))
      let before = residentKiB(of: host)
      let client = try daemon.begin(
        "exec", "default", "--", "python3", Self.peer, "192.168.5.2", "\(port)", role, "6")
      defer { client.stop() }
      var most = before
      let ended = eventually(within: 60) {
        most = max(most, residentKiB(of: host))
        return !client.process.isRunning
      }
      #expect(ended, "\(client.output)\(client.errors)")
      // The server may speak a moment after the client has ended.
      let (speaker, line) = role == "s" ? (server, "saw s all") : (client, "got S all")
      #expect(
        eventually { speaker.output.split(separator: "\n").count { $0 == line } == 6 },
        "\(speaker.output)\(client.errors)")
      #expect(most - before < 48 << 10, "\(before) KiB grew to \(most) KiB")
      print(
        "slow reader \(role): \(before) KiB, at most \(most) KiB, then \(residentKiB(of: host))")
    }
  }
}
