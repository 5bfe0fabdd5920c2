// SPDX-License-Identifier: Apache-2.0
//
// Modes shared and host on real kernels: who reaches whom, and who does not.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(5))) struct HostTapTests {
    @Test func `host, a shared guest and the outside reach each other as they should`() throws {
      try require(.tap, .program("curl"), .program("python3"))
      let scene = try HostTapScene()
      defer { scene.stop() }
      try scene.web(scene.host.wrapper, "host")
      let far = try scene.web(scene.outsideWrapper, "outside")
      let address = try scene.server("web", on: "shared")
      #expect(address == "192.168.105.2")

      let fromHost = try scene.host.shell(
        "ping -c 2 -W 5 \(address); curl -sS -m 10 http://\(address):8000/")
      #expect(
        fromHost.output.contains("guest web"), "\(fromHost)\n\(scene.daemon.log(of: "shared"))")
      #expect(fromHost.output.contains("0% packet loss"), "\(fromHost)")

      let guest = try scene.daemon.guest(
        """
        ip -4 -o addr show dev eth0
        ping -c 1 -W 5 192.168.105.1
        curl -sS -m 10 http://192.168.105.1:8000/
        curl -sS -m 10 http://host.lima.internal:8000/
        curl -sS -m 10 http://203.0.113.2:8000/
        curl -sS -m 10 http://\(address):8000/
        """, on: "shared", options: ["--name", "other"])
      #expect(guest.succeeded, "\(guest)\n\(scene.daemon.log(of: "shared"))")
      #expect(guest.output.contains("192.168.105.3/24"), "\(guest)")
      #expect(guest.output.components(separatedBy: "host").count >= 3, "\(guest)")
      #expect(guest.output.contains("outside") && guest.output.contains("guest web"), "\(guest)")
      // The kernel has forwarded nothing: the outside saw the host's own address.
      #expect(
        far.errors.contains("203.0.113.1") && !far.errors.contains("192.168.105"), "\(far.errors)")
    }

    @Test func `a forward leads into a shared guest beside the host's own connections`() throws {
      try require(.tap, .program("curl"), .program("python3"))
      let scene = try HostTapScene()
      defer { scene.stop() }
      let address = try scene.server("web", on: "shared")
      let added = try scene.daemon.netd(
        "forward", "add", "shared", "tcp", "203.0.113.1:8080", "\(address):8000")
      #expect(added.succeeded, "\(added)")
      let outside = try scene.outsideShell("curl -sS -m 10 http://203.0.113.1:8080/")
      #expect(outside.output.contains("guest web"), "\(outside)")
      let both = try scene.host.shell(
        """
        for i in 1 2 3 4 5; do
          curl -sS -m 10 http://203.0.113.1:8080/; curl -sS -m 10 http://\(address):8000/
        done
        """)
      #expect(both.output.components(separatedBy: "guest web").count == 11, "\(both)")
    }

    @Test
    func
      `guests of a host network reach the gateway and each other, and are told at once of the rest`()
      throws
    {
      try require(.tap, .program("curl"), .program("python3"))
      let scene = try HostTapScene()
      defer { scene.stop() }
      try scene.web(scene.host.wrapper, "host")
      try scene.web(scene.outsideWrapper, "outside")
      let address = try scene.server("web", on: "host")
      #expect(address == "192.168.106.2")
      let page = try scene.host.shell("curl -sS -m 10 http://\(address):8000/")
      #expect(page.output.contains("guest web"), "\(page)")
      let guest = try scene.daemon.guest(
        """
        curl -sS -m 10 http://192.168.106.1:8000/
        curl -sS -m 10 http://\(address):8000/
        getent hosts host.lima.internal
        for there in 203.0.113.2 203.0.113.1 10.99.0.1; do
          curl -sS -m 20 http://$there:8000/; echo "status $?"
          ping -c 1 -W 5 $there
        done
        """, on: "host", options: ["--name", "other"])
      #expect(guest.output.contains("host"), "\(guest)")
      #expect(guest.output.contains("guest web"), "\(guest)")
      #expect(guest.output.contains("192.168.106.1"), "\(guest)")
      // 7: no connection; 28 would be a time-out.
      #expect(guest.output.components(separatedBy: "status 7").count == 4, "\(guest)")
      #expect(guest.output.components(separatedBy: "Packet filtered").count == 4, "\(guest)")
      #expect(!guest.output.contains("outside"), "\(guest)")

      // Nor do guests of other networks reach this one's, by the host; unless a rule says so.
      let foreign = "curl -sS -m 10 http://\(address):8000/; echo \"status $?\""
      for network in ["default", "user-v2", "shared"] {
        let other = try scene.daemon.guest(foreign, on: network)
        #expect(other.output.contains("status 7"), "\(network): \(other)")
      }
      let denied = try scene.daemon.netd("egress")
      #expect(denied.output.contains("closed network"), "\(denied)")
      try scene.daemon.write(
        configuration: HostTapScene.configuration + """
            open:
              mode: user-v2
              gateway: 192.168.111.1
              egress: {rules: [{allow: 192.168.106.0/24}]}

          """)
      let reload = try scene.daemon.netd("reload")
      #expect(reload.succeeded, "\(reload)")
      let allowed = try scene.daemon.guest(foreign, on: "open")
      #expect(allowed.output.contains("guest web"), "\(allowed)")

      // Its DNS has the names of the network, and asks nobody for others.
      let names = try scene.daemon.netd("dns", "query", "web.internal", "--network", "host")
      #expect(names.output.contains(address), "\(names)")
      let world = try scene.daemon.netd("dns", "query", "example.com", "--network", "host")
      #expect(world.output.contains("REFUSED"), "\(world)")
      #expect(world.output.contains("only for names of its own"), "\(world)")
    }

    @Test func `what a rogue guest sends never reaches the host`() throws {
      try require(.tap, .program("python3"))
      let scene = try HostTapScene()
      defer { scene.stop() }
      #expect(try scene.daemon.netd("network", "start", "shared").succeeded)
      let interface = "ln\(scene.user)-shared"
      let sniffer = try scene.begin(
        scene.host.wrapper, ["python3", Installation.fixtures + "/sniff.py", interface])
      #expect(eventually { sniffer.output.contains("listening") }, "\(sniffer.errors)")
      let mac = try scene.host.shell(
        "ip -o link show \(interface)"
      )
      .output.firstMatch(of: /link\/ether (\S+)/)?.1
      let guest = try scene.daemon.guest(
        """
        python3 \(Installation.fixtures)/rogue.py eth0 \(try #require(mac))
        """, on: "shared")
      #expect(guest.output.contains("sent"), "\(guest)")
      #expect(eventually { sniffer.output.contains("fine") }, "\(sniffer.output)\(sniffer.errors)")
      #expect(!sniffer.output.contains("rogue"), "\(sniffer.output)")
      // Who claimed the gateway's address has not got it.
      let second = try scene.daemon.guest("ping -c 1 -W 5 192.168.105.1", on: "shared")
      #expect(second.succeeded, "\(second)")
      let counters = try scene.daemon.network("shared")["switch"] as? [String: Int]
      #expect(scene.daemon.log(of: "shared").contains("claims 192.168.105.1"), "\(counters ?? [:])")
    }

    @Test func `a guest that takes the gateway's address reaches nobody by it`() throws {
      try require(.tap, .program("python3"))
      let scene = try HostTapScene()
      defer { scene.stop() }
      let address = try scene.server("web", on: "shared")
      let thief = try scene.daemon.guest(
        """
        ip addr flush dev eth0; ip addr add 192.168.105.1/24 dev eth0
        ping -c 2 -W 1 \(address); echo "status $?"
        \(Installation.daemon) guest inspect shared thief --lima-home \(scene.daemon.home)
        """, on: "shared", options: ["--name", "thief"])
      #expect(thief.output.contains("status 1"), "\(thief)")
      // Whose frames were dropped, and why, is told of that guest.
      #expect(thief.output.contains("from the guest, ARP that claims an address"), "\(thief)")
      let host = try scene.host.shell("ping -c 2 -W 5 \(address)")
      #expect(host.succeeded, "\(host)")
    }

    @Test func `the host learns by a guest's ARP where that guest is, and where nobody else is`()
      throws
    {
      try require(.tap, .program("python3"))
      let scene = try HostTapScene()
      defer { scene.stop() }
      let interface = "ln\(scene.user)-shared"
      let victim = try scene.server("web", on: "shared")
      func neighbour(_ address: String) throws -> String {
        try scene.host.shell("ip neigh show \(address) dev \(interface)").output
      }
      #expect(try scene.host.shell("ip neigh flush dev \(interface)").succeeded)
      let guest = try scene.daemon.begin(
        "exec", "shared", "--name", "two", "--", "sh", "-c",
        """
        own=$(ip -4 -o addr show eth0 | sed 's/.*inet \\([0-9.]*\\).*/\\1/')
        python3 \(Installation.fixtures)/arp.py eth0 \(victim) 192.168.105.1
        python3 \(Installation.fixtures)/arp.py eth0 $own 192.168.105.1
        echo "own $own"; sleep 60
        """)
      defer { guest.stop() }
      #expect(
        eventually { guest.output.contains("own 192.168.105.") }, "\(guest.errors)")
      let lines = guest.output.split(separator: "\n").map(String.init)
      let (mac, own) = (lines[0], String(try #require(lines.last).dropFirst(4)))
      #expect(try eventually { try neighbour(own).contains(mac) }, "\(lines)")
      #expect(try !neighbour(victim).contains(mac))
      #expect(try scene.host.shell("ping -c 1 -W 5 \(victim)").succeeded)
      #expect(try !neighbour(victim).contains(mac))
    }

    @Test func `with forwarding on and the firewall shut, shared works and nothing leaks`() throws {
      try require(.tap, .program("curl"), .program("python3"), .program("nft"))
      let scene = try HostTapScene()
      defer { scene.stop() }
      let shut = try scene.host.shell(
        """
        set -e
        sysctl -q -w net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0
        nft add table inet test
        nft add chain inet test forward '{ type filter hook forward priority 0; policy drop; }'
        nft add rule inet test forward counter
        nft add chain inet test input '{ type filter hook input priority 0; policy drop; }'
        nft add rule inet test input ct state established,related accept
        nft add rule inet test input iif lo accept
        """)
      try #require(shut.succeeded, "\(shut)")
      let far = try scene.web(scene.outsideWrapper, "outside")
      try scene.web(scene.host.wrapper, "host")
      let address = try scene.server("web", on: "shared")
      let page = try scene.host.shell("curl -sS -m 10 http://\(address):8000/")
      #expect(page.output.contains("guest web"), "\(page)")
      let guest = try scene.daemon.guest(
        """
        curl -sS -m 10 http://203.0.113.2:8000/
        curl -sS -m 2 http://192.168.105.1:8000/ || echo "the host is shut"
        """, on: "shared", options: ["--name", "other"])
      #expect(guest.output.contains("outside"), "\(guest)\n\(scene.daemon.log(of: "shared"))")
      #expect(guest.output.contains("the host is shut"), "\(guest)")
      #expect(!far.errors.contains("192.168.105"), "\(far.errors)")
      // From outside into the network: the host forwards it, and the filter takes it for nobody's.
      let intruder = try scene.outsideShell(
        "ip route add 192.168.105.0/24 via 203.0.113.1; ping -c 2 -W 1 \(address)")
      #expect(!intruder.succeeded, "\(intruder)")
      _ = try scene.host.shell("nft flush table inet test; nft delete table inet test")
      let again = try scene.outsideShell("ping -c 2 -W 1 \(address)")
      #expect(!again.succeeded, "\(again)")
    }
  }
}
