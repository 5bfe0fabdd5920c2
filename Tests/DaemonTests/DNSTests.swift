// SPDX-License-Identifier: Apache-2.0
//
// `dns:` of networks.yaml, and what becomes of a running network when it changes.

import HostProtocol
import Platform
import Testing

@testable import Daemon

@Suite("dns in networks.yaml", .timeLimit(.minutes(5)))
struct DNSConfigTests {
  func decode(_ text: String) throws(ConfigError) -> [String: NetworkConfiguration] {
    let configuration = try ConfigDecoder.decode(
      Array(text.utf8), file: "n.yaml", homeDirectory: "/home/u")
    var networks: [String: NetworkConfiguration] = [:]
    for network in configuration.networks { networks[network.name] = network }
    return networks
  }

  func errors(_ text: String) -> [String] {
    do {
      _ = try decode(text)
      return []
    } catch {
      return error.description.split(separator: "\n").map(String.init)
    }
  }

  @Test func `what is at the top holds for every network, built-in ones too`() throws {
    let networks = try decode(
      """
      dns:
        plugin: cache
        options: {ttl: 60}
        ipv6: false
        servers: [192.0.2.53]
        hosts: {db.internal: 10.0.0.5}
      networks:
        lab: {mode: slirp}
      """)
    for name in ["default", "user-v2", "lab"] {
      let network = try #require(networks[name])
      #expect(network.settings.dns == .name("cache"))
      #expect(network.settings.dnsOptions == ["ttl": 60])
      #expect(network.settings.dnsIPv6 == false)
      #expect(network.settings.dnsServers == ["192.0.2.53"])
      #expect(network.hosts == ["db.internal": ["10.0.0.5"]])
    }
  }

  @Test func `a network's own wins, key by key`() throws {
    let networks = try decode(
      """
      dns: {plugin: cache, options: {ttl: 60}, ipv6: false, hosts: {a.b: 10.0.0.1, c.d: 10.0.0.2}}
      networks:
        plugin: {mode: slirp, dns: hostdns}
        options: {mode: slirp, dns: {options: {ttl: 1}}}
        hosts: {mode: slirp, dns: {ipv6: true, hosts: {a.b: [10.0.0.9, 'fd00::9'], x.y: c.d}}}
      """)
    let plugin = try #require(networks["plugin"])
    #expect(plugin.settings.dns == .name("hostdns") && plugin.settings.dnsOptions == [:])
    #expect(!plugin.settings.dnsIPv6)
    let options = try #require(networks["options"])
    #expect(options.settings.dns == .name("cache") && options.settings.dnsOptions == ["ttl": 1])
    let hosts = try #require(networks["hosts"])
    #expect(hosts.settings.dnsOptions == ["ttl": 60] && hosts.settings.dnsIPv6)
    #expect(
      hosts.hosts == ["a.b": ["10.0.0.9", "fd00::9"], "c.d": ["10.0.0.2"], "x.y": ["c.d"]])
  }

  @Test(arguments: [
    (
      "hosts: {a..b: 10.0.0.1}",
      "n.yaml:1:15: dns.hosts.a..b: `a..b` is no domain name: labels have 1 to 63 characters and no blanks, a name 253 at most"
    ),
    (
      "hosts: {a.b: 10.0.0.300}",
      "n.yaml:1:20: dns.hosts.a.b: `10.0.0.300` is neither an address nor a domain name: write 192.0.2.1, fd00::1 or the other name"
    ),
    (
      "hosts: {a.b: [10.0.0.1, c.d]}",
      "n.yaml:1:20: dns.hosts.a.b: `c.d` is no address: of several, each has to be one; an alias stands alone"
    ),
    (
      "hosts: [a.b]",
      "n.yaml:1:14: dns.hosts: must be a mapping of names to addresses or names, not a list"
    ),
    ("ipv6: perhaps", "n.yaml:1:13: dns.ipv6: must be true or false, not a single value"),
    (
      "servers: 192.0.2.1",
      "n.yaml:1:16: dns.servers: must be a list of servers, not a single value"
    ),
    ("host: {}", "n.yaml:1:7: dns.host: unknown key: did you mean `hosts`?"),
  ])
  func `mistakes are told by their place`(text: String, message: String) {
    #expect(errors("dns: {\(text)}") == [message])
  }

  private func plan(_ text: String, schema: String?) throws -> LaunchPlan {
    func file(_ kind: String, _ name: String, _ modes: [String], _ schema: String?) -> Inspection {
      Inspection(
        file: "/p/\(name).so", sha256: "aa",
        module: Inspection.Module(id: "t", version: "1", license: "x", url: "", abiMinor: 0),
        plugins: [
          Inspection.Plugin(
            kind: kind, name: name, summary: "", modes: modes, isolated: true, schema: schema,
            extensions: [])
        ])
    }
    let registry = Registry(levels: [
      PluginLevel(
        directory: "/p", builtin: true,
        files: [
          file("network", "net", ["slirp"], nil), file("dns", "hostdns", [], schema),
        ])
    ])
    return try LaunchPlan(
      network: #require(try decode(text)["default"]), registry: registry, configFile: "n.yaml")
  }

  @Test func `servers become an option of the plugin that has it`() throws {
    let schema =
      #"{"properties": {"servers": {"items": {"type": "string", "pattern": "^[0-9.]+$"}}}}"#
    let good = try plan("dns: {servers: [192.0.2.53], ipv6: false}", schema: schema)
    #expect(good.dnsOptions == ["servers": ["192.0.2.53"]])
    #expect(good.dnsSpec.policy == DNSPolicy(ipv6: false))
    #expect(good.warnings.isEmpty)
    let without = try plan("dns: {servers: [192.0.2.53]}", schema: nil)
    #expect(
      without.warnings == [
        "networks.default.dns.servers has no effect: plugin hostdns does not use it"
      ])
    do {
      _ = try plan("dns:\n  servers: [192.0.2.53, x]", schema: schema)
      Issue.record("it is taken")
    } catch {
      #expect("\(error)".hasPrefix("n.yaml:2:25: networks.default.dns.servers.1: "))
    }
  }
}

@Suite("DNS of a running network", .serialized, .ownThread, .timeLimit(.minutes(5)))
struct DNSSwapTests {
  private func fixture(_ dns: String) throws -> Fixture {
    let fixture = try Fixture(config: Self.config(dns), start: false)
    for name in ["other", "sour", "fatal"] {
      try Fixture.write(
        fixture.plugins + "/lima-dns-\(name).so",
        Fixture.inspection(
          kind: "dns", name: name, modes: [],
          schema: #"{"properties": {"ttl": {"type": "integer"}, "taste": {}}}"#))
    }
    try fixture.supervisor.start()
    return fixture
  }

  private static func config(_ dns: String, options: String = "") -> String {
    "networks:\n  lab:\n    mode: fake\n    options: {\(options)}\n    dns: {\(dns)}\n"
  }

  private func reload(_ fixture: Fixture, _ dns: String, options: String = "") throws {
    try Fixture.write(fixture.home.configFile, Self.config(dns, options: options))
    fixture.reload()
  }

  @Test func `a change of dns alone is told to the process that runs`() throws {
    let fixture = try fixture("plugin: hostdns")
    let lab = try fixture.network()
    let guest = try fixture.connect()
    defer { Descriptor.close(guest) }
    fixture.until { lab.state == .running }
    let pid = lab.link?.pid
    try reload(fixture, "plugin: other, options: {ttl: 5}, ipv6: false")
    #expect(fixture.until { lab.active?.dns.plugin.name == "other" })
    #expect(fixture.requests().last == #"setDNS other {"ttl":5} ipv6 false"#)
    #expect(lab.state == .running && lab.link?.pid == pid && !lab.isChanged)
    #expect(lab.report(registry: nil).dns?.name == "other")
    // The same again is nothing to tell.
    try reload(fixture, "plugin: other, options: {ttl: 5}, ipv6: false")
    fixture.pass(0.2)
    #expect(fixture.requests().filter { $0.hasPrefix("setDNS") }.count == 1)
    // The next process begins with it.
    ChildProcess.kill(try #require(pid), 9)
    #expect(fixture.until { lab.state == .running && lab.link?.pid != pid })
    #expect(fixture.requests().contains("start fake other {} fds 1"))
  }

  @Test func `what needs another process waits, the DNS does not`() throws {
    let fixture = try fixture("plugin: hostdns")
    let lab = try fixture.network()
    let guest = try fixture.connect()
    defer { Descriptor.close(guest) }
    fixture.until { lab.state == .running }
    try reload(fixture, "plugin: other", options: "x: 1")
    #expect(fixture.until { lab.active?.dns.plugin.name == "other" })
    #expect(lab.isChanged && lab.state == .running)
  }

  @Test func `a plugin that cannot be leaves the one before, and the status says why`() throws {
    let fixture = try fixture("plugin: hostdns")
    let lab = try fixture.network()
    let guest = try fixture.connect()
    defer { Descriptor.close(guest) }
    fixture.until { lab.state == .running }
    try reload(fixture, "plugin: sour, options: {taste: 1}")
    #expect(fixture.until { lab.dns.error != nil })
    #expect(lab.state == .running && lab.active?.dns.plugin.name == "hostdns")
    let text = try #require(lab.report(registry: nil).error?.message)
    #expect(text.hasPrefix("its DNS is not changed, hostdns goes on: "), "\(text)")
    #expect(text.contains("networks.lab.dns.options.taste: is not to its taste (plugin sour)"))
    #expect(fixture.log.lines.all.contains { $0.contains("is not to its taste") })
    // One that is not there at all.
    try reload(fixture, "plugin: nothing")
    #expect(fixture.until { lab.dns.error?.message.contains("`nothing`") == true })
    // And back.
    try reload(fixture, "plugin: hostdns")
    #expect(fixture.until { lab.dns.error == nil })
    #expect(lab.report(registry: nil).error == nil && !lab.isChanged)
  }

  @Test
  func `a process that is started again has the DNS that answered last, and the status says so`()
    throws
  {
    let fixture = try fixture("plugin: other, options: {ttl: 5}")
    let lab = try fixture.network()
    let guest = try fixture.connect()
    defer { Descriptor.close(guest) }
    fixture.until { lab.state == .running }
    try reload(fixture, "plugin: sour, options: {taste: 1}")
    #expect(fixture.until { lab.dns.error != nil })
    for _ in 0..<2 {
      let pid = try #require(lab.link?.pid)
      let before = fixture.requests().count
      ChildProcess.kill(pid, 9)
      #expect(fixture.until { lab.state == .running && lab.link?.pid != pid })
      fixture.pass(0.2)
      // Nor is the other one tried again by itself: it may be what a process dies of.
      let after = fixture.requests()[before...]
      #expect(
        after.contains("start fake other {} fds 1") && !after.contains { $0.contains("sour") })
      #expect(lab.active?.dnsOptions == ["ttl": 5])
      let report = lab.report(registry: nil)
      #expect(report.dns?.name == "other")
      #expect(report.error?.message.hasPrefix("its DNS is not changed, other goes on: ") == true)
    }
    // Reread, it is; and what can be, is.
    try reload(fixture, "plugin: sour, options: {taste: 1}")
    #expect(fixture.until { fixture.requests().last?.hasPrefix("setDNS sour") == true })
    try reload(fixture, "plugin: hostdns")
    #expect(fixture.until { lab.active?.dns.plugin.name == "hostdns" && lab.dns.error == nil })
    #expect(!lab.isChanged)
  }

  @Test func `one that kills the process which changes to it is not begun with`() throws {
    let fixture = try fixture("plugin: other")
    let lab = try fixture.network()
    let guest = try fixture.connect()
    defer { Descriptor.close(guest) }
    fixture.until { lab.state == .running }
    let pid = lab.link?.pid
    try reload(fixture, "plugin: fatal")
    #expect(fixture.until { lab.state == .running && lab.link?.pid != pid })
    #expect(lab.active?.dns.plugin.name == "other")
    let text = try #require(lab.report(registry: nil).error?.message)
    #expect(
      text.contains("other goes on: its process ended while it changed to fatal ("), "\(text)")
    // At rest it is forgotten: the configuration holds again.
    try reload(fixture, "plugin: hostdns")
    #expect(fixture.until { lab.active?.dns.plugin.name == "hostdns" && lab.dns.error == nil })
  }

  @Test func `names are told at once, and to each new process`() throws {
    let fixture = try fixture("hosts: {a.b: 10.0.0.1}")
    let lab = try fixture.network()
    let guest = try fixture.connect()
    defer { Descriptor.close(guest) }
    fixture.until { lab.state == .running }
    #expect(fixture.until { fixture.requests().contains("names config a.b=10.0.0.1") })
    try reload(fixture, "hosts: {c.d: a.b}")
    #expect(fixture.until { fixture.requests().contains("names config c.d=a.b") })
    try fixture.supervisor.setNames(
      "lab", NameSet(owner: "vm", hosts: ["vm.internal": ["10.0.0.7"]]))
    #expect(!lab.isChanged)
    let before = fixture.requests().count
    let pid = try #require(lab.link?.pid)
    ChildProcess.kill(pid, 9)
    #expect(fixture.until { lab.state == .running && lab.link?.pid != pid })
    #expect(fixture.until { fixture.requests().last?.hasPrefix("names vm") == true })
    let after = fixture.requests()[before...]
    #expect(after.contains("names config c.d=a.b"))
    #expect(after.contains("names vm vm.internal=10.0.0.7"))
    // An owner that leaves takes its names along.
    try fixture.supervisor.setNames("lab", NameSet(owner: "vm"))
    #expect(fixture.until { fixture.requests().last == "names vm " })
  }

  @Test func `the cache is listed and flushed`() throws {
    let fixture = try fixture("plugin: hostdns")
    let lab = try fixture.network()
    let all = DNSCacheSelection()
    let none: Result<[DNSCacheReport], ErrorReport> = try fixture.result {
      try await lab.listDNSCache(all)
    }
    #expect(try none.get().isEmpty)
    let guest = try fixture.connect()
    defer { Descriptor.close(guest) }
    fixture.until { lab.state == .running }
    let kept: Result<[DNSCacheReport], ErrorReport> = try fixture.result {
      try await lab.listDNSCache(all)
    }
    // Two parts.
    #expect(try kept.get().map(\.name) == ["a.example", "b.example"])
    let flushed: Result<DNSFlushReport, ErrorReport> = try fixture.result {
      try await lab.flushDNSCache(all)
    }
    #expect(try flushed.get().forgotten == 3 && fixture.requests().last == "flush")
    let some: Result<DNSFlushReport, ErrorReport> = try fixture.result {
      try await lab.flushDNSCache(DNSCacheSelection(name: "a.example", below: true))
    }
    #expect(try some.get().network == "lab")
    #expect(fixture.requests().last == "flush a.example and below")
  }
}
