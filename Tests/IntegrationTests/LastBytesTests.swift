// SPDX-License-Identifier: Apache-2.0
//
// What a program wrote last arrives, though it ends at once: exec and attach stay for it.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(3))) struct LastBytesTests {
    /// A server that does not read for a while, and then slowly.
    private struct Reader {
      let command: RunningCommand
      let port: Int

      init(pause: Double, between: Double = 0.01) throws {
        let command = try RunningCommand(
          "python3", [Installation.fixtures + "/slowreader.py", "\(pause)", "\(between)"])
        self.command = command
        var port: Int?
        _ = eventually {
          port = command.output.split(separator: "\n").first.flatMap { Int($0) }
          return port != nil
        }
        guard let port else { throw TestFailure("no reader: \(command.errors)") }
        self.port = port
      }

      /// "8000000 end", once it is over.
      var outcome: String? {
        command.output.split(separator: "\n").dropFirst().first.map(String.init)
      }
    }

    private static func send(_ bytes: Int, to port: Int) -> String {
      """
      import socket
      s = socket.create_connection(("192.168.5.2", \(port)))
      s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
      s.sendall(bytes(\(bytes)))
      """
    }

    @Test(arguments: [true, false])
    func aCommandsLastBytesReachASlowReader(privateDaemon: Bool) throws {
      try require(.tap, .program("python3"))
      let daemon = try TestDaemon(start: !privateDaemon)
      let reader = try Reader(pause: 2)
      defer { daemon.stop(); reader.command.stop() }
      let result = try daemon.netd(
        "exec", "default", "--", "python3", "-c", Self.send(8_000_000, to: reader.port),
        seconds: 60)
      #expect(result.status == 0, "\(result)")
      #expect(result.errors.contains("Ctrl-C ends the wait"), "\(result)")
      #expect(eventually { reader.outcome != nil })
      #expect(reader.outcome == "8000000 end", "\(result)")
    }

    @Test func aSignalEndsTheWaitAndTheStatusIsTheCommands() throws {
      try require(.tap, .program("python3"))
      let daemon = try TestDaemon()
      let reader = try Reader(pause: -1)
      defer { daemon.stop(); reader.command.stop() }
      let guest = try daemon.begin(
        "exec", "default", "--", "python3", "-c",
        Self.send(6_000_000, to: reader.port) + "\nimport os; os._exit(7)")
      #expect(eventually { guest.errors.contains("Ctrl-C ends the wait") }, "\(guest.errors)")
      kill(guest.process.processIdentifier, SIGINT)
      let ended = guest.wait(seconds: 5)
      #expect(ended.status == 7, "\(ended)")
    }

    @Test func aProgramLeftInTheBackgroundHoldsNothingUp() throws {
      try require(.tap, .program("python3"))
      let daemon = try TestDaemon()
      let servers = try HostServers()
      defer { daemon.stop(); servers.stop() }
      // One that is idle, and one that never stops writing.
      let endless =
        "import socket; s = socket.create_connection(('192.168.5.2', \(servers.ports.sink)))\n"
        + "while True: s.sendall(bytes(65536))"
      let script = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).py")
      try endless.write(to: script, atomically: true, encoding: .utf8)
      defer { try? FileManager.default.removeItem(at: script) }
      // Foundation's Process takes a program for running while any descriptor of its lives on: Python passes none on.
      let guest =
        "timeout 20 sleep 20 & timeout 20 python3 \(script.path) & sleep 1; exit 3"
      let result = try run(
        "python3",
        [
          "-c",
          """
          import subprocess, sys
          none = subprocess.DEVNULL
          print(subprocess.run(sys.argv[1:], stdin=none, stdout=none, stderr=none).returncode)
          """, Installation.daemon, "exec", "default", "--", "sh", "-c", guest,
        ], environment: daemon.environment, seconds: 15)
      #expect(result.output == "3\n", "\(result)")
    }

    @Test func datagramsOfACommandThatEndsAtOnceArrive() throws {
      try require(.tap, .program("python3"))
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let receiver = try RunningCommand(
        "python3",
        [
          "-u", "-c",
          """
          import socket
          s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
          s.bind(("127.0.0.1", 0))
          print(s.getsockname()[1])
          while True: print("got", s.recv(100).decode())
          """,
        ])
      defer { receiver.stop() }
      #expect(eventually { !receiver.output.isEmpty })
      let port = try #require(receiver.output.split(separator: "\n").first)
      for number in 1...5 {
        // The first word of a guest waits for the gateway's hardware address.
        let result = try daemon.netd(
          "exec", "default", "--", "python3", "-c",
          """
          import os, socket
          s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
          for part in range(3): s.sendto(b"%d-%d" % (\(number), part), ("192.168.5.2", \(port)))
          os._exit(0)
          """)
        #expect(result.status == 0, "\(result)")
      }
      #expect(
        eventually { receiver.output.split(separator: "\n").count == 16 },
        "\(receiver.output)")
    }

    @Test func anAttachedNamespacesLastBytesArriveAfterItsProcessHasEnded() throws {
      try require(.tap, .program("python3"))
      let container = try Namespace()
      let daemon = try TestDaemon()
      let reader = try Reader(pause: 2)
      defer { container.remove(); daemon.stop(); reader.command.stop() }
      let attached = try daemon.begin(
        "attach", "default", "--netns", "\(container.processIdentifier)")
      defer { attached.stop() }
      #expect(eventually { attached.output.contains("192.168.5.15/24") }, "\(attached.errors)")
      let words = container.wrapper + ["python3", "-c", Self.send(6_000_000, to: reader.port)]
      let sent = try run(words[0], Array(words.dropFirst()))
      #expect(sent.succeeded, "\(sent)")
      container.remove()
      let ended = attached.wait(seconds: 60)
      #expect(ended.status == 0, "\(ended)")
      #expect(eventually { reader.outcome != nil })
      #expect(reader.outcome == "6000000 end", "\(ended)")
    }
  }
}
