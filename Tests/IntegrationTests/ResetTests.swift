// SPDX-License-Identifier: Apache-2.0
//
// What is sent just before a reset, and what a network that dies leaves behind: real kernels on
// both sides, against what they do over a direct connection.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct ResetTests {
    private static let script = Installation.fixtures + "/lastbytes.py"
    private static let rounds = 10

    private func listening(_ server: RunningCommand) throws -> Int {
      #expect(eventually { server.output.contains("\n") }, "\(server.errors)")
      return try #require(Int(server.output.prefix { $0.isNumber }))
    }

    private func count(_ text: String, _ line: String) -> Int {
      text.split(separator: "\n").count { $0 == line }
    }

    /// - Parameter run: runs the client with a case, so many times.
    private func check(
      _ server: RunningCommand, _ run: (_ words: String) throws -> CommandResult
    ) throws {
      let upload = try run("u \(Self.rounds)")
      let answered =
        count(upload.output, "got u True ConnectionResetError")
        + count(upload.output, "got u True end")
      #expect(answered == Self.rounds, "\(upload)")
      let lingering = try run("l \(Self.rounds)")
      #expect(
        count(lingering.output, "got l 10000 ConnectionResetError") == Self.rounds, "\(lingering)")
      let sent = try run("c \(Self.rounds)")
      #expect(count(sent.output, "got c sent") == Self.rounds, "\(sent)")
      #expect(
        eventually { count(server.output, "saw c 1000 ConnectionResetError") == Self.rounds },
        "\(server.output)")
      let urgent = try run("o 3")
      #expect(count(urgent.output, "got o ab!cd") == 3, "\(urgent)")
    }

    @Test(.timeLimit(.minutes(3)))
    func whatTheHostAndAGuestSendBeforeAResetArrives() throws {
      try require(.tap, .program("python3"))
      let daemon = try TestDaemon()
      let server = try RunningCommand("python3", [Self.script, "listen"])
      defer { daemon.stop(); server.stop() }
      let port = try listening(server)
      try check(server) { try daemon.guest("python3 \(Self.script) 192.168.5.2 \(port) \($0)") }
    }

    @Test(.timeLimit(.minutes(3)))
    func whatAClientAndAGuestSendBeforeAResetArrivesThroughAForward() throws {
      try require(.tap, .program("python3"))
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let server = try daemon.begin("exec", "default", "--", "python3", Self.script, "listen")
      defer { server.stop() }
      let (inside, outside) = (try listening(server), try freePort())
      let added = try daemon.netd(
        "forward", "add", "default", "tcp", "\(outside)", "192.168.5.15:\(inside)")
      #expect(added.succeeded, "\(added)")
      try check(server) {
        try run(
          "python3",
          [Self.script, "127.0.0.1", "\(outside)"] + $0.split(separator: " ").map(String.init),
          seconds: 60)
      }
    }

    /// A transfer that ends half-way must not look like a whole one.
    @Test(.timeLimit(.minutes(3)))
    func aNetworkThatIsKilledResetsTheHostsSideOfItsConnections() throws {
      try require(.tap, .program("python3"))
      let daemon = try TestDaemon()
      let server = try RunningCommand("python3", [Self.script, "listen"])
      defer { daemon.stop(); server.stop() }
      let port = try listening(server)
      let inside = try daemon.begin("exec", "default", "--", "python3", Self.script, "listen")
      defer { inside.stop() }
      let (guestPort, outside) = (try listening(inside), try freePort())
      let added = try daemon.netd(
        "forward", "add", "default", "tcp", "\(outside)", "192.168.5.15:\(guestPort)")
      #expect(added.succeeded, "\(added)")
      // One that is idle and one that is busy from a guest, and a client of a forward.
      let idle = try daemon.begin(
        "exec", "default", "--", "python3", Self.script, "192.168.5.2", "\(port)", "d")
      let busy = try daemon.begin(
        "exec", "default", "--", "python3", Self.script, "192.168.5.2", "\(port)", "t")
      let client = try RunningCommand("python3", [Self.script, "127.0.0.1", "\(outside)", "d"])
      defer { idle.stop(); busy.stop(); client.stop() }
      for command in [idle, busy, client] {
        #expect(eventually { command.output.contains("open\n") }, "\(command.errors)")
      }
      let victim = Int32(try #require(try daemon.hostProcess(of: "default")))
      kill(victim, SIGKILL)
      #expect(
        eventually { server.output.contains("saw d 0 ConnectionResetError\n") }, "\(server.output)")
      #expect(
        eventually {
          server.output.contains("saw t ConnectionResetError\n")
            || server.output.contains("saw t BrokenPipeError\n")
        }, "\(server.output)")
      #expect(
        eventually { client.output.contains("got d 4000 ConnectionResetError\n") },
        "\(client.output)")
    }
  }
}
