// SPDX-License-Identifier: Apache-2.0
//
// What happens to the host's interface of a network that runs: each is noticed, said, and recovered from, and guests stay.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(3))) struct HostTapLossTests {
    private func note(_ scene: HostTapScene, _ text: String) throws -> Bool {
      try eventually { try scene.daemon.netd("network", "ls").output.contains(text) }
    }

    private func isQuiet(_ scene: HostTapScene, of text: String) throws -> Bool {
      try eventually { try !scene.daemon.netd("network", "ls").output.contains(text) }
    }

    @Test func `a bridge that vanishes, or loses the TAP, is told, and guests are on it again`()
      throws
    {
      try require(.tap, .root)
      let scene = try HostTapScene()
      defer { scene.stop() }
      let bridge =
        "ip link add name br0 type bridge && ip link set br0 up && ip link set out master br0"
      #expect(try scene.host.shell(bridge).succeeded)
      let guest = try BridgedGuest(scene, "one")
      defer { guest.stop() }
      #expect(try guest.machine.shell("ip addr add 203.0.113.50/24 dev lan0").succeeded)
      func reached() throws -> Bool {
        try eventually {
          try scene.outsideShell("ping -c 1 -W 1 203.0.113.50").succeeded
        }
      }
      #expect(try reached(), "\(scene.daemon.log)")

      #expect(try scene.host.shell("ip link del br0").succeeded)
      #expect(
        eventually { scene.daemon.log.contains("the bridge br0 is gone") },
        "\(scene.daemon.log)")
      #expect(try note(scene, "there is no interface br0"), "\(scene.daemon.log)")
      #expect(try scene.host.shell(bridge).succeeded)
      #expect(try reached(), "\(scene.daemon.log)")
      #expect(try isQuiet(scene, of: "there is no interface"))

      #expect(try scene.host.shell("ip link set ln\(scene.user)-lan nomaster").succeeded)
      #expect(
        eventually { scene.daemon.log.contains("is no port of br0 any more") },
        "\(scene.daemon.log)")
      #expect(try reached(), "\(scene.daemon.log)")
      #expect(guest.isRunning)
    }

    @Test
    func `a TAP that is renamed, emptied, replaced or put down is told, and the network goes on`()
      throws
    {
      try require(.tap, .root)
      let scene = try HostTapScene()
      defer { scene.stop() }
      let guest = try scene.daemon.begin("exec", "shared", "--", "sleep", "120")
      defer { guest.stop() }
      let interface = "ln\(scene.user)-shared"
      func reached() throws -> Bool {
        try eventually {
          try scene.host.shell("ping -c 1 -W 1 192.168.105.2").succeeded
        }
      }
      #expect(try reached(), "\(scene.daemon.log)")
      let socket = scene.daemon.home + "/web.sock"
      let forward = try scene.daemon.netd(
        "forward", "add", "shared", "unix", socket, "192.168.105.2:1")
      #expect(forward.succeeded, "\(forward)")

      func rename(_ from: String, _ to: String) throws -> Bool {
        try scene.host.shell(
          "ip link set \(from) down; ip link set \(from) name \(to); ip link set \(to) up"
        ).succeeded
      }
      #expect(try rename(interface, "other"))
      #expect(try note(scene, "its interface \(interface) is called other now"))
      #expect(try reached())
      #expect(try rename("other", interface))
      #expect(try isQuiet(scene, of: "is called"))
      #expect(try scene.host.shell("ip link set \(interface) down").succeeded)
      #expect(try note(scene, "its interface \(interface) is down"))
      #expect(try scene.host.shell("ip link set \(interface) up").succeeded)
      #expect(try isQuiet(scene, of: "is down"))
      for (words, back, text) in [
        ("arp off", "arp on", "ARP is off on its interface \(interface)"),
        ("mtu 900", "mtu 1500", "its interface \(interface) has MTU 900"),
        ("master own", "nomaster", "its interface \(interface) was made a port of something"),
      ] {
        #expect(try scene.host.shell("ip link set \(interface) \(words)").succeeded)
        #expect(try note(scene, text))
        let command = "ip link set \(interface) \(back)"
        #expect(try scene.daemon.netd("network", "ls").output.contains("sudo " + command))
        #expect(try scene.host.shell(command).succeeded)
        #expect(try isQuiet(scene, of: text))
      }
      func address() throws -> String {
        try scene.host.shell(
          "cat /sys/class/net/\(interface)/address || ip -o link show \(interface)"
        ).output
      }
      let own = try address()
      #expect(try scene.host.shell("ip link set \(interface) address 02:00:00:00:00:99").succeeded)
      #expect(
        eventually {
          scene.daemon.log.contains("the Ethernet address 02:00:00:00:00:99")
        },
        "\(scene.daemon.log)")
      #expect(try eventually { try address() == own })
      #expect(try isQuiet(scene, of: "the Ethernet address"))
      #expect(try reached())

      #expect(try scene.host.shell("ip addr flush dev \(interface)").succeeded)
      #expect(
        eventually {
          scene.daemon.log.contains("has lost its address 192.168.105.1/24")
        },
        "\(scene.daemon.log)")
      #expect(try reached(), "\(scene.daemon.log)")

      // Somebody's TAP of that name, before the daemon can make its own again.
      kill(scene.daemonProcess, SIGSTOP)
      let taken = try scene.host.shell(
        "ip link del \(interface); ip tuntap add dev \(interface) mode tap")
      kill(scene.daemonProcess, SIGCONT)
      #expect(taken.succeeded, "\(taken)")
      #expect(try note(scene, "has no owner"), "\(scene.daemon.log)")
      #expect(guest.process.isRunning)
      // A client of a forward is turned away, where nobody knows how long it would wait.
      let refused = try run("curl", ["-sS", "-m", "10", "--unix-socket", socket, "http://x/"])
      #expect(refused.status == 7, "\(refused)")
      #expect(try scene.host.shell("ip link del \(interface)").succeeded)
      #expect(try reached(), "\(scene.daemon.log)")
      #expect(try isQuiet(scene, of: "has no owner"))
    }
  }
}
