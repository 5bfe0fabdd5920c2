// SPDX-License-Identifier: Apache-2.0
//
// Mode bridged: guests on a LAN that is another namespace, whose dnsmasq gives them their addresses:
//
//   guests ── daemon ── lnUID-lan ── br0 ── lan0 ── 198.51.100.1, dnsmasq

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(6))) struct BridgedTests {
    /// A bridge on the host with the other namespace on it, which is the LAN's router.
    private func scene() throws -> HostTapScene {
      let scene = try HostTapScene()
      let made = try scene.host.shell(
        """
        set -e
        ip link add br0 type bridge
        ip link set br0 mtu 1400 up
        ip link add lan0 type veth peer name lan netns \(scene.outside)
        ip link set lan0 mtu 1400 master br0 up
        """)
      try #require(made.succeeded, "\(made)")
      let far = try scene.outsideShell(
        "ip link set lan mtu 1400 up; ip addr add 198.51.100.1/24 dev lan")
      try #require(far.succeeded, "\(far)")
      try scene.begin(
        scene.outsideWrapper,
        [
          "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=lan",
          "--dhcp-range=198.51.100.10,198.51.100.20,1h", "--dhcp-authoritative",
          "--user=root", "--group=root",
          "--dhcp-leasefile=\(scene.daemon.home)/leases",
          "--pid-file=\(scene.daemon.home)/dnsmasq.pid",
        ])
      try scene.web(scene.outsideWrapper, "lan")
      return scene
    }

    @Test func `a guest has its lease of the LAN, and is reached from another machine on it`()
      throws
    {
      try require(
        .tap, .program("dnsmasq"), .program("busybox"), .program("curl"), .program("python3"))
      let scene = try scene()
      defer { scene.stop() }
      let words = scene.host.wrapper + ["unshare", "-n", "sh", "-c", "echo $$; exec sleep 600"]
      let guest = try scene.begin([], words)
      #expect(eventually { !guest.output.isEmpty })
      let pid = guest.output.trimmingCharacters(in: .whitespacesAndNewlines)
      let attached = try scene.daemon.begin(
        "attach", "lan", "--netns", pid, "--tap", "eth0", "--no-config", "--mac",
        "52:55:55:0b:00:01")
      defer { attached.stop() }
      #expect(
        eventually(within: 30) { attached.output.contains("gives no addresses itself") },
        "\(attached.output)\(attached.errors)\(scene.daemon.log)")
      let inside = scene.host.wrapper + ["nsenter", "-t", pid, "-n"]
      func enter(_ script: String) throws -> CommandResult {
        let all = inside + ["sh", "-c", script]
        return try run(all[0], Array(all.dropFirst()), seconds: 60)
      }
      let lease = try enter(
        """
        ip link set lo up; ip link set eth0 mtu 1400
        busybox udhcpc -i eth0 -q -n -t 10 -T 1 -f -s \(Installation.fixtures)/udhcpc.script
        ip -4 -o addr show dev eth0
        curl -sS -m 10 http://198.51.100.1:8000/
        """)
      #expect(lease.output.contains("198.51.100.1"), "\(lease)")
      #expect(lease.output.contains("lan"), "\(lease)\n\(scene.daemon.log(of: "lan"))")
      let address = lease.output.firstMatch(of: /inet (198\.51\.100\.\d+)\//)?.1 ?? "none"
      let reached = try scene.outsideShell("ping -c 2 -W 5 \(address)")
      #expect(reached.succeeded, "\(reached)\n\(lease)")
      // The host has lent the LAN its bridge, and nothing of its own.
      let addresses = try scene.host.shell("ip -o addr show dev ln0-lan")
      #expect(!addresses.output.contains("inet"), "\(addresses)")
      #expect(try scene.host.shell("ip -o link show dev ln0-lan").output.contains("mtu 1400"))
      let lone = try scene.daemon.netd("exec", "lan", "--", "true")
      #expect(!lone.succeeded && lone.errors.contains("--no-config"), "\(lone)")
    }

    @Test func `a virtual machine on the LAN is reached by another machine on it`() throws {
      try require(.tap, .virtualMachine, .program("dnsmasq"), .program("curl"), .program("python3"))
      let scene = try scene()
      defer { scene.stop() }
      let file = scene.daemon.home + "/job"
      try """
      udhcpc -i eth0 -q -n -t 20 -T 1 -f -s /etc/udhcpc.script >/dev/null 2>&1
      . /run/lease
      echo "leased $ip"
      wget -q -O - http://198.51.100.1:8000/
      sleep 20
      """.write(toFile: file, atomically: true, encoding: .utf8)
      let machine = try scene.begin(
        scene.host.wrapper,
        [
          Installation.root + "/Tests/Guest/run-guest", "-t", "200", Installation.guest,
          "stream,addr.type=unix,addr.path=\(scene.daemon.socket("qemu", of: "lan"))", file,
        ])
      #expect(
        eventually(within: 150) { machine.output.contains("lan") },
        "\(machine.output)\(machine.errors)\(scene.daemon.log)")
      let address = machine.output.firstMatch(of: /leased (\S+)/)?.1 ?? "none"
      let reached = try scene.outsideShell("ping -c 2 -W 5 \(address)")
      #expect(reached.succeeded, "\(reached)\n\(machine.output)")
    }
  }
}
