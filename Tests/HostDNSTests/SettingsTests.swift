// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import LibC
import LimaNetdSDK
import PluginAPI
import Testing

@testable import HostDNSCore

@Suite("Options, resolv.conf and what follows from it", .timeLimit(.minutes(5)))
struct SettingsTests {
  @Test(
    "options that cannot work are named by their JSON pointer",
    arguments: [
      ("{\"timeout\":0}", "/timeout"), ("{\"attempts\":99}", "/attempts"),
      ("{\"ipv6\":1}", "/ipv6"), ("{\"workers\":\"8\"}", "/workers"), ("{\"ttl\":-1}", "/ttl"),
      ("{\"resolver\":\"off\"}", "/resolver"),
      ("{\"resolvConf\":\"resolv.conf\"}", "/resolvConf"),
      ("{\"servers\":[\"dns.google\"]}", "/servers/0"),
      ("{\"servers\":[\"192.0.2.1\",\"192.0.2.1:0\"]}", "/servers/1"),
      ("{\"servers\":[\"192.0.2.1\",\"1.1.1.1:99999\"]}", "/servers/1"),
      ("{\"servers\":\"192.0.2.1\"}", "/servers"),
      ("{\"servers\":[1]}", "/servers/0"), ("{\"fallback\":[\"x\"]}", "/fallback/0"),
    ])
  func invalid(_ text: String, _ pointer: String) throws {
    let options = try Options(parsing: text)
    let failure = #expect(throws: PluginFailure.self) { try HostDNSSettings(options) }
    #expect(failure?.jsonPointer == pointer)
    #expect(failure?.status == LND_ERR_INVALID_CONFIG)
  }

  @Test(
    "servers may carry a port and a zone",
    arguments: [
      ("192.0.2.53", "192.0.2.53"), ("192.0.2.53:5353", "192.0.2.53:5353"),
      ("2001:db8::53", "2001:db8::53"), ("[2001:db8::53]:5353", "[2001:db8::53]:5353"),
      ("[::1]", "::1"), ("fe80::1%eth0", "fe80::1%eth0"), ("[fe80::1%2]:54", "[fe80::1%2]:54"),
    ])
  func servers(_ text: String, _ expected: String) {
    #expect(ServerAddress(text)?.description == expected)
  }

  @Test(
    "what is no server is refused",
    arguments: [
      "", "x", "192.0.2.53:", "192.0.2.53:0", "192.0.2.53%eth0", "[192.0.2.53]:53", "[::1",
      "[::1]x",
      "::1%", "[::1]:", "192.0.2.53:+1",
    ])
  func noServer(_ text: String) {
    #expect(ServerAddress(text) == nil)
  }

  @Test("resolv.conf is read as the C library reads it")
  func resolvConf() {
    let text = """
      # comment
      ; comment
      search example.com
      nameserver 192.0.2.1
      nameserver\t2001:db8::1  # trailing
       nameserver 192.0.2.9
      nameserverx 192.0.2.8
      nameserver nonsense
      nameserver 192.0.2.7:53
      nameserver
      options edns0 trust-ad
      nameserver fe80::1%lo
      nameserver 192.0.2.4
      """
    let servers = ResolvConf(parsing: Array(text.utf8)).servers
    // A blank before the keyword makes the line none: 192.0.2.9 is not asked.
    #expect(servers.map(\.description) == ["192.0.2.1", "2001:db8::1", "fe80::1%lo"])
    #expect(ResolvConf(parsing: []).servers.isEmpty)
    #expect(ResolvConf(parsing: Array(repeating: 0xFF, count: 100_000)).servers.isEmpty)
  }

  @Test(
    "a changed resolv.conf counts from the next question on; without servers it is SERVFAIL at once"
  )
  func follows() throws {
    let path = "/tmp/hostdns-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    defer { unlink(path) }
    let host = try TestHost()
    let plugin = try makePlugin(host, ["resolvConf": .string(path)])
    #expect(try host.answer(plugin, query("x.example", .mx))?.responseCode == .serverFailure)
    var text = "nameserver 127.0.0.1\n"
    try writeFile(path, text)
    let op = host.ask(plugin, try query("x.example", .mx))
    plugin.cancel(op)
    plugin.status(1)
    #expect(host.written.contains("\"servers\":[\"127.0.0.1\"]"))
    text = "nameserver 127.0.0.1\nnameserver ::1\n"
    try writeFile(path, text)
    plugin.onEvent(LND_EVENT_NETWORK_CHANGED)
    plugin.status(1)
    #expect(host.written.contains("\"servers\":[\"127.0.0.1\",\"::1\"]"))
    unlink(path)
    #expect(try host.answer(plugin, query("x.example", .mx))?.responseCode == .serverFailure)
  }

  @Test("servers that a system puts in front of resolv.conf's are asked, and read anew with it")
  func preferredServers() throws {
    let path = "/tmp/lnd-preferred-\(UInt32.random(in: .min ... .max))"
    defer { unlink(path) }
    func write(_ text: String) throws {
      let file = try #require(fopen(path, "w"))
      fputs(text, file)
      fclose(file)
    }
    try write("nameserver 192.0.2.1\n")
    var preferred = [try #require(ServerAddress("192.0.2.99"))]
    let files = HostFiles(resolvConf: path, fallback: [], order: .standard) { preferred }
    _ = files.refresh(force: true, now: 0)
    #expect(files.servers.map(\.description) == ["192.0.2.99"] && files.source == .preferred)
    preferred = []
    _ = files.refresh(force: false, now: 1_000_000)
    #expect(files.servers.map(\.description) == ["192.0.2.99"])
    try write("nameserver 192.0.2.22\nnameserver 192.0.2.3\n")
    let isChanged = files.refresh(force: false, now: 2_000_000)
    #expect(isChanged)
    #expect(files.servers.map(\.description) == ["192.0.2.22", "192.0.2.3"])
  }

  @Test("the built-in schema is schema.json, and its defaults are the plugin's")
  func schema() throws {
    let file = try #require(fopen(sourceFolder + "/../../Plugins/hostdns/schema.json", "r"))
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = fread(&bytes, 1, bytes.count, file)
    #expect(String(decoding: bytes[..<count], as: UTF8.self) == hostDNSSchema + "\n")
    let properties = try #require(try JSONValue(parsing: hostDNSSchema)["properties"])
    let defaults = try HostDNSSettings(Options())
    // Without them it is the host that decides.
    for option in ["timeout", "attempts", "fallback"] {
      #expect(properties[option] != nil && properties[option]?["default"] == nil)
    }
    #expect(defaults.timeout == nil && defaults.attempts == nil && defaults.fallback == nil)
    #expect(properties["ipv6"]?["default"] == .bool(defaults.ipv6))
    #expect(properties["workers"]?["default"] == JSONValue(defaults.workers))
    #expect(properties["ttl"]?["default"] == JSONValue(defaults.timeToLive))
    #expect(properties["resolver"]?["default"] == .string("system"))
    #expect(!defaults.forwardsAll)
    #expect(properties["resolvConf"]?["default"] == .string(defaults.resolvConf))
  }

  private var sourceFolder: String {
    String(#filePath.prefix(upTo: #filePath.lastIndex(of: "/") ?? #filePath.endIndex))
  }
}
