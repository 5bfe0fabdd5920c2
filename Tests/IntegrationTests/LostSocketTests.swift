// SPDX-License-Identifier: Apache-2.0
//
// Files that somebody removes under a running daemon, and a daemon that is not what the command expects.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(2))) struct LostSocketTests {
    @Test func `a daemon whose sockets are removed makes them again, and serves on`() throws {
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let pid = daemon.processIdentifier
      func status() throws -> Int? { try daemon.status()["pid"] as? Int }
      try FileManager.default.removeItem(atPath: daemon.home + "/_networks/lima-netd.sock")
      #expect(try status() == Int(pid))
      for kind in ["qemu", "fd", "ep", "unixgram"] {
        try FileManager.default.removeItem(atPath: daemon.socket(kind))
      }
      for kind in ["qemu", "fd", "ep", "unixgram"] {
        #expect(
          eventually { FileManager.default.fileExists(atPath: daemon.socket(kind)) }, "\(kind)")
      }
      // All of it.
      try FileManager.default.removeItem(atPath: daemon.home + "/_networks")
      let socket = daemon.home + "/_networks/lima-netd.sock"
      #expect(eventually { FileManager.default.fileExists(atPath: socket) })
      #expect(eventually { FileManager.default.fileExists(atPath: daemon.socket("qemu")) })
      #expect(try status() == Int(pid))
      // The lock is there again, too.
      let second = try run(Installation.daemon, ["serve"], environment: daemon.environment)
      #expect(second.errors.contains("(process \(pid))"), "\(second)")
      #expect(try daemon.netd("stop").succeeded)
      #expect(eventually { kill(pid, 0) != 0 || !(daemon.command?.process.isRunning ?? false) })
    }

    /// Answers each request at the daemon's socket with `answer`.
    private func impostor(_ daemon: TestDaemon, _ answer: String) throws -> RunningCommand {
      let folder = daemon.home + "/_networks"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      let script = """
        import socket, sys
        s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(50)
        while True:
            c, _ = s.accept(); c.settimeout(5)
            try:
                c.recv(65536); c.sendall(sys.argv[2].encode()); c.close()
            except OSError: pass
        """
      let path = folder + "/lima-netd.sock"
      let server = try RunningCommand("python3", ["-c", script, path, answer], environment: [:])
      #expect(eventually { FileManager.default.fileExists(atPath: path) })
      return server
    }

    @Test func `a daemon of another version is told with both versions, and what mends it`() throws
    {
      let daemon = try TestDaemon(start: false)
      defer { daemon.stop() }
      let body = #"{"version":"0.0.9","pid":1,"home":"/x","networks":[]}"#
      let server = try impostor(
        daemon,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
      )
      defer { server.stop() }
      for words in [["status"], ["status", "--json"], ["network", "inspect", "default"]] {
        let result = try daemon.netd(words)
        #expect(!result.succeeded && result.errors.contains("is lima-netd 0.0.9"), "\(result)")
        #expect(result.errors.contains("lima-netd restart --lima-home"), "\(result)")
      }
      let capture = try daemon.netd("capture", "default", "-w", daemon.home + "/x.pcap")
      #expect(!capture.succeeded && capture.errors.contains("is lima-netd 0.0.9"), "\(capture)")
      // Its number is no process that could be waited for.
      #expect(try daemon.netd("stop").errors.contains("it says that it is process 1"))
    }

    @Test(arguments: [
      ("", "closed the connection before it answered"),
      ("SSH-2.0-OpenSSH\r\n", "does not speak HTTP"),
    ])
    func `what is no daemon is told without the parser's words`(
      answer: String, text: String
    ) throws {
      let daemon = try TestDaemon(start: false)
      defer { daemon.stop() }
      let server = try impostor(daemon, answer)
      defer { server.stop() }
      let stop = try daemon.netd("stop")
      #expect(!stop.succeeded && stop.errors.contains(text), "\(stop)")
      #expect(stop.errors.contains("\(daemon.home)/_networks/lima-netd.log"), "\(stop)")
      #expect(!stop.errors.contains("errno"), "\(stop)")
      let serve = try run(Installation.daemon, ["serve"], environment: daemon.environment)
      #expect(serve.errors.contains("is served by another program"), "\(serve)")
    }

    @Test func `a name that is empty names nothing, and an odd one is shown as it is`() throws {
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let empty = try daemon.netd("network", "inspect", "")
      #expect(empty.errors.contains("An empty name was given"), "\(empty)")
      let odd = try daemon.netd("network", "inspect", "a\u{1b}[31mü")
      #expect(odd.errors.contains("there is no network `a?[31mü`"), "\(odd)")
    }
  }
}
