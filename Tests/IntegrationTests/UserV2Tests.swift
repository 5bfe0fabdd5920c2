// SPDX-License-Identifier: Apache-2.0
//
// user-v2 on real parts: virtual machines and namespaces that find, name and reach each other,
// DHCP clients as people have them, and what outlives a process.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct UserV2Tests {
    private static let network = "user-v2"

    // MARK: Virtual machines

    /// A virtual machine that runs a script after it has its address.
    private func machine(_ daemon: TestDaemon, _ number: Int, _ script: String) throws
      -> RunningCommand
    {
      let file = "\(daemon.home)/job\(number)"
      let lease =
        "udhcpc -i eth0 -q -n -t 20 -T 1 -f -x hostname:lima-vm\(number) "
        + "-s /etc/udhcpc.script -O mtu -O search >/dev/null 2>&1\n"
      // busybox nc ends with its standard input: one that never ends.
      let job = lease + "mkfifo /tmp/never\n" + script
      try job.write(toFile: file, atomically: true, encoding: .utf8)
      return try RunningCommand(
        Installation.root + "/Tests/Guest/run-guest",
        [
          "-t", "240", "-d", "52:55:55:00:00:0\(number)", Installation.guest,
          "stream,addr.type=unix,addr.path=\(daemon.socket("qemu", of: Self.network))", file,
        ])
    }

    @Test func twoVirtualMachinesAndACommandFindAndReachEachOther() throws {
      try require(.tap, .virtualMachine, .program("python3"), .program("iperf3"))
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      // The files the command serves, and what it is sent.
      let files = daemon.home + "/www"
      try FileManager.default.createDirectory(atPath: files, withIntermediateDirectories: true)
      let megabytes = 32
      try run(
        "sh",
        [
          "-c",
          "head -c \(megabytes)M /dev/urandom >\(files)/data && echo here >\(files)/index.html",
        ])
      let sum = try run("sha256sum", [files + "/data"]).output.prefix(64)
      let web = try RunningCommand(
        Installation.daemon,
        [
          "exec", Self.network, "--name", "web", "--", "sh", "-c",
          "iperf3 -s >/dev/null & exec python3 -m http.server 80 --bind :: --directory \(files)",
        ], environment: daemon.environment)
      defer { web.stop() }
      #expect(try eventually { try daemon.netd("leases").output.contains("web") })

      // Each waits for the other by its name; then iperf3 and a transfer each way.
      func meet(_ name: String) -> String {
        """
        i=0; until ping -c 1 -W 1 \(name) >/dev/null 2>&1; do
          i=$((i + 1)); [ $i -gt 120 ] && break; sleep 1
        done
        ping -c 1 -W 5 \(name) >/dev/null && echo "pinged \(name)"
        nslookup -type=a \(name) | tail -2 | sed -n 's/^Address: /\(name) is /p'

        """
      }
      func measure(_ name: String) -> String {
        """
        for way in to from; do
          i=0; until iperf3 -c \(name) -t 1 $([ $way = to ] || echo -R) >/tmp/iperf 2>&1; do
            i=$((i + 1)); [ $i -gt 30 ] && cat /tmp/iperf && break; sleep 1
          done
          awk -v way=$way '/receiver/ && $5 > 0 { print "measured", way, "\(name)" }' /tmp/iperf
        done

        """
      }
      let first = try machine(
        daemon, 1,
        "iperf3 -s -D\n" + meet("lima-vm2.internal") + meet("web.internal")
          + measure("web.internal") + """
            nc -l -p 5000 <>/tmp/never | sha256sum | sed 's/^/received /'
            wget -q -O - http://web.internal/data | sha256sum | sed 's/^/fetched /'
            wget -q -O - http://web.internal/data | nc lima-vm2.internal 5001
            wget -q -O - http://web.internal/
            """)
      let second = try machine(
        daemon, 2,
        meet("lima-vm1.internal") + meet("web") + measure("lima-vm1.internal") + """
          wget -q -O /tmp/data http://web.internal/data
          i=0; until nc lima-vm1.internal 5000 </tmp/data; do
            i=$((i + 1)); [ $i -gt 60 ] && break; sleep 1
          done
          nc -l -p 5001 <>/tmp/never | sha256sum | sed 's/^/received /'
          i=0; while nslookup -type=a lima-vm1.internal >/dev/null 2>&1; do
            i=$((i + 1)); [ $i -gt 60 ] && break; sleep 1
          done
          nslookup -type=a lima-vm1.internal 2>&1 | grep -c NXDOMAIN | sed 's/^/gone /'
          ping -c 1 -W 5 web.internal >/dev/null && echo "web is there"
          """)
      let one = first.wait(seconds: 250)
      let two = second.wait(seconds: 120)
      for line in [
        "pinged lima-vm2.internal", "pinged web.internal", "web.internal is 192.168.104.3",
        "measured to web.internal", "measured from web.internal", "received \(sum)",
        "fetched \(sum)", "here",
      ] {
        #expect(one.output.contains(line), "\(line): \(one)\n\(daemon.log(of: Self.network))")
      }
      for line in [
        "pinged lima-vm1.internal", "pinged web\n", "measured to lima-vm1.internal",
        "measured from lima-vm1.internal", "received \(sum)", "web is there",
      ] {
        #expect(two.output.contains(line), "\(line): \(two)\n\(daemon.log(of: Self.network))")
      }
      // What the DNS plugin says of a name nobody has any more is the host's affair; it is not ours.
      #expect(!two.output.contains("gone 60"), "\(two)")
      #expect(web.process.isRunning)
    }

    // MARK: DHCP clients

    /// A namespace with a TAP on the network and nothing configured.
    private func attached(
      _ daemon: TestDaemon, _ machine: Namespace, _ name: String,
      mac: String = "52:55:55:0a:00:01"
    ) throws -> RunningCommand {
      let attached = try RunningCommand(
        Installation.daemon,
        [
          "attach", Self.network, "--netns", "/proc/\(machine.processIdentifier)/ns/net",
          "--no-config", "--name", name, "--tap", "lan0", "--mac", mac,
        ], environment: daemon.environment)
      guard eventually({ attached.output.contains("lan0") || !attached.process.isRunning }),
        attached.process.isRunning
      else { throw TestFailure("not attached: \(attached.output)\(attached.errors)") }
      return attached
    }

    @Test func dhclientGetsAnAddressAndItsNameIsThere() throws {
      try require(.tap, .root, .program("dhclient"))
      let daemon = try TestDaemon()
      let machine = try Namespace()
      defer { machine.remove(); daemon.stop() }
      let link = try attached(daemon, machine, "")
      defer { link.stop() }
      let configuration = daemon.home + "/dhclient.conf"
      try "send host-name \"lima-isc\";\nrequest subnet-mask, routers, domain-name-servers;\n"
        .write(toFile: configuration, atomically: true, encoding: .utf8)
      // Its script would rewrite this machine's resolv.conf.
      let client = try machine.shell(
        """
        dhclient -1 -d -v -cf \(configuration) -lf \(daemon.home)/isc.leases \
          -pf \(daemon.home)/isc.pid -sf /bin/true lan0 & client=$!
        i=0; until grep -q fixed-address \(daemon.home)/isc.leases 2>/dev/null; do
          i=$((i + 1)); [ $i -gt 300 ] && break; sleep 0.1
        done
        kill $client
        """, seconds: 40)
      #expect(client.errors.contains("DHCPACK of 192.168.104.3 from 192.168.104.2"), "\(client)")
      let answer = try daemon.guest("getent ahostsv4 lima-isc.internal", on: Self.network)
      #expect(answer.output.hasPrefix("192.168.104.3"), "\(answer)")
    }

    @Test func systemdNetworkdGetsAnAddress() throws {
      try require(.tap, .root, .program("/lib/systemd/systemd-networkd"))
      let daemon = try TestDaemon()
      let machine = try Namespace()
      defer { machine.remove(); daemon.stop() }
      let link = try attached(daemon, machine, "networkd")
      defer { link.stop() }
      // In a mount namespace with a /run and a configuration of its own, without D-Bus; with /sys
      // read-only it does not wait for udev, as in a container.
      let client = try machine.shell(
        """
        exec unshare -m sh -c '
          mount -t sysfs -o ro sysfs /sys && mount -t tmpfs run /run && mkdir -p /run/systemd/network /run/systemd/netif/links \
            /run/systemd/netif/leases /run/systemd/netif/lldp
          printf "[Match]\\nName=lan0\\n[Network]\\nDHCP=ipv4\\nLinkLocalAddressing=no\\n[DHCPv4]\\nSendHostname=yes\\nHostname=lima-networkd\\n" \
            >/run/systemd/network/10-lan.network
          chmod -R a+rX /run/systemd; chown -R systemd-network /run/systemd/netif 2>/dev/null
          timeout 20 /lib/systemd/systemd-networkd & pid=$!
          i=0; until ip -4 -o addr show dev lan0 | grep inet; do
            i=$((i + 1)); [ $i -gt 150 ] && break; sleep 0.1
          done
          ip route show default
          ping -c 1 -W 2 192.168.104.2
          kill $pid
        '
        """, seconds: 40)
      if client.errors.contains("Failed to allocate manager") {
        try Test.cancel("systemd-networkd does not run without systemd here: \(client.errors)")
      }
      #expect(client.output.contains("inet 192.168.104.3/24"), "\(client)")
      #expect(client.output.contains("default via 192.168.104.2"), "\(client)")
      #expect(client.output.contains("1 received"), "\(client)")
    }

    // MARK: What outlives a process

    @Test func leasesOutliveTheNetworksProcessAndTheDaemon() throws {
      try require(.tap, .program("busybox"))
      let daemon = try TestDaemon()
      let machines = try (0..<2).map { _ in try Namespace() }
      defer { machines.forEach { $0.remove() }; daemon.stop() }
      func lease(_ machine: Namespace, _ hostname: String, mac: String) throws -> String {
        let link = try attached(daemon, machine, "", mac: mac)
        defer {
          link.stop()
          _ = eventually { (try? !machine.shell("ip link show lan0").succeeded) ?? true }
        }
        let client = try machine.shell(
          """
          ip link set lan0 up
          busybox udhcpc -i lan0 -q -n -f -t 10 -T 1 -x hostname:\(hostname) \
            -s \(Installation.fixtures)/udhcpc.script
          """)
        return client.output
      }
      #expect(try lease(machines[0], "a", mac: "52:55:55:0a:00:01").contains("192.168.104.3/24"))
      // A guest configured by hand, which knows nothing of the crash that follows.
      let keeper = try daemon.begin("exec", Self.network, "--name", "keeper", "--", "sleep", "60")
      defer { keeper.stop() }
      #expect(try eventually { try daemon.netd("leases").output.contains("192.168.104.4") })
      let process = try #require(try daemon.hostProcess(of: Self.network))
      kill(pid_t(process), SIGKILL)
      #expect(try lease(machines[1], "b", mac: "52:55:55:0a:00:02").contains("192.168.104.5/24"))
      let named = try daemon.guest(
        "getent ahostsv4 keeper.internal && ping -c1 -W2 keeper", on: Self.network)
      #expect(named.output.hasPrefix("192.168.104.4") && named.succeeded, "\(named)")
      // A new daemon.
      daemon.command?.stop()
      try daemon.start()
      #expect(try lease(machines[1], "b", mac: "52:55:55:0a:00:02").contains("192.168.104.5/24"))
      #expect(try lease(machines[0], "a", mac: "52:55:55:0a:00:01").contains("192.168.104.3/24"))
      // Lima's file has both, and the router.
      let data = try Data(
        contentsOf: URL(filePath: "\(daemon.home)/_networks/user-v2/leases.json"))
      let lima = try JSONDecoder().decode([String: String].self, from: data)
      #expect(lima["192.168.104.2"] == "5a:94:ef:e4:0c:dd")
      #expect(lima["192.168.104.3"] == "52:55:55:0a:00:01")
      #expect(lima["192.168.104.5"] == "52:55:55:0a:00:02")
    }

    @Test func aGuestKeepsTheAddressThatLimasDaemonGaveIt() throws {
      try require(.tap, .program("busybox"))
      let daemon = try TestDaemon()
      let machine = try Namespace()
      defer { machine.remove(); daemon.stop() }
      let folder = daemon.home + "/_networks/user-v2"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      // The first guest of Lima's daemon has .1.
      try
        #"{"192.168.104.1":"52:55:55:0a:00:01","192.168.104.2":"5a:94:ef:e4:0c:dd","10.0.0.1":"x"}"#
        .write(toFile: folder + "/leases.json", atomically: true, encoding: .utf8)
      let link = try attached(daemon, machine, "")
      defer { link.stop() }
      let client = try machine.shell(
        """
        ip link set lan0 up
        busybox udhcpc -i lan0 -q -n -f -t 10 -T 1 -s \(Installation.fixtures)/udhcpc.script
        """)
      #expect(client.output.contains("192.168.104.1/24"), "\(client)")
    }

    // MARK: Several networks

    @Test func guestsOfTwoNetworksDoNotMeet() throws {
      try require(.tap)
      let daemon = try TestDaemon(
        configuration: """
          networks:
            user-v2: {mode: user-v2, gateway: 192.168.104.1, netmask: 255.255.255.0}
            lab: {mode: user-v2, gateway: 10.77.0.1, netmask: 255.255.0.0, options: {domain: lab}}
          """)
      defer { daemon.stop() }
      let other = try daemon.begin("exec", "lab", "--name", "other", "--", "sleep", "60")
      defer { other.stop() }
      #expect(try eventually { try daemon.netd("leases").output.contains("10.77.0.3") })
      let result = try daemon.guest(
        """
        getent hosts other.lab || echo no such name
        ping -c 1 -W 1 10.77.0.3 || echo no such guest
        """, on: Self.network)
      #expect(result.output.contains("no such name"), "\(result)")
      #expect(result.output.contains("no such guest"), "\(result)")
      let peer = try daemon.guest("ping -c 1 -W 2 other.lab", on: "lab")
      #expect(peer.output.contains("1 received"), "\(peer)")
    }

    @Test func networksThatOverlapAreAnErrorThatNamesBoth() throws {
      let daemon = try TestDaemon(start: false)
      defer { daemon.stop() }
      for networks in [
        "one: {mode: user-v2, gateway: 10.1.0.1, netmask: 255.255.0.0}\n  two: {mode: user-v2, gateway: 10.1.5.1}",
        "two: {mode: slirp, gateway: 192.168.104.2}",
      ] {
        try daemon.write(configuration: "networks:\n  \(networks)\n")
        let result = try daemon.netd("serve", seconds: 5)
        #expect(result.status > 0, "\(result)")
        #expect(result.errors.contains("two"), "\(result)")
        #expect(
          result.errors.contains("one") || result.errors.contains("user-v2"), "\(result)")
      }
    }
  }
}
