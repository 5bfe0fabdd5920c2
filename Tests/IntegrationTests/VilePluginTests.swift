// SPDX-License-Identifier: Apache-2.0
//
// What a plugin must not do (Fixtures/plugins/vile.c), and what becomes of it: each network of one daemon does one such thing.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct VilePluginTests {
    private static let acts = [
      "escape", "garbage", "huge", "crash", "slow", "ports",
    ]

    /// Sends one frame by the network's QEMU socket, and stays for so many seconds.
    private func guest(_ daemon: TestDaemon, _ network: String, seconds: Int) throws
      -> RunningCommand
    {
      try RunningCommand(
        "python3",
        [
          "-c",
          "import socket, sys, time; s = socket.socket(1); s.connect(sys.argv[1]); s.sendall(bytes([0, 0, 0, 60]) + bytes([255] * 6 + [82, 85, 85, 0, 0, 1, 8, 6]) + bytes(46)); time.sleep(\(seconds))",
          daemon.socket("qemu", of: network),
        ])
    }

    /// Of a column or a line: nothing that a terminal takes for an order.
    private func isPrintable(_ text: String) -> Bool {
      text.unicodeScalars.allSatisfy {
        $0 == "\n" || $0.value >= 0x20 && !(0x7f..<0xa0).contains($0.value)
      }
    }

    @Test func `what a plugin does wrong is told, bounded, printable, and of that network alone`()
      throws
    {
      try require(.tap, .program("python3"))
      let plugins = try TestPlugins.build(["vile"])
      defer { plugins.remove() }
      let networks = Self.acts.map { "  \($0):\n    mode: vile\n    options: {act: \($0)}\n" }
      let daemon = try TestDaemon(
        configuration: "networks:\n" + networks.joined(),
        arguments: ["--plugin-dir", plugins.folder])
      defer { daemon.stop() }
      let slow = try daemon.begin("network", "start", "slow")
      defer { slow.stop() }
      // A start that takes its time is seen to.
      #expect(
        try eventually { try daemon.network("slow")["state"] as? String == "starting" },
        "\(daemon.log)")
      let listed = try daemon.netd("network", "ls")
      #expect(listed.output.contains("starting") && isPrintable(listed.output), "\(listed)")

      // A failure of 8 KiB is one line of 512 bytes.
      let escape = try daemon.netd("network", "start", "escape")
      #expect(!escape.succeeded && escape.errors.contains("xxx"), "\(escape)")
      #expect(isPrintable(escape.errors) && escape.errors.utf8.count < 1500, "\(escape)")

      // A status that is none is told in its place.
      for (act, words) in [("garbage", "no JSON object"), ("huge", "more than 64 KiB")] {
        #expect(try daemon.netd("network", "start", act).succeeded)
        let inspected = try daemon.netd("network", "inspect", act, "--json")
        #expect(inspected.succeeded && inspected.output.contains(words), "\(inspected)")
        #expect(inspected.output.contains("turns"), "\(inspected)")
        #expect(isPrintable(daemon.log(of: act)), "\(daemon.log(of: act))")
      }

      // Who is not let in hears why; the next one does not hear the first one's reason.
      for (seconds, reason) in [
        (1, "the first guest is not let in"), (2, "port_up failed with LIMIT"),
      ] {
        let guest = try guest(daemon, "ports", seconds: 60 + seconds)
        defer { guest.stop() }
        #expect(eventually { daemon.log.contains("left: \(reason)") }, "\(daemon.log)")
      }

      // A `create` that crashes each time is told with its reason.
      let crash = try guest(daemon, "crash", seconds: 60)
      defer { crash.stop() }
      #expect(
        try eventually {
          let network = try daemon.network("crash")
          return network["state"] as? String != "stopped" && (network["restarts"] as? Int ?? 0) > 1
        }, "\(daemon.log)")
      #expect(daemon.log.contains("SIGABRT"), "\(daemon.log)")
      let inspected = try daemon.netd("network", "inspect", "crash")
      #expect(inspected.output.contains("create"), "\(inspected)")
    }
  }
}
