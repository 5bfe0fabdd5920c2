// SPDX-License-Identifier: Apache-2.0
//
// IPv6 between the host and guests of modes shared and host, by the interface that only these have.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(4))) struct HostTapIPv6Tests {
    private static let configuration = """
      networks:
        shared:
          mode: shared
          options: {prefix6: 'fd00:105::/64'}
        host:
          mode: host
          options: {prefix6: 'fd00:106::/64'}
        own:
          mode: shared
          gateway: 192.168.110.1
        older:
          mode: shared
          gateway: 192.168.111.1
          options: {ipv6: false}

      """

    /// A scene whose host has IPv6, and a way to the world over it.
    private func scene() throws -> HostTapScene {
      let scene = try HostTapScene(configuration: Self.configuration)
      let made = try scene.host.shell(
        """
        set -e
        ip addr add fd99::1/64 dev out nodad
        ip addr add fd77::1/64 dev own nodad
        """)
      let far = try scene.outsideShell("ip addr add fd99::2/64 dev eth0 nodad")
      #expect(made.succeeded && far.succeeded, "\(made)\(far)")
      return scene
    }

    @Test func `host, shared guests and the outside reach each other over IPv6`() throws {
      try require(.tap, .program("curl"), .program("python3"), .program("ping"))
      let scene = try scene()
      defer { scene.stop() }
      let before = try scene.host.shell("ip -6 route show default; ip -6 addr show dev out").output
      try scene.web(scene.host.wrapper, "host", bind: "::")
      let far = try scene.web(scene.outsideWrapper, "outside", bind: "::")
      let web = try scene.server("web", on: "shared", ipv6: true)
      #expect(web.hasPrefix("fd00:105::"), "\(web)")
      let fromHost = try scene.host.shell(
        "ping -6 -n -c 2 -W 5 \(web); curl -sSg -m 10 'http://[\(web)]:8000/'; ip -6 route get \(web)"
      )
      #expect(
        fromHost.output.contains("guest web") && fromHost.output.contains(" 0% packet loss")
          && fromHost.output.contains("src fd00:105::1"),
        "\(fromHost)\n\(scene.daemon.log(of: "shared"))")

      let guest = try scene.daemon.guest(
        """
        ping -6 -n -c 1 -W 5 fd00:105::1
        for there in fd00:105::1 \(web); do curl -sSg -m 10 "http://[$there]:8000/"; echo; done
        curl -sS -6 -m 10 http://host.lima.internal:8000/; echo
        curl -sSg -m 10 'http://[fd77::1]:8000/' || echo "refused fd77"
        getent ahostsv6 web.internal | head -1
        """, on: "shared", options: ["--name", "other"])
      #expect(guest.output.contains("1 received"), "\(guest)")
      #expect(guest.output.components(separatedBy: "host\n").count == 3, "\(guest)")
      #expect(guest.output.contains("guest web"), "\(guest)")
      #expect(guest.output.contains("\(web) "), "\(guest)")
      // No way to the world: none for guests either, who hear it at once.
      #expect(guest.output.contains("refused fd77"), "\(guest)")

      try scene.host.shell("ip -6 route add default via fd99::2")
      let online = try scene.daemon.guest(
        """
        for i in $(seq 50); do ip -6 route show default | grep -q fe80 && break; sleep 0.1; done
        curl -sSg -m 10 'http://[fd99::2]:8000/'
        """, on: "shared", options: ["--name", "third"])
      #expect(online.output.contains("outside"), "\(online)\n\(scene.daemon.log(of: "shared"))")
      // The kernel has forwarded nothing, and took no advertisement for its own.
      #expect(
        far.errors.contains("fd99::1") && !far.errors.contains("fd00:105"), "\(far.errors)")
      let forwarding = try scene.host.shell(
        "cat /proc/sys/net/ipv6/conf/all/forwarding; cat /proc/sys/net/ipv6/conf/ln*-shared/accept_ra; ip -6 addr show dev out"
      ).output
      #expect(forwarding.hasPrefix("0\n0\n"), "\(forwarding)")
      #expect(forwarding.contains("fd99::1") && before.contains("fd99::1"))

      // A forward of the host's into a guest's IPv6 address, beside the host's own connections.
      let added = try scene.daemon.netd(
        "forward", "add", "shared", "tcp", "[fd99::1]:8080", "[\(web)]:8000")
      #expect(added.succeeded, "\(added)")
      #expect(
        try scene.outsideShell("curl -sSg -m 10 'http://[fd99::1]:8080/'").output
          .contains("guest web"))

      // On a host network all else is prohibited, for those, too, who have a route there.
      let closed = try scene.daemon.guest(
        """
        ping -6 -n -c 1 -W 5 fd00:106::1
        curl -sSg -m 10 'http://[fd00:106::1]:8000/'; echo
        ip -6 route show default; echo "no route"
        ip -6 route add fd99::/64 via fd00:106::1 dev eth0
        ping -6 -n -c 1 -W 5 fd99::2
        """, on: "host", options: ["--name", "closed"])
      #expect(
        closed.output.contains("1 received") && closed.output.contains("host\n"), "\(closed)")
      #expect(
        closed.output.contains("Administratively prohibited")
          || closed.output.contains("prohibited"), "\(closed)")
    }

    @Test func `what a rogue guest says of IPv6 never reaches the host`() throws {
      try require(.tap, .program("python3"))
      let scene = try scene()
      defer { scene.stop() }
      #expect(try scene.daemon.netd("network", "start", "shared").succeeded)
      let interface = "ln\(scene.user)-shared"
      let sniffer = try scene.begin(
        scene.host.wrapper, ["python3", Installation.fixtures + "/sniff.py", interface])
      #expect(eventually { sniffer.output.contains("listening") }, "\(sniffer.errors)")
      let mac = try scene.host.shell("ip -o link show \(interface)").output
        .firstMatch(of: /link\/ether (\S+)/)?.1
      // Not while duplicate address detection goes on.
      #expect(
        try eventually {
          try !scene.host.shell("ip -6 addr").output.contains("tentative")
        })
      let before = try scene.host.shell("ip -6 addr; ip -6 route").output
      let guest = try scene.daemon.guest(
        """
        own=$(ip -6 -o addr show dev eth0 scope global | sed -n 's/.*inet6 \\([^/]*\\).*/\\1/p' | head -1)
        python3 \(Installation.fixtures)/rogue6.py eth0 \(try #require(mac)) fd00:105::1 $own fd77::1
        """, on: "shared")
      #expect(guest.output.contains("sent"), "\(guest)")
      #expect(eventually { sniffer.output.contains("fine") }, "\(sniffer.output)\(sniffer.errors)")
      #expect(!sniffer.output.contains("rogue"), "\(sniffer.output)")
      #expect(try scene.host.shell("ip -6 addr; ip -6 route").output == before)
      let second = try scene.daemon.guest("ping -6 -n -c 1 -W 5 fd00:105::1", on: "shared")
      #expect(second.output.contains("1 received"), "\(second)")
    }

    @Test
    func `a network has an IPv6 network of its own without being told, and none where it is off`()
      throws
    {
      try require(.tap, .program("ping"))
      let scene = try scene()
      defer { scene.stop() }
      let guest = try scene.daemon.guest(
        "ip -6 -o addr show dev eth0 scope global; ping -6 -n -c 1 -W 5 host.lima.internal",
        on: "own")
      #expect(guest.output.contains("1 received"), "\(guest)\(scene.daemon.log(of: "own"))")
      let interface = try scene.host.shell(
        "ip -6 -o addr show dev ln\(scene.user)-own scope global"
      ).output
      let network = try #require(interface.firstMatch(of: /inet6 (fd[0-9a-f:]+)::1\/64/)?.1)
      #expect(guest.output.contains("inet6 \(network):"), "\(guest)")
      let older = try scene.daemon.guest(
        "ip -6 -o addr show dev eth0 scope global; ping -n -c 1 -W 5 192.168.111.1", on: "older")
      #expect(older.output.contains("1 received") && !older.output.contains("inet6"), "\(older)")
      #expect(
        try scene.host.shell("ip -6 -o addr show dev ln\(scene.user)-older").output.isEmpty)
    }

    @Test func `a virtual machine and the host reach each other over IPv6`() throws {
      try require(.tap, .virtualMachine, .program("curl"), .program("python3"))
      let scene = try scene()
      defer { scene.stop() }
      try scene.web(scene.host.wrapper, "host", bind: "::")
      let file = scene.daemon.home + "/job"
      let own = "fd00:105::5055:55ff:fe12:3456"
      try """
      ip link set eth0 up
      for i in $(seq 100); do ip -6 addr show dev eth0 | grep -q '\(own)' && break; sleep 0.2; done
      ip -6 addr show dev eth0
      ping -6 -c 3 -W 5 fd00:105::1
      timeout 20 wget -q -O - 'http://[fd00:105::1]:8000/'
      mkdir /www
      echo "virtual machine" >/www/index.html
      httpd -p '[::]:80' -h /www
      timeout 60 nc -l -p 81 </dev/null >/dev/null
      """.write(toFile: file, atomically: true, encoding: .utf8)
      let words = [
        Installation.root + "/Tests/Guest/run-guest", "-t", "90", Installation.guest,
        "stream,addr.type=unix,addr.path=\(scene.daemon.socket("qemu", of: "shared"))", file,
      ]
      let guest = try scene.begin(scene.host.wrapper, words)
      #expect(
        try eventually(within: 90) {
          try scene.daemon.netd("leases").output.contains(own)
        }, "\(guest.output)\(scene.daemon.log(of: "shared"))")
      let asked = try scene.host.shell(
        """
        for i in $(seq 120); do curl -sSg -m 5 'http://[\(own)]/' 2>/dev/null && break; sleep 0.5; done
        ping -6 -n -c 2 -i 0.2 -W 5 \(own)
        curl -sSg -m 2 'http://[\(own)]:81/' 2>/dev/null
        """, seconds: 100)
      #expect(asked.output.contains("virtual machine"), "\(asked)")
      #expect(asked.output.contains(" 0% packet loss"), "\(asked)")
      let result = guest.wait(seconds: 60)
      #expect(
        result.output.contains("packets received")
          && !result.output.contains(" 0 packets received"),
        "\(result)")
      #expect(result.output.contains("host"), "\(result)")
    }
  }
}
