// SPDX-License-Identifier: Apache-2.0
//
// What `exec` offers besides a command: a shell, published ports, DNS servers; and what it refuses.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct ExecOptionTests {
    @Test func `without a command it is the user's shell`() throws {
      try require(.tap)
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let shell = try RunningCommand(
        "sh",
        [
          "-c",
          "echo 'echo in $0; ip -4 -o addr show dev eth0' | '\(Installation.daemon)' exec default",
        ],
        environment: daemon.environment.merging(["SHELL": "/bin/sh"]) { $1 })
      let result = shell.wait(seconds: 20)
      #expect(
        result.output.contains("in /bin/sh") && result.output.contains("192.168.5.15/24"),
        "\(result)")
    }

    @Test func `a published port leads to the guest as long as it is there`() throws {
      try require(.tap, .program("curl"), .program("python3"))
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let port = try freePort()
      let folder = daemon.home + "/www"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try "from the guest".write(toFile: folder + "/index.html", atomically: true, encoding: .utf8)
      let guest = try daemon.begin(
        "exec", "default", "--name", "web", "-p", "\(port):8000", "--", "python3", "-m",
        "http.server",
        "8000", "-d", folder)
      defer { guest.stop() }
      func ask() throws -> CommandResult {
        try run("curl", ["-sS", "-m", "5", "http://127.0.0.1:\(port)/"])
      }
      #expect(try eventually { try ask().output.contains("from the guest") }, "\(guest.errors)")
      // A second guest wants the port: its command does not run.
      let second = try daemon.guest("echo ran", options: ["-p", "\(port):80"])
      #expect(second.status == 125 && second.output.isEmpty, "\(second)")
      #expect(
        second.errors.contains("127.0.0.1:\(port)") && second.errors.contains("web"), "\(second)")
      // Nor one of the same name.
      let twin = try daemon.guest("true", options: ["--name", "web"])
      #expect(twin.status == 125 && twin.errors.contains("has a guest web already"), "\(twin)")
      // DNS makes no difference between the two, and guests are found by address and number, too.
      for name in ["WEB", "192.168.5.15", "2"] {
        let other = try daemon.guest("true", options: ["--name", name])
        #expect(other.status == 125 && other.errors.contains("another --name"), "\(other)")
      }
      // What the network sent before its interface was up is no loss.
      let told = try daemon.netd("guest", "inspect", "default", "web", "--json")
      #expect(told.output.contains(#""drops": 0"#), "\(told)")
      guest.stop()
      #expect(try eventually { try daemon.netd("forward", "ls").output.contains("No forwards") })
      #expect(try !ask().succeeded)
      // A port of the system's choice is told.
      let chosen = try daemon.guest("true", options: ["-p", "0:80"])
      #expect(chosen.succeeded && chosen.errors.contains("tcp 127.0.0.1:"), "\(chosen)")
      #expect(!chosen.errors.contains("127.0.0.1:0 "), "\(chosen)")
    }

    @Test func `its DNS is the user's where one is given`() throws {
      try require(.tap)
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let result = try daemon.guest(
        "cat /etc/resolv.conf", options: ["--dns", "192.0.2.53", "--dns", "2001:db8::53"])
      #expect(result.output.contains("nameserver 192.0.2.53\nnameserver 2001:db8::53"), "\(result)")
      #expect(!result.output.contains("192.168.5.3"), "\(result)")
      let wrong = try daemon.guest("true", options: ["--dns", "dns.example"])
      #expect(wrong.status == 64 && wrong.errors.contains("give an IP address"), "\(wrong)")
    }

    @Test func `on a switch no guest has another's Ethernet address`() throws {
      try require(.tap)
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let mac = "52:55:55:00:00:0a"
      let first = try daemon.begin(
        "exec", "user-v2", "--name", "a", "--mac", mac, "--", "sh", "-c", "echo up; exec sleep 60")
      defer { first.stop() }
      #expect(eventually { first.output.contains("up") }, "\(first.errors)")
      let second = try daemon.guest("echo ran", on: "user-v2", options: ["--mac", mac])
      #expect(second.status == 125 && second.output.isEmpty, "\(second)")
      #expect(second.errors.contains("has the Ethernet address of a, \(mac)"), "\(second)")
      let gateway = try daemon.guest(
        "echo ran", on: "user-v2", options: ["--mac", "5a:94:ef:e4:0c:dd"])
      #expect(
        gateway.status == 125 && gateway.output.isEmpty
          && gateway.errors.contains("is the gateway's"),
        "\(gateway)")
    }
  }
}
