// SPDX-License-Identifier: Apache-2.0
//
// Names that go by DHCP, with dhclient as people have it: its own by option 81 (RFC 4702), and the host's search
// domains.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct DHCPNameTests {
    /// A namespace's dhclient, on the network.
    private final class Client {
      private let daemon: TestDaemon
      private let machine: Namespace
      private let link: RunningCommand

      init(
        _ daemon: TestDaemon, _ machine: Namespace, network: String,
        mac: String = "52:55:55:0a:00:01", isDeclared: Bool = true
      ) throws {
        self.daemon = daemon
        self.machine = machine
        let link = try RunningCommand(
          Installation.daemon,
          [
            "attach", network, "--netns", "/proc/\(machine.processIdentifier)/ns/net",
            "--no-config", "--tap", "lan0",
          ] + (isDeclared ? ["--mac", mac] : []), environment: daemon.environment)
        self.link = link
        guard eventually({ link.output.contains("lan0") || !link.process.isRunning }),
          link.process.isRunning
        else { throw TestFailure("not attached: \(link.output)\(link.errors)") }
        guard !isDeclared else { return }
        // What it has then is no lease of the link's, which ends with it.
        let renamed = try machine.shell("ip link set dev lan0 address \(mac)")
        guard renamed.succeeded else { throw TestFailure("\(renamed)") }
      }

      deinit { leave() }

      func leave() { link.stop() }

      /// Takes a lease; the words of its last ACK, as dhclient notes them.
      func lease(_ configuration: String) throws -> String {
        let file = daemon.home + "/dhclient.conf"
        let leases = daemon.home + "/isc.leases"
        let wanted = "subnet-mask, routers, domain-name-servers, domain-search, fqdn.fqdn"
        try "\(configuration)\nrequest \(wanted);\n"
          .write(toFile: file, atomically: true, encoding: .utf8)
        // Its script would rewrite this machine's resolv.conf.
        let result = try machine.shell(
          """
          rm -f \(leases); : >\(leases)
          dhclient -1 -d -v -cf \(file) -lf \(leases) -pf \(daemon.home)/isc.pid -sf /bin/true lan0 & client=$!
          i=0; until grep -q '^}' \(leases) 2>/dev/null; do
            i=$((i + 1)); [ $i -gt 300 ] && break; sleep 0.1
          done
          kill $client; wait $client 2>/dev/null; cat \(leases)
          """, seconds: 40)
        guard result.output.contains("fixed-address") else { throw TestFailure("\(result)") }
        return result.output
      }
    }

    @Test func dhclientHearsItsNameAndTheHostsSearchDomainsAsTheyAre() throws {
      try require(
        .tap, .root, .program("dhclient"), .program("dig"), .program("rdisc6"))
      let host = try HostWithFiles([:], hosts: "")
      let daemon = try host.daemon()
      let machine = try Namespace()
      defer { machine.remove(); daemon.stop(); host.remove() }
      func search(_ text: String) throws {
        try host.namespace.shell("printf '\(text)' >\(host.folder)/resolv.conf")
      }
      try search("search one.example two.example\\n")
      let client = try Client(daemon, machine, network: "user-v2")
      // It would update its address record itself; the network's DNS has it already.
      let first = try client.lease(
        """
        send fqdn.fqdn "My_VM.corp.example."; send fqdn.encoded on; send fqdn.server-update off;
        """)
      for line in [
        #"option fqdn.fqdn "my-vm.internal";"#, "option fqdn.server-update true;",
        "option fqdn.no-client-update true;", "option fqdn.encoded true;",
        "option fqdn.rcode1 255;",
        #"option domain-search "one.example.", "two.example.", "internal.";"#,
      ] {
        #expect(first.contains(line), "\(line): \(first)")
      }
      let dig = "dig +short @192.168.104.2"
      let names = try daemon.guest(
        "\(dig) my-vm.internal; \(dig) -x 192.168.104.3; cat /etc/resolv.conf", on: "user-v2")
      #expect(names.output.hasPrefix("192.168.104.3\n"), "\(names)")
      #expect(names.output.contains("\nmy-vm.internal.\n"), "\(names)")
      // A command gets the same search list, and both follow the file.
      #expect(names.output.contains("search one.example two.example internal"), "\(names)")
      try search("domain three.example\\n")
      // So do router advertisements (RFC 8106), which the guest asks for.
      let router = try machine.shell("ip link set lan0 up; sleep 2; rdisc6 -1 -w 3000 -r 5 lan0")
      #expect(
        router.output.contains("three.example") && !router.output.contains("one.example")
          && router.output.contains("Recursive DNS server"), "\(router)")
      let second = try client.lease("send fqdn.fqdn \"web\"; send fqdn.server-update on;")
      for line in [
        #"option fqdn.fqdn "web.internal";"#, "option fqdn.server-update true;",
        "option fqdn.no-client-update false;", "option fqdn.encoded false;",
        #"option domain-search "three.example.", "internal.";"#,
      ] {
        #expect(second.contains(line), "\(line): \(second)")
      }
      // Not a name at all: an address, no name, and a word in the log.
      let third = try client.lease("send host-name \"My VM\";")
      #expect(!third.contains("fqdn.fqdn"), "\(third)")
      #expect(
        daemon.log(of: "user-v2").contains("52:55:55:0a:00:01 calls itself by what is no host name")
      )
    }

    @Test func aNameIsItsGuestsWhileTheLinkIsAwayForAMoment() throws {
      try require(.tap, .root, .program("dhclient"), .program("dig"))
      let daemon = try TestDaemon()
      let (machine, other) = (try Namespace(), try Namespace())
      defer { machine.remove(); other.remove(); daemon.stop() }
      func addresses() throws -> String {
        try daemon.guest("dig +short @192.168.104.2 victim.internal", on: "user-v2").output
      }
      let name = "send host-name \"victim\";"
      let first = try Client(daemon, machine, network: "user-v2", isDeclared: false)
      let lease = try first.lease(name)
      let address = try #require(lease.firstMatch(of: /fixed-address ([0-9.]+);/)?.1)
      let second = try Client(
        daemon, other, network: "user-v2", mac: "52:55:55:0a:00:02", isDeclared: false)
      _ = try second.lease(name)
      #expect(try addresses() == "\(address)\n")
      let note = "52:55:55:0a:00:02 does not get the name victim.internal"
      #expect(try daemon.netd("status", "--json").output.contains(note))
      #expect(!(try daemon.netd("status", "--json").output.contains("the name lima-")))
      // A command that is given the name is told of as long as it is there.
      let command = try daemon.begin(
        "exec", "user-v2", "--name", "victim", "--mac", "52:55:55:0a:00:03", "--", "sleep", "60")
      defer { command.stop() }
      func isNoted() throws -> Bool {
        try daemon.netd("status", "--json").output.contains(
          "52:55:55:0a:00:03 does not get the name victim.internal")
      }
      #expect(try eventually { try isNoted() }, "\(command.errors)")
      command.stop()
      #expect(try eventually { try !isNoted() })
      first.leave()
      #expect(try eventually { try addresses().isEmpty })
      _ = try second.lease(name)
      #expect(try addresses().isEmpty)
      // Back with the same link, and with another process of the network.
      let back = try Client(daemon, machine, network: "user-v2", isDeclared: false)
      _ = try back.lease(name)
      #expect(try addresses() == "\(address)\n")
      back.leave()
      let process = try #require(try daemon.hostProcess(of: "user-v2"))
      kill(Int32(process), SIGKILL)
      _ = try second.lease(name)
      let again = try Client(daemon, machine, network: "user-v2", isDeclared: false)
      _ = try again.lease(name)
      #expect(try addresses() == "\(address)\n", "\(daemon.log(of: "user-v2").suffix(2000))")
    }
  }
}
