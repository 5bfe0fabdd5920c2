// SPDX-License-Identifier: Apache-2.0
//
// A real Linux in QEMU, by -netdev stream: DHCP, ping, names, and 1 GiB each way.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct VirtualMachineTests {
    private func boot(
      _ daemon: TestDaemon, _ script: String, seconds: Int, meanwhile: () throws -> Void = {}
    ) throws -> CommandResult {
      let file = daemon.home + "/job"
      try script.write(toFile: file, atomically: true, encoding: .utf8)
      let machine = try RunningCommand(
        Installation.root + "/Tests/Guest/run-guest",
        [
          "-t", "\(seconds)", Installation.guest,
          "stream,addr.type=unix,addr.path=\(daemon.socket("qemu"))", file,
        ])
      defer { machine.stop() }
      try meanwhile()
      return machine.wait(seconds: Double(seconds) + 30)
    }

    private static let lease =
      "udhcpc -i eth0 -q -n -t 10 -T 1 -f -s /etc/udhcpc.script -O mtu -O search >/dev/null 2>&1; "

    @Test func aVirtualMachineHasANetwork() throws {
      try require(.virtualMachine, .program("python3"))
      let daemon = try TestDaemon()
      let servers = try HostServers()
      defer { daemon.stop(); servers.stop() }
      let result = try boot(
        daemon,
        Self.lease + """
          cat /run/lease
          ping -c 2 -W 5 192.168.5.2
          nslookup -type=a host.lima.internal | tail -3
          wget -q -O - http://host.lima.internal:\(servers.ports.http)/
          timeout 20 wget -q -O - http://192.168.5.2:1/
          sleep 2
          true
          """, seconds: 120
      ) {
        // Its lease tells it.
        let isKnown = try eventually(within: 90) {
          try daemon.netd("network", "inspect", "default").output.contains("52:55:55:12:34:56")
        }
        #expect(isKnown)
      }
      #expect(result.succeeded, "\(result)")
      for line in [
        "ip=192.168.5.15", "router=192.168.5.2", "dns=192.168.5.3", "serverid=192.168.5.2",
        "2 packets received", "Hello from the host.", "Connection refused",
      ] {
        #expect(result.output.contains(line), "\(line): \(result)")
      }
    }

    @Test func aVirtualMachineMovesAGiBEachWay() throws {
      try require(.virtualMachine, .program("python3"))
      let daemon = try TestDaemon()
      let servers = try HostServers()
      defer { daemon.stop(); servers.stop() }
      let size = 1 << 30
      let expected = try run(
        "curl", ["-sS", "http://127.0.0.1:\(servers.ports.http)/sha256/\(size)"], seconds: 60)
      // What comes down goes up again at once; the sink on the host hashes it.
      let result = try boot(
        daemon,
        Self.lease
          + "tcp relay 192.168.5.2 \(servers.ports.http) bytes/\(size) \(servers.ports.sink)",
        seconds: 600)
      let words = result.output.split(whereSeparator: \.isWhitespace)
      #expect(words.last == "\(size)", "\(result)")
      #expect(words.first == expected.output.split(separator: "\n").first, "\(result)")
    }

    @Test func fiveHundredConnectionsOfAVirtualMachineAllCarryTheirBytes() throws {
      try require(.virtualMachine, .program("python3"))
      let daemon = try TestDaemon()
      let servers = try HostServers()
      defer { daemon.stop(); servers.stop() }
      let result = try boot(
        daemon, Self.lease + "tcp hold 192.168.5.2 \(servers.ports.echo) 500", seconds: 180)
      #expect(result.output == "500\n", "\(result)")
    }
  }
}
