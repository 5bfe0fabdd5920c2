// SPDX-License-Identifier: Apache-2.0
//
// Modes shared and host on a host whose firewall lets nothing in or through, which forwards, and which has a second
// interface with a machine behind it:
//
//   guests ── 192.168.105.1, 192.168.106.1 the host ── 10.77.0.1 ── 10.77.0.2, the machine
//                                                   ── 203.0.113.1 ── 203.0.113.2, outside

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(5))) struct HostTapFirewallTests {
    @Test
    func `behind a shut firewall shared works and nothing leaks, whatever bridges are told`()
      throws
    {
      try require(
        .tap, .program("curl"), .program("python3"), .program("nft"), .program("iptables"))
      let scene = try HostTapScene()
      let machine = try Namespace()
      defer { scene.stop(); machine.remove() }
      let wired = try scene.host.shell(
        """
        set -e
        ip link add lan type veth peer name eth0 netns \(machine.processIdentifier)
        ip addr add 10.77.0.1/24 dev lan; ip link set lan up
        sysctl -q -w net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0
        """)
      try #require(wired.succeeded, "\(wired)")
      try #require(
        machine.shell(
          """
          set -e
          ip addr add 10.77.0.2/24 dev eth0; ip link set eth0 up
          ip route add 192.168.104.0/22 via 10.77.0.1
          """
        ).succeeded)
      try scene.web(scene.outsideWrapper, "outside")
      try scene.web(scene.host.wrapper, "host")
      try scene.web(machine.wrapper, "machine")
      let shared = try scene.server("web", on: "shared")
      let lonely = try scene.server("lonely", on: "host")
      // What comes in by the interfaces for an address that is not theirs.
      let probe = try scene.host.shell(
        """
        set -e
        nft add table inet probe
        nft add chain inet probe pre '{ type filter hook prerouting priority -300; }'
        for n in 105 106; do nft add rule inet probe pre iifname '"ln*"' ip saddr 192.168.$n.0/24 \
          ip daddr != '{' 192.168.$n.1, 192.168.$n.255, 224.0.0.0/24 '}' counter; done
        """)
      try #require(probe.succeeded, "\(probe)")

      for bridges in [1, 0] {
        let shut = try scene.host.shell(
          """
          set -e
          f=/proc/sys/net/bridge/bridge-nf-call-iptables
          [ ! -e $f ] || echo \(bridges) >$f
          iptables -F; iptables -P FORWARD DROP; iptables -P INPUT DROP
          iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
          iptables -A INPUT -i lo -j ACCEPT
          """)
        try #require(shut.succeeded, "\(shut)")
        let fromHost = try scene.host.shell(
          """
          for guest in \(shared) \(lonely); do
            ping -c 1 -W 5 $guest; curl -sS -m 10 http://$guest:8000/; done
          """)
        #expect(fromHost.succeeded, "\(fromHost)")
        #expect(
          fromHost.output.contains("guest web") && fromHost.output.contains("guest lonely"),
          "\(fromHost)")
        let guest = try scene.daemon.guest(
          """
          ip -4 -o addr show dev eth0
          getent ahostsv4 host.lima.internal
          curl -sS -m 10 http://203.0.113.2:8000/; curl -sS -m 10 http://10.77.0.2:8000/
          curl -sS -m 10 http://\(shared):8000/
          curl -sS -m 1 http://192.168.105.1:8000/ || echo "the host is shut"
          """, on: "shared", options: ["--name", "other\(bridges)"])
        for text in [
          "192.168.105.1", "outside", "machine", "guest web",
          "the host is shut",
        ] {
          #expect(guest.output.contains(text), "\(text), \(bridges): \(guest)")
        }
        let confined = try scene.daemon.guest(
          """
          curl -sS -m 10 http://\(lonely):8000/
          for there in 203.0.113.2 203.0.113.1 10.99.0.1 10.77.0.1 10.77.0.2 192.168.105.1 \(shared); do
            ping -c 1 -W 5 $there
          done
          """, on: "host", options: ["--name", "confined\(bridges)"])
        #expect(confined.output.contains("guest lonely"), "\(confined)")
        #expect(
          confined.output.components(separatedBy: "Packet filtered").count == 8, "\(confined)")
        try expectUnreachable([shared, lonely], from: machine, "\(bridges)")
      }
      // Nor when the firewall is open: it is the filter that keeps both sides apart.
      _ = try scene.host.shell("iptables -P FORWARD ACCEPT; iptables -P INPUT ACCEPT; iptables -F")
      try expectUnreachable([shared, lonely], from: machine, "open")
      // A guest whose routes are its own: no frame of it enters the host for another address.
      for network in ["shared", "host"] {
        let bent = try scene.daemon.guest(
          """
          ping -c 1 -W 1 \(network == "shared" ? "192.168.105.1" : "192.168.106.1")
          for there in 10.99.0.1 10.77.0.1 203.0.113.1; do
            ip route replace $there dev eth0
            ip neigh replace $there lladdr \(try mac(of: network, scene)) dev eth0
            ping -c 1 -W 0.2 $there
          done; echo tried
          """, on: network, options: ["--name", "bent"])
        #expect(bent.output.contains("tried"), "\(bent)")
      }
      let counted = try scene.host.shell("nft list chain inet probe pre")
      #expect(counted.output.components(separatedBy: "packets 0 ").count == 3, "\(counted)")
    }

    private func mac(of network: String, _ scene: HostTapScene) throws -> String {
      let link = try scene.host.shell("ip -o link show ln\(scene.user)-\(network)").output
      return try String(#require(link.firstMatch(of: /link\/ether (\S+)/)?.1))
    }

    private func expectUnreachable(
      _ guests: [String], from machine: Namespace, _ comment: String
    ) throws {
      for guest in guests {
        let intruder = try machine.shell(
          "ping -c 1 -W 0.5 \(guest) || curl -sS -m 0.5 http://\(guest):8000/")
        #expect(!intruder.succeeded, "\(comment): \(intruder)")
      }
    }
  }
}
