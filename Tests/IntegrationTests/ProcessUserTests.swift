// SPDX-License-Identifier: Apache-2.0
//
// `user:`: a network's process of root's daemon runs as another user, and serves its guests as before.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(2))) struct ProcessUserTests {
    /// A line of /proc/PID/status.
    private func line(_ key: String, of process: Int) throws -> String {
      try run("sh", ["-c", "grep ^\(key): /proc/\(process)/status"]).output
        .split(whereSeparator: \.isWhitespace).dropFirst().joined(separator: " ")
    }

    @Test func aNetworkOfAnotherUserServesItsGuestsAndKeepsItsLeases() throws {
      try require(.root, .nobody, .tap, .program("python3"))
      let daemon = try TestDaemon(
        configuration: """
          user: nobody
          networks:
            lab: {mode: user-v2, gateway: 192.168.121.1}
            whole: {mode: slirp, user: root}
          """)
      let servers = try HostServers()
      defer { daemon.stop(); servers.stop() }
      let guest = try daemon.begin(
        "exec", "lab", "--name", "echo", "--", "python3", "-c", echoServers)
      defer { guest.stop() }
      #expect(
        eventually { guest.output.contains("up") }, "\(guest.errors) \(daemon.log(of: "lab"))")

      let process = try #require(try daemon.hostProcess(of: "lab"))
      let account = try run("id", ["-u", "nobody"]).output.trimmingCharacters(in: .newlines)
      let group = try run("id", ["-g", "nobody"]).output.trimmingCharacters(in: .newlines)
      #expect(
        try line("Uid", of: process) == Array(repeating: account, count: 4).joined(separator: " "))
      #expect(
        try line("Gid", of: process) == Array(repeating: group, count: 4).joined(separator: " "))
      #expect(try line("Groups", of: process).isEmpty)
      // CAP_NET_BIND_SERVICE, and nothing that a program could have.
      #expect(try line("CapEff", of: process) == "0000000000000400")
      #expect(try line("CapBnd", of: process) == "0000000000000400")
      let inspected = try daemon.netd("network", "inspect", "lab")
      #expect(inspected.output.contains("nobody"), "\(inspected)")

      // A forward of a port that is root's, and one by a unix socket.
      try run("sh", ["-c", "echo 1024 >/proc/sys/net/ipv4/ip_unprivileged_port_start"])
      let socket = daemon.home + "/echo.sock"
      let address = try guestAddress("echo", daemon)
      for host in ["tcp 127.0.0.1:807", "unix \(socket)"] {
        let words = host.split(separator: " ").map(String.init)
        let added = try daemon.netd(["forward", "add", "lab"] + words + ["\(address):7000"])
        #expect(added.succeeded, "\(added)")
      }
      let sent = """
        import socket, sys
        for a in ("127.0.0.1", 807), "\(socket)":
            s = socket.socket(socket.AF_UNIX if isinstance(a, str) else socket.AF_INET); s.settimeout(10)
            s.connect(a); s.sendall(b"hello"); assert s.recv(5) == b"hello"
        """
      let echoed = try run("python3", ["-c", sent], seconds: 30)
      #expect(echoed.succeeded, "\(echoed)")
      #expect(try run("stat", ["-c", "%u", socket]).output == "0\n")

      // Names, the host by TCP, and pings of what is not the gateway.
      let other = try daemon.guest(
        """
        getent hosts echo.internal; ping -c 1 -W 5 192.168.121.2 >/dev/null && echo pinged
        ping -c 1 -W 5 echo.internal >/dev/null && echo neighbour
        python3 -c 'import urllib.request as u; print(u.urlopen("http://192.168.121.2:\(servers.ports.http)/").read())'
        """, on: "lab")
      for word in ["echo.internal", "pinged", "neighbour", "Hello from the host."] {
        #expect(other.output.contains(word), "\(word): \(other)")
      }

      // The state is the user's, in a folder that nobody else's is in; Lima's file is where Lima looks.
      let folder = daemon.home + "/_networks/lab"
      let kept = try run("stat", ["-c", "%u %a", "\(folder)/state"]).output
      #expect(kept == "\(account) 700\n")
      #expect(
        eventually {
          FileManager.default.fileExists(atPath: "\(folder)/state/userv2-leases.json")
            && (try? String(contentsOfFile: "\(folder)/leases.json", encoding: .utf8))?
              .contains("192.168.121.") == true
        })
      #expect(try run("stat", ["-c", "%u", folder]).output == "0\n")

      // The next process has them, and the guest.
      kill(Int32(process), SIGKILL)
      #expect(
        try eventually {
          let next = try daemon.hostProcess(of: "lab")
          guard let next, next != process else { return false }
          return try run("python3", ["-c", sent], seconds: 30).succeeded
        }, "\(daemon.log)")
      #expect(try daemon.netd("leases").output.contains(address))

      #expect(try daemon.netd("network", "start", "whole").succeeded)
      let whole = try #require(try daemon.hostProcess(of: "whole"))
      #expect(try line("Uid", of: whole) == "0 0 0 0")
    }

    @Test func aUserThatIsNotThereIsAnErrorWithItsPlace() throws {
      let daemon = try TestDaemon(
        configuration: "networks:\n  lab:\n    mode: slirp\n    user: nosuchuser\n", start: false)
      defer { daemon.stop() }
      let checked = try daemon.netd("config", "check")
      #expect(checked.status != 0, "\(checked)")
      #expect(
        (checked.output + checked.errors).contains("networks.yaml:4:11: networks.lab.user: "),
        "\(checked)")
    }
  }
}
