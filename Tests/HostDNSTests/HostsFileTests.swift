// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import LibC
import LimaNetdSDK
import Platform
import PluginAPI
import Testing

@testable import HostDNSCore

/// A file that ends with the test.
final class TemporaryFile {
  let path = "/tmp/hostdns-test-\(getpid())-\(UInt32.random(in: .min ... .max))"

  init(_ text: String) throws { try write(text) }

  deinit { unlink(path) }

  func write(_ text: String) throws { try writeFile(path, text) }
}

@Suite("The hosts file", .serialized, .timeLimit(.minutes(5)))
struct HostsFileTests {
  private func find(_ text: String, _ name: String) throws -> HostsFile.Finding {
    HostsFile(parsing: Array(text.utf8)).find(try #require(DNSName(name)))
  }

  private static let text = """
    # 192.0.2.9 comment
    127.0.0.1\tlocalhost
    192.0.2.1 a.example b.example # c.example
    192.0.2.1 later.example
    nonsense d.example
    010.0.0.1 e.example
    fe80::1%lo link.example
    192.0.2.2
    ::1 localhost ip6-localhost\r
    2001:db8::1  Six.Example  a.example.
    192.0.2.3 3dprinter 42 my_host -odd a..b \\x.example 1.2.3.4 zo\u{e4}
    192.0.2.4 a.example
    ::ffff:192.0.2.5 mapped.example
    """

  @Test(
    "all lines with a name count, in either family, and digits may come first (RFC 1123 2.1)",
    arguments: [
      ("A.Example", ["192.0.2.1", "2001:db8::1", "192.0.2.4"]), ("b.example", ["192.0.2.1"]),
      ("later.example", ["192.0.2.1"]), ("localhost", ["127.0.0.1", "::1"]),
      ("ip6-localhost", ["::1"]), ("six.example", ["2001:db8::1"]), ("3dprinter", ["192.0.2.3"]),
      ("42", ["192.0.2.3"]), ("MY_HOST", ["192.0.2.3"]), ("-odd", ["192.0.2.3"]),
      ("mapped.example", ["192.0.2.5"]),
      ("1.2.3.4", ["192.0.2.3"]), ("zo\u{e4}", ["192.0.2.3"]),
    ])
  func found(_ name: String, _ addresses: [String]) throws {
    #expect(
      try find(Self.text, name) == .addresses(addresses.map { try #require(DNSAddress($0)) }))
  }

  @Test(
    "what is no name, no address or a comment is not there",
    arguments: [
      "c.example", "d.example", "e.example", "link.example", "comment", "x.a.example", "b",
    ])
  func missing(_ name: String) throws {
    #expect(try find(Self.text, name) == .missing)
  }

  @Test("what has names below it is there, too (RFC 8020 2)", arguments: ["example", "EXAMPLE."])
  func above(_ name: String) throws {
    #expect(try find(Self.text, name) == .above)
    #expect(try find("192.0.2.1 a.b.example", "b.example") == .above)
    #expect(try find("192.0.2.1 a.b.example\n192.0.2.2 b.example", "b.example") != .above)
  }

  @Test("an address has the first name of its first line")
  func reverse() throws {
    let file = HostsFile(parsing: Array(Self.text.utf8))
    #expect(file.name(of: .v4(0xC000_0201))?.displayed == "a.example")
    #expect(file.name(of: .v4(0xC000_0202)) == nil)
    #expect(file.name(of: .v6(0, 1))?.displayed == "localhost")
    #expect(try file.name(of: #require(DNSAddress("2001:db8::1")))?.displayed == "Six.Example")
    let late = HostsFile(parsing: Array("192.0.2.1\n192.0.2.1 a..b ok.example".utf8))
    #expect(late.name(of: .v4(0xC000_0201))?.displayed == "ok.example")
  }

  @Test("one name with thousands of addresses has 256")
  func bound() throws {
    let text = (0..<2000).map { "10.0.\($0 / 256).\($0 % 256) many.example\n" }.joined()
    guard case .addresses(let addresses) = try find(text, "many.example") else {
      Issue.record("not found")
      return
    }
    #expect(addresses.count == HostsFile.maximumAddresses)
  }

  @Test("a file of 100,000 random octets is nothing, and no trap")
  func noise() throws {
    for _ in 0..<5 {
      let bytes = (0..<20_000).map { _ in UInt8.random(in: .min ... .max) }
      _ = HostsFile(parsing: bytes).find(.root)
    }
  }

  /// As those that block advertisements.
  private func long(_ names: Int, _ rest: String) -> String {
    (0..<names).map { "0.0.0.0 ads\($0).blocked.example\n" }.joined() + rest
  }

  @Test(
    "a long file is read beside the loop: questions are answered meanwhile, the new names' too",
    .timeLimit(.minutes(2)))
  func longFile() throws {
    let host = try TestHost()
    let server = try TestServer(host) { query, _ in [reply(query, .noError, [mail])] }
    let file = try TemporaryFile(long(30_000, ""))
    let plugin = try makePlugin(
      host, [:], order: .standard, servers: [try server.serverAddress], hosts: file.path
    ) { name, _ in name == "new.example" ? .found([[192, 0, 2, 9]]) : .noName }
    func address(_ name: String) throws -> [String] {
      try host.answer(plugin, query(name, .a))?.answers.map { "\($0.data)" } ?? []
    }
    // The C library, which reads the file itself, is asked as long as it is being read here.
    #expect(plugin.files.find(try #require(DNSName("ads1.blocked.example"))) == .unknown)
    #expect(try address("new.example") == ["192.0.2.9"])
    #expect(try host.answer(plugin, query("a.example", .mx))?.answers.count == 1)
    let name = try #require(DNSName("ads29999.blocked.example"))
    #expect(host.run(plugin, for: 60_000, until: { plugin.files.find(name) != .unknown }))
    #expect(try address("ads29999.blocked.example") == ["0.0.0.0"])

    // Another one, and again while that is read: the last one counts.
    try file.write(long(30_000, "192.0.2.1 one.example\n"))
    plugin.onEvent(LND_EVENT_NETWORK_CHANGED)
    #expect(plugin.files.find(name) == .unknown)
    try file.write(long(30_001, "192.0.2.2 two.example\n"))
    plugin.onEvent(LND_EVENT_NETWORK_CHANGED)
    #expect(host.run(plugin, for: 60_000, until: { plugin.files.find(name) != .unknown }))
    #expect(try address("two.example") == ["192.0.2.2"])
    #expect(plugin.files.find(try #require(DNSName("one.example"))) == .missing)
  }
}
