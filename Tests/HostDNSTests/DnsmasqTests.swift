// SPDX-License-Identifier: Apache-2.0
//
// hostdns against a real nameserver on loopback, where there is one.

import DNSMessage
import LibC
import Platform
import TestSupport
import Testing

@testable import HostDNSCore

private let dnsmasq: String? = ["/usr/sbin/dnsmasq", "/usr/bin/dnsmasq"].first {
  access("\($0)", X_OK) == 0
}

@Suite("Against dnsmasq", .serialized, .timeLimit(.minutes(5)))
struct DnsmasqTests {
  /// dnsmasq with records of several types, on a port of its own.
  private func withServer(
    _ address: String = "127.0.0.1", _ body: (TestHost, HostResolver) throws -> Void
  ) throws {
    let path = try #require(dnsmasq)
    let host = try TestHost()
    let port = try #require(try TestServer.deadAddress().split(separator: ":").last)
    let long = (0..<40).map { "--host-record=big.test,192.0.2.\($0)" }
    let child = try ChildProcess.spawn(
      path,
      [
        "--no-daemon", "--log-facility=/dev/null", "--conf-file=/dev/null", "--no-resolv",
        "--no-hosts",
        "--listen-address=\(address)", "--bind-interfaces", "--port=\(port)",
        "--local=/test/", "--host-record=a.test,192.0.2.1,2001:db8::1",
        "--txt-record=t.test,hello world", "--mx-host=m.test,mail.test,7",
        "--srv-host=_s._tcp.test,a.test,443,1,2", "--cname=alias.test,a.test",
        "--ptr-record=1.2.0.192.in-addr.arpa,a.test", "--caa-record=c.test,0,issue,ca.test",
        "--dns-rr=u.test,65280,010203", "--edns-packet-max=1232",
      ] + long)
    defer {
      kill(child, SIGTERM)
      var status: Int32 = 0
      waitpid(child, &status, 0)
    }
    let server = address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
    let plugin = try makePlugin(host, servers(server, timeout: 1, attempts: 5))
    // Until it listens its port refuses.
    let listens = try eventually {
      try host.answer(plugin, query("a.test", .a))?.responseCode == .noError
    }
    try #require(listens)
    try body(host, plugin)
  }

  @Test(
    "each type comes through, from a server on IPv4 or IPv6",
    .enabled(if: dnsmasq != nil, "dnsmasq is not installed"), arguments: ["127.0.0.1", "::1"])
  func types(address: String) throws {
    try withServer(address) { host, plugin in
      let expected: [(String, DNSType, [String])] = [
        ("a.test", .a, ["192.0.2.1"]), ("A.Test", .aaaa, ["2001:db8::1"]),
        ("t.test", .txt, ["\"hello world\""]), ("m.test", .mx, ["7 mail.test."]),
        ("_s._tcp.test", .srv, ["1 2 443 a.test."]),
        ("alias.test", .a, ["a.test.", "192.0.2.1"]),
        ("1.2.0.192.in-addr.arpa", .ptr, ["a.test."]), ("c.test", .caa, ["0 issue \"ca.test\""]),
        ("u.test", DNSType(rawValue: 65280), ["\\# 3 010203"]), ("a.test", .txt, []),
      ]
      for (name, type, data) in expected {
        let answer = try #require(try host.answer(plugin, query(name, type)))
        #expect(answer.responseCode == .noError)
        #expect(answer.answers.map { "\($0.data)" } == data, "\(name) \(type)")
      }
      #expect(try host.answer(plugin, query("no.test", .a))?.responseCode == .nameError)
    }
  }

  @Test(
    "an answer that UDP cannot carry comes over TCP",
    .enabled(if: dnsmasq != nil, "dnsmasq is not installed"), arguments: ["127.0.0.1", "::1"])
  func truncation(address: String) throws {
    try withServer(address) { host, plugin in
      let answer = try #require(try host.answer(plugin, query("big.test", .a)))
      #expect(answer.answers.count == 40)
      plugin.status(1)
      #expect(host.written.contains("\"overTCP\":1"))
    }
  }
}
