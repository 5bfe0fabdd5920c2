// SPDX-License-Identifier: Apache-2.0
//
// Networks whose uplink is another daemon's socket (`options: {socket: PATH}`): against our own QEMU socket, QEMU
// itself, and a peer that does all it should not.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct PeerNetworkTests {
    private func configuration(_ socket: String, mode: String = "shared") -> String {
      "networks:\n  lan:\n    mode: \(mode)\n    options: {socket: \(socket)}\n"
    }

    private func peerPath() -> String { "/tmp/lnp\(UInt32.random(in: .min ... .max)).sock" }

    private static let script = Installation.root + "/Tests/IntegrationTests/Fixtures/uplink.py"

    private func peer(_ path: String, _ plan: String...) throws -> RunningCommand {
      let peer = try RunningCommand("python3", [Self.script, "peer", path] + plan)
      guard eventually({ peer.output.contains("listening") }) else {
        throw TestFailure("no peer: \(peer.errors)")
      }
      return peer
    }

    private func uplink(_ daemon: TestDaemon) throws -> [String: Any] {
      try daemon.network("lan")["uplink"] as? [String: Any] ?? [:]
    }

    private func boot(_ netdev: String, _ script: String, in folder: String, mac: String? = nil)
      throws -> RunningCommand
    {
      let file = "\(folder)/job\(UInt32.random(in: .min ... .max))"
      try script.write(toFile: file, atomically: true, encoding: .utf8)
      return try RunningCommand(
        Installation.root + "/Tests/Guest/run-guest",
        ["-t", "120"] + (mac.map { ["-d", $0] } ?? []) + [Installation.guest, netdev, file])
    }

    @Test(arguments: ["shared", "host", "bridged"])
    func aPeersFaultsAreSurvivedAndCounted(mode: String) throws {
      try require(.program("python3"))
      let path = peerPath()
      defer { try? FileManager.default.removeItem(atPath: path) }
      let daemon = try TestDaemon(configuration: configuration(path, mode: mode))
      defer { daemon.stop() }
      // Before its peer is there, the network runs and says what it waits for.
      #expect(try daemon.netd("network", "start", "lan").succeeded)
      #expect(try uplink(daemon)["state"] as? String == "connecting")
      let listing = try daemon.netd("network", "ls")
      #expect(
        listing.output.contains("not connected to \(path): there is no such socket"), "\(listing)")

      let peer = try peer(path, "oversize", "torn", "middle", "refuse", "mirror")
      defer { peer.stop() }
      let result = try run(
        "python3", [Self.script, "mirrored", daemon.socket("qemu", of: "lan")], seconds: 60)
      #expect(result.output == "mirrored\n", "\(result)\n\(daemon.log)")
      let end = try uplink(daemon)
      #expect(end["state"] as? String == "connected", "\(end)")
      #expect(end["connections"] as? Int == 5 && end["lost"] as? Int == 4, "\(end)")
      for what in ["oversize", "torn", "middle", "refuse"] {
        #expect(eventually { peer.output.contains("ended \(what)") }, "\(peer.output)")
      }
      #expect(daemon.log.contains("the peer sent a frame length of 4294967295"), "\(daemon.log)")
      #expect(try daemon.network("lan")["restarts"] as? Int == 0)
    }

    @Test func aPeerThatNeverReadsCostsGuestsNothingButTheFramesForIt() throws {
      try require(.program("python3"))
      let path = peerPath()
      defer { try? FileManager.default.removeItem(atPath: path) }
      let peer = try peer(path, "deaf")
      let daemon = try TestDaemon(configuration: configuration(path))
      defer { daemon.stop(); peer.stop() }
      #expect(try daemon.netd("network", "start", "lan").succeeded)
      let result = try run(
        "python3", [Self.script, "pair", daemon.socket("qemu", of: "lan"), "3000"], seconds: 120)
      #expect(result.output == "pair 3000\n", "\(result)")
      let details = try daemon.netd("network", "inspect", "lan", "--json")
      let report =
        try JSONSerialization.jsonObject(with: Data(details.output.utf8)) as? [String: Any] ?? [:]
      let ports = (report["live"] as? [String: Any])?["ports"] as? [[String: Any]] ?? []
      let uplink = ports.first { $0["kind"] as? String == "uplink" } ?? [:]
      #expect((uplink["drops"] as? Int ?? 0) > 1000, "\(details)")
    }

    @Test func aPeerThatFloodsIsHeardAndTheNetworkGoesOn() throws {
      try require(.program("python3"))
      let path = peerPath()
      defer { try? FileManager.default.removeItem(atPath: path) }
      let peer = try peer(path, "flood")
      let daemon = try TestDaemon(configuration: configuration(path))
      defer { daemon.stop(); peer.stop() }
      let result = try run(
        "python3", [Self.script, "mirrored", daemon.socket("qemu", of: "lan")], seconds: 90)
      #expect(result.output == "mirrored\n", "\(result)")
    }

    @Test func aPeerThatComesBackIsFoundAgain() throws {
      try require(.program("python3"))
      let path = peerPath()
      defer { try? FileManager.default.removeItem(atPath: path) }
      let first = try peer(path, "mirror")
      let daemon = try TestDaemon(configuration: configuration(path))
      defer { daemon.stop() }
      #expect(try daemon.netd("network", "start", "lan").succeeded)
      #expect(eventually { (try? uplink(daemon)["state"] as? String) == "connected" })
      first.stop()
      #expect(eventually { (try? uplink(daemon)["state"] as? String) == "connecting" })
      try? FileManager.default.removeItem(atPath: path)
      let second = try peer(path, "mirror")
      defer { second.stop() }
      #expect(eventually { (try? uplink(daemon)["state"] as? String) == "connected" })
      // The network's own process, too.
      let process = try #require(try daemon.hostProcess(of: "lan"))
      kill(Int32(process), SIGKILL)
      let result = try run(
        "python3", [Self.script, "mirrored", daemon.socket("qemu", of: "lan")], seconds: 60)
      #expect(result.output == "mirrored\n", "\(result)")
    }

    @Test func aNetworkIsNotItsOwnPeer() throws {
      let daemon = try TestDaemon(start: false)
      defer { daemon.stop() }
      try daemon.write(configuration: configuration(daemon.socket("qemu", of: "lan")))
      try daemon.start()
      let result = try daemon.netd("network", "start", "lan")
      #expect(
        !result.succeeded && result.errors.contains("is a socket of this very network"), "\(result)"
      )
    }

    @Test func aRingOfNetworksIsRefusedByNameWhereverItBegins() throws {
      let daemon = try TestDaemon(start: false)
      defer { daemon.stop() }
      // By another path to the same socket, too.
      let other = daemon.home + "-way"
      try FileManager.default.createSymbolicLink(atPath: other, withDestinationPath: daemon.home)
      defer { try? FileManager.default.removeItem(atPath: other) }
      let way = daemon.socket("qemu", of: "a").replacing(daemon.home, with: other)
      func text(_ third: String) -> String {
        """
        networks:
          a: {mode: shared, options: {socket: \(daemon.socket("qemu", of: "b"))}}
          b: {mode: host, options: {socket: \(daemon.socket("qemu", of: "c"))}}
          c: {mode: shared, options: {socket: \(third)}}

        """
      }
      try daemon.write(configuration: text(way))
      try daemon.start()
      for (network, ring) in [
        ("a", "a → b → c → a"), ("b", "b → c → a → b"), ("c", "c → a → b → c"),
      ] {
        let result = try daemon.netd("network", "start", network)
        #expect(!result.succeeded && result.errors.contains(ring), "\(result)")
      }
      #expect(try daemon.netd("network", "ls").output.contains("would go round for ever"))
      // Out of the ring, all three are served as they are written.
      try daemon.write(configuration: text(daemon.socket("qemu", of: "user-v2")))
      #expect(
        try eventually { try daemon.netd("network", "start", "c").succeeded })
      for network in ["a", "b"] {
        let result = try daemon.netd("network", "start", network)
        #expect(result.succeeded, "\(result)")
      }
    }

    @Test func aRingThroughAnotherDaemonIsCutAndTold() throws {
      let one = try TestDaemon(start: false)
      let two = try TestDaemon(start: false)
      defer { one.stop(); two.stop() }
      try one.write(configuration: configuration(two.socket("qemu", of: "lan")))
      try two.write(configuration: configuration(one.socket("qemu", of: "lan")))
      for daemon in [one, two] { try daemon.start() }
      for daemon in [one, two] {
        let result = try daemon.netd("network", "start", "lan")
        #expect(result.succeeded, "\(result)")
      }
      let told = eventually {
        (one.log + two.log).contains("the networks behind it are a ring")
      }
      #expect(told, "\(one.log)\n\(two.log)")
    }

    @Test func aVirtualMachineHasItsLeaseOfTheNetworkBehindTheSocket() throws {
      try require(.virtualMachine)
      let daemon = try TestDaemon(start: false)
      defer { daemon.stop() }
      try daemon.write(configuration: configuration(daemon.socket("qemu", of: "user-v2")))
      try daemon.start()
      let machine = try boot(
        "stream,addr.type=unix,addr.path=\(daemon.socket("qemu", of: "lan"))",
        """
        udhcpc -i eth0 -q -n -t 20 -T 1 -f -s /etc/udhcpc.script >/dev/null 2>&1
        cat /run/lease
        ping -c 2 -W 5 192.168.104.2
        nslookup -type=a host.lima.internal | tail -3
        """, in: daemon.home)
      let result = machine.wait(seconds: 150)
      for line in ["ip=192.168.104.", "2 packets received", "192.168.104.2"] {
        #expect(result.output.contains(line), "\(line): \(result)\n\(daemon.log)")
      }
    }

    @Test func aQEMUThatListensIsAPeer() throws {
      try require(.virtualMachine)
      let path = peerPath()
      defer { try? FileManager.default.removeItem(atPath: path) }
      let daemon = try TestDaemon(configuration: configuration(path))
      defer { daemon.stop() }
      #expect(try daemon.netd("network", "start", "lan").succeeded)
      func script(_ own: Int, _ other: Int) -> String {
        """
        ip addr add 10.9.0.\(own)/24 dev eth0; ip link set eth0 up
        for i in $(seq 60); do ping -c 1 -W 1 10.9.0.\(other) >/dev/null 2>&1 && break; done
        ping -c 3 -W 5 10.9.0.\(other)
        sleep 8  # the other may be behind
        """
      }
      let listening = try boot(
        "stream,server=on,addr.type=unix,addr.path=\(path)", script(1, 2), in: daemon.home,
        mac: "52:55:55:00:09:01")
      let connecting = try boot(
        "stream,addr.type=unix,addr.path=\(daemon.socket("qemu", of: "lan"))", script(2, 1),
        in: daemon.home, mac: "52:55:55:00:09:02")
      let second = connecting.wait(seconds: 150)
      let first = listening.wait(seconds: 150)
      #expect(first.output.contains("3 packets received"), "\(first)\n\(daemon.log)")
      #expect(second.output.contains("3 packets received"), "\(second)")
    }
  }
}
