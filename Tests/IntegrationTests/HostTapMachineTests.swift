// SPDX-License-Identifier: Apache-2.0
//
// Modes shared and host with a Linux in QEMU as the guest: by the network's socket, and by `lima-netd tap`.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(4))) struct HostTapMachineTests {
    private static let lease =
      "udhcpc -i eth0 -q -n -t 10 -T 1 -f -s /etc/udhcpc.script >/dev/null 2>&1; cat /run/lease\n"

    /// What boots the guest with a `-netdev`, in the scene's host, to run `script`.
    private func machine(_ scene: HostTapScene, _ netdev: String, _ script: String) throws
      -> [String]
    {
      let file = scene.daemon.home + "/job"
      try (Self.lease + script).write(toFile: file, atomically: true, encoding: .utf8)
      return [
        Installation.root + "/Tests/Guest/run-guest", "-t", "90", Installation.guest, netdev, file,
      ]
    }

    @Test func `the host pings and asks a virtual machine, which reaches the host and the outside`()
      throws
    {
      try require(.tap, .virtualMachine, .program("curl"), .program("python3"))
      let scene = try HostTapScene()
      defer { scene.stop() }
      try scene.web(scene.host.wrapper, "host")
      let far = try scene.web(scene.outsideWrapper, "outside")
      let words = try machine(
        scene, "stream,addr.type=unix,addr.path=\(scene.daemon.socket("qemu", of: "shared"))",
        """
        ping -c 3 -W 5 192.168.105.1
        nslookup -type=a host.lima.internal
        for there in 192.168.105.1 host.lima.internal 203.0.113.2; do
          timeout 20 wget -q -O - http://$there:8000/
          echo " from $there"
        done
        mkdir /www
        echo "virtual machine" >/www/index.html
        httpd -p 80 -h /www
        timeout 60 nc -l -p 81 </dev/null >/dev/null
        """)
      let guest = try scene.begin(scene.host.wrapper, words)
      // The switch has seen where it is.
      #expect(
        try eventually(within: 90) {
          try scene.daemon.netd("network", "inspect", "shared").output.contains("52:55:55:12:34:56")
        })
      // What listens on port 81 of the machine ends it.
      let asked = try scene.host.shell(
        """
        for i in $(seq 120); do curl -sS -m 5 http://192.168.105.2/ 2>/dev/null && break; sleep 0.5; done
        ping -c 2 -i 0.2 -W 5 192.168.105.2
        curl -sS -m 2 http://192.168.105.2:81/ 2>/dev/null
        """, seconds: 100)
      #expect(asked.output.contains("virtual machine"), "\(asked)\n\(guest.output)\(guest.errors)")
      #expect(asked.output.contains(" 0% packet loss"), "\(asked)")
      let result = guest.wait(seconds: 60)
      for line in [
        "ip=192.168.105.2", "router=192.168.105.1", "dns=192.168.105.1", "serverid=192.168.105.1",
        // The first may be lost: the host asked for the address in vain before the machine had it, and drops what
        // waits for the neighbour when its last try is over.
        "seq=2 ttl=64", "Address: 192.168.105.1", "host from 192.168.105.1",
        "host from host.lima.internal", "outside from 203.0.113.2",
      ] {
        #expect(result.output.contains(line), "\(line): \(result)")
      }
      #expect(
        far.errors.contains("203.0.113.1") && !far.errors.contains("192.168.105"), "\(far.errors)")
    }

    @Test func `a virtual machine on a host network is told at once that the rest is prohibited`()
      throws
    {
      try require(.tap, .virtualMachine, .program("curl"), .program("python3"))
      let scene = try HostTapScene()
      defer { scene.stop() }
      try scene.web(scene.host.wrapper, "host")
      try scene.web(scene.outsideWrapper, "outside")
      let other = try scene.server("web", on: "host")
      let words = try machine(
        scene, "tap,fd=3",
        """
        for there in 192.168.106.1 \(other); do
          ping -c 1 -W 5 $there
          timeout 20 wget -q -O - http://$there:8000/
        done
        for there in 203.0.113.2 203.0.113.1 10.99.0.1; do
          traceroute -n -I -f 2 -m 2 -q 1 -w 20 $there
          timeout 20 wget -q -O - http://$there:8000/
        done
        """)
      let result = try scene.daemon.netd(
        ["tap", "host", "--name", "vm", "--mac", "52:55:55:12:34:56", "--"] + words, seconds: 120)
      // Its name came by DHCP: what `tap` said of it has arrived.
      #expect(result.output.contains("hostname=vm"), "\(result)")
      #expect(result.output.components(separatedBy: "1 packets received").count == 3, "\(result)")
      #expect(result.output.contains("host") && result.output.contains("guest web"), "\(result)")
      // busybox's mark for an ICMP unreachable of code 13, which the kernel makes "no route to host" of: no time-out.
      #expect(result.output.components(separatedBy: " ms !A").count == 4, "\(result)")
      #expect(result.output.components(separatedBy: "No route to host").count == 4, "\(result)")
      #expect(!result.output.contains("outside"), "\(result)")
    }
  }
}
