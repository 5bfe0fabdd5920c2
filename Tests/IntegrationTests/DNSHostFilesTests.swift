// SPDX-License-Identifier: Apache-2.0
//
// A guest's names follow the host's resolv.conf and hosts files, which are the test's own here, and
// nameservers at port 53, as files can name no other: real ones (dnsmasq), on IPv4 and IPv6.

import Foundation
import Testing

/// A machine with its own loopback, nameservers and files in /etc.
final class HostWithFiles {
  let folder: String
  let namespace: Namespace
  private var servers: [RunningCommand] = []

  /// - Parameter nameservers: what each address says that a name's address is, as "www.test,192.0.2.1".
  init(_ nameservers: [String: [String]], hosts: String) throws {
    folder = "/tmp/lndr\(UInt32.random(in: .min ... .max))"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    namespace = try Namespace()
    for (name, text) in [
      ("hosts", "127.0.0.1 localhost\n" + hosts), ("nsswitch.conf", "hosts: files dns\n"),
      ("resolv.conf", ""),
    ] {
      try text.write(toFile: folder + "/" + name, atomically: false, encoding: .utf8)
    }
    for (address, records) in nameservers {
      // Behind a shell: dnsmasq closes all descriptors, which Foundation takes for its end, and then waits for that.
      let command =
        "setpriv --pdeathsig KILL dnsmasq --no-daemon --conf-file=/dev/null --no-resolv --no-hosts "
        + "--user= --listen-address=\(address) --bind-interfaces --local=/test/ --local-ttl=300 "
        + records.map { "--host-record=" + $0 }.joined(separator: " ") + "; :"
      let words = namespace.wrapper + ["sh", "-c", command]
      servers.append(try RunningCommand(words[0], Array(words.dropFirst())))
      #expect(
        try eventually {
          try namespace.shell("dig +time=1 +tries=1 @\(address) nothing.test").succeeded
        }, "\(servers.last?.errors ?? "")")
    }
  }

  /// Runs the daemon, and the commands of its guests, with these files for those of /etc.
  func daemon() throws -> TestDaemon {
    let script = """
      for file in hosts nsswitch.conf resolv.conf; do
        mount --bind \(folder)/$file "$(readlink -f /etc/$file)"
      done
      exec "$@"
      """
    return try TestDaemon(wrapper: namespace.wrapper + ["unshare", "-m", "sh", "-c", script, "sh"])
  }

  /// In place, so that the bind mount sees it.
  func resolvConf(_ address: String) -> String {
    "printf 'nameserver \(address)\\n' >\(folder)/resolv.conf"
  }

  func remove() {
    for server in servers { server.stop() }
    namespace.remove()
    try? FileManager.default.removeItem(atPath: folder)
  }
}

extension EndToEnd {
  @Suite struct DNSHostFilesTests {
    private let dig = "dig @192.168.5.3 +time=3 +tries=1"

    @Test func aChangedResolvConfIsAskedAtOnceWhateverWasKept() throws {
      try require(.tap, .program("dnsmasq"), .program("dig"))
      let host = try HostWithFiles(
        [
          "127.0.0.1": ["moved.test,192.0.2.1"], "127.0.0.2": ["moved.test,192.0.2.2"],
          "::1": ["moved.test,192.0.2.3", "six.test,2001:db8::6"],
        ], hosts: "")
      let daemon = try host.daemon()
      defer { daemon.stop(); host.remove() }
      // A question, the same from what is kept, and again after each change.
      let result = try daemon.guest(
        """
        ask() { sleep 0.01; \(dig) +noall +answer "$@" | awk '{ print $2, $5 }'; }
        \(host.resolvConf("127.0.0.1")); ask moved.test; sleep 1.1; ask moved.test
        \(host.resolvConf("127.0.0.2")); ask moved.test
        \(host.resolvConf("::1")); ask moved.test; ask six.test AAAA; ask +tcp six.test AAAA
        """, seconds: 30)
      #expect(
        result.output == """
          300 192.0.2.1
          299 192.0.2.1
          300 192.0.2.2
          300 192.0.2.3
          300 2001:db8::6
          300 2001:db8::6

          """, "\(result) \(daemon.log(of: "default"))")
      // Where nothing listens: SERVFAIL at once, and well again by itself.
      let offline = try daemon.guest(
        """
        \(host.resolvConf("127.0.0.9")); sleep 0.01
        \(dig) moved.test | grep -E 'status|Query time'
        \(host.resolvConf("127.0.0.2")); sleep 0.01
        \(dig) +short moved.test
        """, seconds: 30)
      #expect(offline.output.contains("status: SERVFAIL"), "\(offline)")
      #expect(offline.output.hasSuffix("192.0.2.2\n"), "\(offline)")
      let time = offline.output.components(separatedBy: "Query time: ").last?.split(separator: " ")
      #expect((time?.first.flatMap { Int($0) } ?? .max) < 500, "\(offline)")
    }

    @Test func aNameOfTheHostsFileIsNeverDeniedForAnotherType() throws {
      try require(.tap, .program("dnsmasq"), .program("dig"))
      let host = try HostWithFiles(
        ["127.0.0.1": ["known.test,192.0.2.1"]],
        hosts: "192.0.2.77 db.only.test 3dprinter\n2001:db8::77 six.test\n")
      let daemon = try host.daemon()
      defer { daemon.stop(); host.remove() }
      let result = try daemon.guest(
        """
        \(host.resolvConf("127.0.0.1")); sleep 0.01
        ask() {
          echo "$*" $(\(dig) "$@" | grep -oE '(status|ANSWER|AUTHORITY): *[A-Z0-9]+' | sed 's/.*: *//')
        }
        ask db.only.test HTTPS; ask db.only.test MX; ask DB.Only.Test. TXT; ask only.test A
        ask db.only.test AAAA; ask six.test A; ask 3dprinter A; ask 3dprinter SVCB
        ask db.only.test ANY; ask no.only.test HTTPS; ask a.onion A; ask x.localhost A
        """, seconds: 60)
      // What does not exist dnsmasq says without an SOA; all else that is denied is denied here.
      #expect(
        result.output == """
          db.only.test HTTPS NOERROR 0 1
          db.only.test MX NOERROR 0 1
          DB.Only.Test. TXT NOERROR 0 1
          only.test A NOERROR 0 1
          db.only.test AAAA NOERROR 0 1
          six.test A NOERROR 0 1
          3dprinter A NOERROR 1 0
          3dprinter SVCB NOERROR 0 1
          db.only.test ANY NOERROR 1 0
          no.only.test HTTPS NXDOMAIN 0 0
          a.onion A NXDOMAIN 0 1
          x.localhost A NOERROR 1 0

          """, "\(result) \(daemon.log(of: "default"))")
    }

    @Test func aHostsFileOf150000LinesIsReadBesideTheNetwork() throws {
      try require(.tap, .program("dnsmasq"), .program("dig"))
      let host = try HostWithFiles(["127.0.0.1": ["known.test,192.0.2.1"]], hosts: "")
      let daemon = try host.daemon()
      defer { daemon.stop(); host.remove() }
      // What is new in it is found at once, by the C library while it is still being read here.
      let result = try daemon.guest(
        """
        \(host.resolvConf("127.0.0.1"))
        { cat \(host.folder)/hosts; seq 150000 | sed 's/.*/0.0.0.0 ads&.blocked.test/'
          echo 192.0.2.78 last.test; } >/tmp/hosts.$$; cat /tmp/hosts.$$ >\(host.folder)/hosts; rm /tmp/hosts.$$
        sleep 0.01; \(dig) +short last.test
        \(dig) +short known.test; \(dig) +short ads150000.blocked.test; sleep 2
        \(dig) +short last.test; \(dig) +short ads150000.blocked.test; \(dig) +short known.test
        """, seconds: 60)
      #expect(
        result.output
          == "192.0.2.78\n192.0.2.1\n0.0.0.0\n192.0.2.78\n0.0.0.0\n192.0.2.1\n",
        "\(result) \(daemon.log(of: "default"))")
    }

    @Test func withItsResolverOffAnInstanceAsksTheHostsServers() throws {
      try require(.tap, .program("dnsmasq"), .program("dig"))
      let host = try HostWithFiles(
        ["127.0.0.1": ["both.test,192.0.2.1", "both.test,2001:db8::1"]],
        hosts: "192.0.2.77 both.test\n")
      let daemon = try host.daemon()
      defer { daemon.stop(); host.remove() }
      let file = daemon.home + "/vm/lima.yaml"
      try FileManager.default.createDirectory(
        atPath: daemon.home + "/vm", withIntermediateDirectories: true)
      try "vmType: qemu\nhostResolver: {enabled: false}\ndns: []\n".write(
        toFile: file, atomically: true, encoding: .utf8)
      _ = try host.namespace.shell(host.resolvConf("127.0.0.1"))
      func address() throws -> String { try daemon.guest("\(dig) +short both.test").output }
      #expect(try address() == "192.0.2.77\n")
      let up = try daemon.netd("instance", "up", file)
      #expect(up.succeeded && !up.errors.contains("hostResolver"), "\(up)")
      #expect(try eventually { try address() == "192.0.2.1\n" }, "\(daemon.log)")
      #expect(try daemon.netd("instance", "down", "vm").succeeded)
      #expect(try eventually { try address() == "192.0.2.77\n" }, "\(daemon.log)")
    }
  }
}
