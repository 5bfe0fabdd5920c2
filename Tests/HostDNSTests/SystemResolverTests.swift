// SPDX-License-Identifier: Apache-2.0
//
// getaddrinfo for real: this test program runs once more in namespaces of its
// own, with its own resolv.conf, hosts file, loopback and dnsmasq, so that not a
// packet leaves the machine. Nothing of it needs root.

import DNSMessage
import LibC
import LimaNetdSDK
import Platform
import TestSupport
import Testing

@testable import HostDNSCore

private let innerMarker = "HOSTDNS_TEST_FOLDER"
private let isInner = getenv(innerMarker) != nil

private func run(_ arguments: [String], environment: [String]? = nil) -> Int32? {
  guard
    let child = try? ChildProcess.spawn("/bin/sh", ["-c"] + arguments, environment: environment)
  else { return nil }
  var status: Int32 = 0
  waitpid(child, &status, 0)
  return status
}

private let missing: String? =
  if isInner {
    "this is the inner run"
  } else if access("/usr/sbin/dnsmasq", X_OK) != 0 {
    "dnsmasq is not installed"
  } else if run(["unshare -Urmn true 2>/dev/null"]) != 0 {
    "user namespaces are off: sysctl kernel.unprivileged_userns_clone=1 opens them"
  } else {
    nil
  }

@Suite("The system's resolver", .timeLimit(.minutes(5)))
struct SystemResolverTests {
  @Test("getaddrinfo answers as hostdns promises", .enabled(if: missing == nil, "\(missing ?? "")"))
  func runsInNamespaces() throws {
    let folder = "/tmp/hostdns-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    try #require(mkdir(folder, 0o700) == 0)
    defer { _ = run(["rm -r \(folder)"]) }
    try writeFile("\(folder)/resolv.conf", "search corp.test\nnameserver 127.0.0.1\n")
    try writeFile("\(folder)/hosts", "127.0.0.1 localhost\n192.0.2.77 only4.test short 3dprinter\n")
    let own = try #require(realpath("/proc/self/exe", nil))
    defer { free(own) }
    let script = """
      set -e
      ip link set lo up
      mount --bind \(folder)/resolv.conf "$(readlink -f /etc/resolv.conf)"
      mount --bind \(folder)/hosts "$(readlink -f /etc/hosts)"
      dnsmasq --no-daemon --conf-file=/dev/null --no-resolv --no-hosts \
        --listen-address=127.0.0.1 --bind-interfaces --port=53 --local=/test/ \
        --local=/short/ --local=/bare/ --local=/3dprinter/ --host-record=v4.test,192.0.2.1 \
        --cname=alias.test,v4.test --host-record=v6.test,2001:db8::1 \
        --host-record=bare.corp.test,192.0.2.9 --host-record=x.test.corp.test,192.0.2.66 &
      server=$!
      status=0
      "\(String(cString: own))" --testing-library swift-testing --filter InnerResolverTests \
        || status=$?
      kill $server
      exit $status
      """
    try writeFile("\(folder)/run", script)
    let status = run([
      "\(innerMarker)=\(folder) unshare -Urmn sh \(folder)/run >\(folder)/log 2>&1 "
        + "|| { cat \(folder)/log; exit 1; }"
    ])
    #expect(status == 0)
  }
}

@Suite(
  "Inside the namespaces", .enabled(if: isInner, "run by SystemResolverTests"), .serialized,
  .timeLimit(.minutes(5)))
struct InnerResolverTests {
  private func plugin(_ host: TestHost) throws -> HostResolver {
    let plugin = try HostResolver(
      host: host.context,
      config: DNSConfig(network: "test", options: Options(["timeout": 4, "attempts": 1])))
    try plugin.start()
    let listens = try eventually {
      try host.answer(plugin, query("v4.test", .a))?.responseCode == .noError
    }
    try #require(listens)
    return plugin
  }

  @Test("names, families, search domains and the hosts file")
  func answers() throws {
    let host = try TestHost()
    let plugin = try plugin(host)
    let expected: [(String, DNSType, DNSResponseCode, [String])] = [
      ("v4.test", .a, .noError, ["192.0.2.1"]), ("V4.Test", .aaaa, .noError, []),
      ("v6.test", .aaaa, .noError, ["2001:db8::1"]), ("v6.test", .a, .noError, []),
      ("alias.test", .a, .noError, ["v4.test.", "192.0.2.1"]), ("no.test", .a, .nameError, []),
      ("no.test", .aaaa, .nameError, []),
      // Search domains are the guest's business.
      ("bare", .a, .nameError, []), ("x.test", .a, .nameError, []),
      // Known to /etc/hosts only, and in one family only: no NXDOMAIN (RFC 8020).
      ("only4.test", .a, .noError, ["192.0.2.77"]), ("only4.test", .aaaa, .noError, []),
      ("short", .a, .noError, ["192.0.2.77"]), ("localhost", .a, .noError, ["127.0.0.1"]),
      ("3dprinter", .a, .noError, ["192.0.2.77"]),
      // dnsmasq says NXDOMAIN of these, which would deny their addresses (RFC 2308 5).
      ("only4.test", .https, .noError, []), ("only4.test", .mx, .noError, []),
      ("short", .txt, .noError, []), ("3dprinter", .ptr, .noError, []),
    ]
    for (name, type, code, data) in expected {
      let answer = try #require(try host.answer(plugin, query(name, type)))
      #expect(answer.responseCode == code, "\(name) \(type)")
      #expect(answer.answers.map { "\($0.data)" } == data, "\(name) \(type)")
    }
  }

  @Test("a changed resolv.conf counts at once, offline is SERVFAIL at once, and it recovers")
  func follows() throws {
    let folder = try #require(getenv(innerMarker).map { String(cString: $0) })
    let host = try TestHost()
    let plugin = try plugin(host)
    func code(_ name: String) throws -> DNSResponseCode? {
      try host.answer(plugin, query(name, .a), within: 3_600_000)?.responseCode
    }
    /// Files are looked at once in a millisecond, and what changes within a tick of the kernel's clock may look
    /// the same.
    func change(_ line: String) throws {
      quietly(milliseconds: 10)
      try writeFile("\(folder)/resolv.conf", line)
      quietly(milliseconds: 10)
    }
    // A server that refuses, and one there is no route to.
    // Were their time-outs waited for, there would be no answer.
    for line in ["nameserver 127.0.0.99\n", "nameserver 192.0.2.1\n"] {
      try change(line + "options timeout:30\n")
      #expect(try code("v4.test") == .serverFailure)
      #expect(try code("only4.test") == .noError)
      #expect(try host.answer(plugin, query("v4.test", .mx))?.responseCode == .serverFailure)
    }
    try change("nameserver 127.0.0.1\n")
    #expect(try code("v4.test") == .noError)
    #expect(try host.answer(plugin, query("v4.test", .mx))?.responseCode == .noError)
  }

  @Test("options of resolv.conf hold for getaddrinfo, and no longer once they are gone")
  func useVC() throws {
    let folder = try #require(getenv(innerMarker).map { String(cString: $0) })
    let host = try TestHost()
    let address = DNSRecordData.address(.v4(0xC000_0201))
    let server = try TestServer(
      host, at: (0x7F00_0009, 53), stream: { framed(reply($0, .noError, [address])) }
    ) { query, _ in [reply(query, .noError, [address])] }
    func write(_ options: String) throws {
      usleep(10_000)  // a tick of the clock that files have
      try writeFile("\(folder)/resolv.conf", "nameserver 127.0.0.9\noptions \(options)\n")
      usleep(10_000)  // a tick of the clock that files have
    }
    defer { try? writeFile("\(folder)/resolv.conf", "nameserver 127.0.0.1\n") }
    try write("use-vc")
    // One thread, so that it is the same one that is asked again.
    let plugin = try HostResolver(
      host: host.context, config: DNSConfig(network: "test", options: Options(["workers": 1])),
      files: HostFiles(resolvConf: "/etc/resolv.conf", fallback: nil, order: .system)
    ) { HostLookup.addresses(of: $0, $1, $2) }
    try plugin.start()
    #expect(try host.answer(plugin, query("a.vc.test", .a))?.answers.count == 1)
    #expect(server.datagrams == 0)
    // The plugin's own and getaddrinfo's.
    #expect(server.connections == 2)
    try write("timeout:1")
    #expect(try host.answer(plugin, query("b.vc.test", .a))?.answers.count == 1)
    #expect(server.connections == 2)
    #expect(server.datagrams == 2)
  }
}

/// In place, so that a bind mount of the file sees it.
func writeFile(_ path: String, _ text: String) throws {
  let file = try #require(fopen(path, "w"))
  fputs(text, file)
  fclose(file)
}
