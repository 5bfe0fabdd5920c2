// SPDX-License-Identifier: Apache-2.0
//
// Programs that users have, on IPv6: tools of discovery, systemd-networkd, dig, traceroute, ssh, iperf3; names and forwards of
// either family; and NAT64 for guests that have IPv6 alone.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(4))) struct IPv6ClientTests {
    private static let configuration = """
      dns:
        hosts:
          four.test: 192.0.2.2
      networks:
        default:
          mode: slirp
          options:
            prefix6: fd00:5::/64
        lab:
          mode: user-v2
          gateway: 192.168.104.1
          options:
            prefix6: fd00:6::/64
        six:
          mode: user-v2
          gateway: 192.168.105.1
          options:
            prefix6: fd00:7::/64
            nat64: true
            prefix64: fd64::/96
        shut:
          mode: slirp
          gateway: 192.168.8.2
          options:
            prefix6: fd00:8::/64
            nat64: true
            prefix64: fd64::/96
          egress:
            rules:
            - {deny: 192.0.2.0/24}

      """

    private func machine() throws -> Namespace {
      let machine = try Namespace(addresses: ["2001:db8:5::1/64", "192.0.2.2/24"])
      #expect(try eventually { try !machine.shell("ip -6 addr").output.contains("tentative") })
      return machine
    }

    /// A server of a file on the machine, on IPv4 and IPv6.
    private func web(_ machine: Namespace, _ daemon: TestDaemon, bind: String) throws
      -> RunningCommand
    {
      let files = daemon.home + "/www"
      try FileManager.default.createDirectory(atPath: files, withIntermediateDirectories: true)
      try "the host's page".write(
        toFile: files + "/index.html", atomically: true, encoding: .utf8)
      let words =
        machine.wrapper + [
          "python3", "-u", "-m", "http.server", "--bind", bind, "--directory", files, "8086",
        ]
      let web = try RunningCommand(words[0], Array(words.dropFirst()))
      #expect(eventually { web.output.contains("Serving") }, "\(web.errors)")
      return web
    }

    /// A machine of its own on `lab`, which configures itself.
    private func attached(_ daemon: TestDaemon, _ container: Namespace) throws -> RunningCommand {
      let attached = try daemon.begin(
        "attach", "lab", "--netns", "/proc/\(container.processIdentifier)/ns/net", "--tap", "net0",
        "--no-config", "--name", "box")
      #expect(
        eventually { attached.output.contains("net0 is on network lab") },
        "\(attached.output)\(attached.errors)")
      return attached
    }

    @Test func toolsOfDiscoveryAndNetworkdUnderstandTheRouter() throws {
      try require(
        .tap, .root, .program("rdisc6"), .program("ndisc6"), .program("dig"),
        .program("/lib/systemd/systemd-networkd"))
      let machine = try machine()
      try machine.shell("ip -6 route add default via fe80::1 dev wire")
      let daemon = try TestDaemon(configuration: Self.configuration, wrapper: machine.wrapper)
      let container = try Namespace()
      defer { daemon.stop(); container.remove(); machine.remove() }
      let attached = try attached(daemon, container)
      defer { attached.stop() }
      #expect(
        try eventually(within: 20) {
          let state = try container.shell("ip -6 addr show dev net0").output
          return state.contains("fd00:6::") && !state.contains("tentative")
        })
      let router = try container.shell("rdisc6 -1 -w 3000 net0; ndisc6 -w 3000 fd00:6::2 net0")
      for line in [
        "Stateful address conf.    :           No", "Stateful other conf.      :          Yes",
        "Router lifetime           :         1800", "Prefix                   : fd00:6::/64",
        "On-link                 :          Yes", "Autonomous address conf.:          Yes",
        "MTU                      :", "Recursive DNS server     : fd00:6::2",
        "Target link-layer address:",
      ] {
        #expect(router.output.contains(line), "\(line): \(router)")
      }
      let asked = try container.shell(
        "dig -6 +short +time=5 @fd00:6::2 AAAA host.lima.internal; dig -6 +short +tcp +time=5 @fd00:6::2 AAAA host.lima.internal; ping -6 -n -c 1 -W 5 fd00:6::2"
      )
      #expect(
        asked.output.components(separatedBy: "fd00:6::2\n").count >= 3
          && asked.output.contains("1 received"), "\(asked)")
      // The kernel's own SLAAC goes, and systemd-networkd does it and DHCPv6, and IPv4 beside them.
      let client = try container.shell(
        """
        echo 0 >/proc/sys/net/ipv6/conf/net0/accept_ra; ip link set net0 down; ip addr flush dev net0
        exec unshare -m sh -c '
          mount -t sysfs -o ro sysfs /sys && mount -t tmpfs run /run && mkdir -p /run/systemd/network /run/systemd/netif/links \
            /run/systemd/netif/leases /run/systemd/netif/lldp
          printf "[Match]\\nName=net0\\n[Network]\\nDHCP=yes\\nIPv6AcceptRA=yes\\n[DHCPv6]\\nWithoutRA=solicit\\n" \
            >/run/systemd/network/10-lan.network
          chmod -R a+rX /run/systemd; chown -R systemd-network /run/systemd/netif 2>/dev/null
          timeout 20 /lib/systemd/systemd-networkd & pid=$!
          i=0; until ip -4 -o addr show dev net0 | grep -q inet && ip -6 addr show dev net0 | grep -q fd00:6: && ip -6 route show default | grep -q "proto ra"; do
            i=$((i + 1)); [ $i -gt 150 ] && break; sleep 0.1
          done
          ip addr show dev net0; ip -6 route show default
          kill $pid
        '
        """, seconds: 40)
      if client.errors.contains("Failed to allocate manager") {
        try Test.cancel("systemd-networkd does not run without systemd here: \(client.errors)")
      }
      #expect(client.output.contains("inet 192.168.104."), "\(client)")
      #expect(client.output.contains("inet6 fd00:6::"), "\(client)")
      #expect(client.output.contains("default") && client.output.contains("proto ra"), "\(client)")
    }

    @Test func sshReachesTheHostAndForwardsLeadToEitherFamily() throws {
      try require(
        .tap, .root, .program("dropbear"), .program("dbclient"), .program("curl"),
        .program("python3"))
      let machine = try machine()
      try machine.shell("ip -6 route add default via fe80::1 dev wire")
      let daemon = try TestDaemon(configuration: Self.configuration, wrapper: machine.wrapper)
      let keys = daemon.home + "/keys"
      // Its user's home is a folder of the test's.
      let served = try machine.shell(
        """
        set -e
        mkdir -p \(keys)/.ssh; chmod 700 \(keys) \(keys)/.ssh; cd \(keys)
        dropbearkey -t ed25519 -f host >/dev/null 2>&1; dropbearkey -t ed25519 -f own >/dev/null 2>&1
        dropbearkey -y -f own | grep ^ssh >.ssh/authorized_keys; chmod 600 .ssh/authorized_keys
        """)
      #expect(served.succeeded, "\(served)")
      let words =
        machine.wrapper + [
          "unshare", "-m", "sh", "-c",
          "mount --bind \(keys) /root && exec dropbear -F -E -s -r /root/host -p '[::]:2222' -P /root/pid",
        ]
      let ssh = try RunningCommand(words[0], Array(words.dropFirst()))
      defer { daemon.stop(); ssh.stop(); machine.remove() }
      #expect(
        try eventually { try machine.shell("ss -ltn6").output.contains(":2222") }, "\(ssh.errors)")
      let login = try daemon.guest(
        "for there in fd00:5::2 2001:db8:5::1; do HOME=\(keys) dbclient -y -y -i \(keys)/own -p 2222 root@$there 'echo in by $SSH_CONNECTION' </dev/null; done"
      )
      #expect(
        login.output.contains("in by ::1") && login.output.contains("in by 2001:db8:5::1"),
        "\(login)")

      // A guest whose server is on IPv6 alone, and one on IPv4 alone.
      let folder = daemon.home + "/page"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try "the guest's page".write(
        toFile: folder + "/index.html", atomically: true, encoding: .utf8)
      func guest(_ name: String, _ bind: String) throws -> RunningCommand {
        try daemon.begin(
          "exec", "lab", "--name", name, "--", "python3", "-u", "-c",
          """
          import http.server, socket, functools
          class Six(http.server.HTTPServer):
            address_family = socket.AF_INET6 if ":" in "\(bind)" else socket.AF_INET
            def server_bind(self):
              if self.address_family == socket.AF_INET6: self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
              super().server_bind()
          print("Serving", flush=True)
          Six(("\(bind)", 8000), functools.partial(http.server.SimpleHTTPRequestHandler, directory="\(folder)")).serve_forever()
          """)
      }
      let six = try guest("six", "::")
      let four = try guest("four", "0.0.0.0")
      defer { six.stop(); four.stop() }
      #expect(eventually { six.output.contains("Serving") && four.output.contains("Serving") })
      func address(_ name: String, _ isSix: Bool) throws -> String {
        let list =
          try JSONSerialization.jsonObject(
            with: Data(try daemon.netd("leases", "--json").output.utf8)) as? [[String: Any]] ?? []
        let found = list.compactMap { lease -> String? in
          guard lease["name"] as? String == name, let text = lease["address"] as? String else {
            return nil
          }
          return text.contains(":") == isSix ? text : nil
        }
        return try #require(found.first, "\(list)")
      }
      let sixth = "[\(try address("six", true))]:8000"
      let fourth = "\(try address("four", false)):8000"
      let unix = daemon.home + "/forward.sock"
      let forwards = [
        ("tcp", "[::1]:9001", sixth), ("tcp", "127.0.0.1:9001", sixth),
        ("tcp", "[::]:9002", fourth),
        ("tcp", "0.0.0.0:9002", sixth), ("tcp", "[::ffff:127.0.0.1]:9003", fourth),
        ("tcp", "127.0.0.1:9004", "[::ffff:\(fourth.dropLast(5))]:8000"), ("unix", unix, sixth),
        ("tcp", "*:9006", fourth), ("udp", "*:9006", "\(fourth.dropLast(5)):9"),
      ]
      for (proto, host, guest) in forwards {
        let added = try daemon.netd("forward", "add", "lab", proto, host, guest)
        #expect(added.succeeded, "\(host) \(guest): \(added)")
      }
      let pages = try machine.shell(
        """
        for there in '[::1]:9001' 127.0.0.1:9001 '[::1]:9002' '[2001:db8:5::1]:9002' 127.0.0.1:9002 127.0.0.1:9003 127.0.0.1:9004 127.0.0.1:9006 '[::1]:9006'; do
          curl -sSg -m 10 "http://$there/"; echo " at $there"
        done
        curl -sS -m 10 --unix-socket \(unix) http://guest/; echo " at unix"
        """)
      #expect(pages.output.components(separatedBy: "the guest's page").count == 11, "\(pages)")
      // Mapped addresses are listed as the IPv4 addresses that they are.
      let listed = try daemon.netd("forward", "ls").output
      #expect(
        listed.contains("*:9006") && listed.contains("127.0.0.1:9003") && listed.contains(fourth)
          && !listed.contains("ffff"),
        "\(listed)")
      for (host, guest, words) in [
        ("127.0.0.1:9005", "[fe80::1]:80", "is a link-local address"),
        ("[fe80::1]:9005", sixth, "is a link-local address"),
        ("[::1]:9001", fourth, "already, to"), ("*:09006", fourth, "already, to"),
        ("127.0.0.1:9006", fourth, "is in use"),
        ("127.0.0.1:9005", "[2001:db8::1]:80", "is not the address of a guest"),
      ] {
        let refused = try daemon.netd("forward", "add", "lab", "tcp", host, guest)
        #expect(!refused.succeeded && "\(refused)".contains(words), "\(host) \(guest): \(refused)")
      }
      // A guest that left is told of as away, by either address.
      six.stop()
      #expect(
        try eventually(within: 15) {
          try daemon.netd("forward", "ls").output.contains("is not there")
        }, "\((try? daemon.netd("forward", "ls").output) ?? "")")
    }

    @Test func aGuestWithIPv6AloneReachesIPv4ByNAT64() throws {
      try require(.tap, .program("python3"), .program("curl"), .program("ping"), .program("dig"))
      let machine = try machine()
      let daemon = try TestDaemon(configuration: Self.configuration, wrapper: machine.wrapper)
      let web = try web(machine, daemon, bind: "0.0.0.0")
      defer { daemon.stop(); web.stop(); machine.remove() }
      // The host has no way to the world over IPv6: none is needed.
      let alone = "ip -4 addr flush dev eth0"
      let result = try daemon.guest(
        """
        \(alone)
        grep nameserver /etc/resolv.conf
        ip -6 route show default
        echo "four: $(getent ahostsv6 four.test | head -1)"
        echo "only: $(getent ahostsv6 ipv4only.arpa | cut -d' ' -f1 | sort -u | tr '\\n' ' ')"
        curl -sS -6 -m 10 http://four.test:8086/; echo
        ping -6 -n -c 1 -W 5 four.test
        dig +short +time=5 -x fd64::192.0.2.2 @fd00:7::2
        python3 - <<'END'
        import socket
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.settimeout(5)
        s.connect(("fd64::192.0.2.2", 9)); s.send(b"x")
        try: s.recv(9)
        except ConnectionRefusedError: print("udp refused")
        try: socket.create_connection(("fd64::192.0.2.2", 9), 5)
        except ConnectionRefusedError: print("tcp refused")
        for name in "127.0.0.1", "192.168.105.2":
          try: socket.create_connection(("fd64::" + name, 8086), 5); print("way in by", name)
          except OSError as error: print("closed", name, error.strerror)
        END
        """, on: "six")
      #expect(result.output.contains("nameserver fd00:7::2"), "\(result)")
      #expect(result.output.contains("default via fe80::"), "\(result)")
      #expect(result.output.contains("four: fd64::c000:202"), "\(result)")
      #expect(result.output.contains("only: fd64::c000:aa fd64::c000:ab"), "\(result)")
      #expect(result.output.contains("the host's page"), "\(result)\(daemon.log(of: "six"))")
      #expect(result.output.contains("1 received"), "\(result)")
      #expect(result.output.contains("four.test."), "\(result)")
      #expect(
        result.output.contains("udp refused") && result.output.contains("tcp refused"), "\(result)")
      #expect(
        result.output.components(separatedBy: "closed").count == 3
          && !result.output.contains("way in"), "\(result)")

      // What is denied of IPv4 is denied by that name, too.
      let shut = try daemon.guest(
        """
        curl -sSg -m 10 'http://[fd64::192.0.2.2]:8086/' || echo "no way"
        ping -6 -n -c 1 -W 5 fd64::192.0.2.2
        curl -sS -m 10 'http://192.168.8.2:8086/'
        """, on: "shut")
      #expect(
        shut.output.contains("no way") && shut.output.contains("prohibited")
          && shut.output.contains("the host's page"), "\(shut)")
      let denied = try daemon.netd("egress", "shut", "--json=lines")
      #expect(denied.output.contains("192.0.2.2"), "\(denied)")
    }

    @Test func aSlirpGuestsNameHasTheIPv6AddressItIsKnownBy() throws {
      try require(.tap, .program("dig"))
      let machine = try machine()
      let daemon = try TestDaemon(configuration: Self.configuration, wrapper: machine.wrapper)
      defer { daemon.stop(); machine.remove() }
      let result = try daemon.guest(
        """
        dig +short +time=5 @fd00:5::3 AAAA lima-anna.internal
        grep nameserver /etc/resolv.conf
        """, options: ["--name", "anna"])
      #expect(result.output.hasPrefix("fd00:5::15\n"), "\(result)")
      #expect(result.output.contains("nameserver fd00:5::3"), "\(result)")
      let answer = try daemon.netd("dns", "query", "lima-anna.internal", "AAAA")
      #expect(!"\(answer)".contains("fd00:5::15"), "\(answer)")
    }
  }
}
