// SPDX-License-Identifier: Apache-2.0

import HostProtocol
import Platform
import TestSupport
import Testing

@testable import Daemon

@Suite("Registry", .timeLimit(.minutes(5)))
struct RegistryTests {
  func file(_ path: String, kind: String = "network", name: String, modes: [String] = [])
    -> Inspection
  {
    Inspection(
      file: path, sha256: "aa",
      module: Inspection.Module(id: "t.\(name)", version: "1", license: "x", url: "", abiMinor: 0),
      plugins: [
        Inspection.Plugin(
          kind: kind, name: name, summary: "", modes: modes, isolated: true, schema: nil,
          extensions: [])
      ])
  }

  func level(_ directory: String, _ files: [Inspection], builtin: Bool = false) -> PluginLevel {
    PluginLevel(directory: directory, builtin: builtin, files: files)
  }

  func message(_ body: () throws(RegistryError) -> RegisteredPlugin) -> String {
    do { return try body().file } catch { return error.description }
  }

  @Test func `an earlier directory comes first, and the later one is told to be shadowed`() {
    let registry = Registry(levels: [
      level("/a", [file("/a/lima-net-mine.so", name: "mine", modes: ["slirp"])]),
      level("/b", [file("/b/lima-net-slirp.so", name: "slirp", modes: ["slirp"])], builtin: true),
    ])
    #expect(
      message { () throws(RegistryError) in try registry.networkPlugin(mode: "slirp", pin: nil) }
        == "/a/lima-net-mine.so")
    #expect(
      registry.warnings == [
        "mode slirp of /b/lima-net-slirp.so is shadowed by /a/lima-net-mine.so, which comes first"
      ])
    #expect(
      registry.report.modes == [
        ModeReport(mode: "slirp", plugin: "mine", file: "/a/lima-net-mine.so")
      ])
    #expect(registry.report.files.map(\.shadowedBy) == [nil, "/a/lima-net-mine.so"])
    #expect(
      message { () throws(RegistryError) in
        try registry.networkPlugin(mode: "slirp", pin: .name("slirp"))
      }
        == "/b/lima-net-slirp.so")
  }

  @Test func `a privilege that no plugin gets is told`() {
    var asking = file("/a/lima-net-x.so", name: "x", modes: ["x"])
    asking.plugins?[0].schema = #"{"type":"object","x-capabilities":["net_admin","sys_admin"]}"#
    let registry = Registry(levels: [level("/a", [asking])])
    #expect(
      registry.warnings == [
        "plugin x of /a/lima-net-x.so asks for sys_admin (x-capabilities), which no plugin gets: its process runs without"
      ])
  }

  @Test func `two claimants in one directory are an error that names both`() {
    let registry = Registry(levels: [
      level(
        "/a",
        [
          file("/a/lima-net-x.so", name: "x", modes: ["m", "only"]),
          file("/a/lima-net-y.so", name: "y", modes: ["m"]),
        ])
    ])
    #expect(
      message { () throws(RegistryError) in try registry.networkPlugin(mode: "m", pin: nil) }
        == "/a/lima-net-x.so and /a/lima-net-y.so both claim mode `m`: remove one, or pin one with `plugin:`"
    )
    #expect(
      message { () throws(RegistryError) in try registry.networkPlugin(mode: "only", pin: nil) }
        == "/a/lima-net-x.so")
    #expect(
      message { () throws(RegistryError) in try registry.networkPlugin(mode: "m", pin: .name("y")) }
        == "/a/lima-net-y.so")
    #expect(registry.report.errors.count == 1)
  }

  @Test func `an unclaimed mode lists those there are`() {
    let registry = Registry(levels: [
      level(
        "/a",
        [
          file("/a/lima-net-x.so", name: "x", modes: ["shared", "host"]),
          Inspection(file: "/a/lima-net-z.so", reason: .notELF, detail: "it is no shared library"),
        ])
    ])
    #expect(
      message { () throws(RegistryError) in try registry.networkPlugin(mode: "bridged", pin: nil) }
        == "no plugin claims mode `bridged`: there are host, shared; not loaded: lima-net-z.so")
    #expect(
      message { () throws(RegistryError) in
        try Registry(levels: []).networkPlugin(mode: "m", pin: nil)
      }
        == "no plugin claims mode `m`: there is no network plugin at all (see --plugin-dir)")
  }

  @Test func `a broken file is not silently replaced by a later one of its name`() {
    let registry = Registry(levels: [
      level(
        "/a",
        [Inspection(file: "/a/liblima-net-slirp.so", reason: .notELF, detail: "it is cut off")]),
      level(
        "/b", [file("/b/liblima-net-slirp.so", name: "slirp", modes: ["slirp"])], builtin: true),
    ])
    #expect(
      message { () throws(RegistryError) in try registry.networkPlugin(mode: "slirp", pin: nil) }
        == "/a/liblima-net-slirp.so cannot be loaded: it is cut off")
    #expect(registry.warnings == ["/a/liblima-net-slirp.so is not loaded: it is cut off"])
  }

  @Test func `DNS plugins go by name, hostdns if none is named`() {
    let registry = Registry(levels: [
      level(
        "/a",
        [
          file("/a/lima-dns-hostdns.so", kind: "dns", name: "hostdns"),
          file("/a/lima-dns-c.so", kind: "dns", name: "cache"),
        ])
    ])
    #expect(
      message { () throws(RegistryError) in try registry.dnsPlugin(pin: nil) }
        == "/a/lima-dns-hostdns.so")
    #expect(
      message { () throws(RegistryError) in try registry.dnsPlugin(pin: .name("cache")) }
        == "/a/lima-dns-c.so")
    #expect(
      message { () throws(RegistryError) in try registry.dnsPlugin(pin: .name("cach")) }
        == "no DNS plugin is called `cach`: there are cache, hostdns; did you mean `cache`?")
    #expect(
      message { () throws(RegistryError) in
        try registry.networkPlugin(mode: "m", pin: .name("cache"))
      }
        == "no network plugin is called `cache`: there is none")
  }

  @Test func `a pin by path takes that file`() {
    let registry = Registry(
      levels: [], pinned: ["/x/p.so": file("/x/p.so", name: "p", modes: ["q"])])
    #expect(
      message { () throws(RegistryError) in
        try registry.networkPlugin(mode: "m", pin: .file("/x/p.so"))
      } == "/x/p.so")
    #expect(
      message { () throws(RegistryError) in
        try registry.networkPlugin(mode: "m", pin: .file("/x/q.so"))
      }
        == "/x/q.so cannot be loaded: there is no such file")
    #expect(
      message { () throws(RegistryError) in try registry.dnsPlugin(pin: .file("/x/p.so")) }
        == "/x/p.so has no DNS plugin that fits")
  }

  @Test(
    arguments: [
      ("lima-net-slirp.so", "network slirp"), ("liblima-dns-hostdns.so", "dns hostdns"),
      ("lima-net-.so", nil),
      ("lima-net-x.so.1", nil), ("net-x.so", nil), ("lima-net-a-b.so", "network a-b"),
    ] as [(String, String?)])
  func `plugin files are known by their names`(name: String, meaning: String?) {
    #expect(PluginFileName(name).map { "\($0.kind) \($0.name)" } == meaning)
  }
}

@Suite("Plugin files", .serialized, .ownThread, .timeLimit(.minutes(5)))
struct PluginFileTests {
  @Test(.enabled(if: CurrentProcess.isRoot, "needs root"))
  func `a world-writable plugin is refused by name`() throws {
    let fixture = try Fixture()
    _ = try? ChildProcess.wait(
      ChildProcess.spawn("/bin/chmod", ["o+w", fixture.plugins + "/lima-net-fake.so"]))
    let registry: Registry = try fixture.value { await fixture.supervisor.plugins.refresh() }
    #expect(throws: RegistryError.self) { () throws in
      try registry.networkPlugin(mode: "fake", pin: nil)
    }
    #expect(
      registry.warnings.contains { $0.contains("chmod o-w \(fixture.plugins)/lima-net-fake.so") })
    _ = try? ChildProcess.wait(
      ChildProcess.spawn("/bin/chmod", ["o-w", fixture.plugins + "/lima-net-fake.so"]))
    let mended: Registry = try fixture.value { await fixture.supervisor.plugins.refresh() }
    #expect(throws: Never.self) { () throws in try mended.networkPlugin(mode: "fake", pin: nil) }
  }

  @Test func `a file that crashes or prints nonsense when inspected is that file's error`() throws {
    let fixture = try Fixture(start: false)
    try Fixture.write(fixture.plugins + "/lima-net-crash.so", "CRASH")
    try Fixture.write(fixture.plugins + "/lima-net-words.so", "words")
    try fixture.supervisor.start()
    let report: PluginsReport = try fixture.value { await fixture.supervisor.pluginsReport() }
    let reasons = report.files.map { $0.inspection.reason?.rawValue }
    #expect(reasons == [nil, "crashed", nil, "load-failed"])
    #expect(report.files[1].inspection.detail?.contains("killed by SIGSEGV") == true)
    #expect(report.modes.map(\.mode) == ["fake"])
  }

  @Test func `a file that hangs when inspected is given up after 5 s`() throws {
    let fixture = try Fixture(start: false)
    try Fixture.write(fixture.plugins + "/lima-net-hang.so", "HANG")
    try fixture.supervisor.start()
    let report: PluginsReport = try fixture.value { await fixture.supervisor.pluginsReport() }
    #expect(report.files.last?.inspection.reason == .timeout)
  }

  @Test func `a file whose entry forks keeps nobody waiting, and what it started ends`() throws {
    let fixture = try Fixture(start: false)
    try Fixture.write(fixture.plugins + "/lima-net-fork.so", "FORK")
    try fixture.supervisor.start()
    let report: PluginsReport = try fixture.value { await fixture.supervisor.pluginsReport() }
    #expect(report.modes.map(\.mode) == ["fake"])
    let fork = report.files.first { $0.inspection.file.contains("fork") }?.inspection
    #expect(fork?.reason == .loadFailed)
    let text = try Files.read(fixture.plugins + "/forked", limit: 64)
    let child = try #require(Int32(String(decoding: text, as: UTF8.self)))
    #expect(eventually { OtherProcess.arguments(child).isEmpty })
  }

  @Test func `what a network does not need keeps it from starting for a second at most`() throws {
    let fixture = try Fixture()
    var held: [Promise<Inspection, Never>] = []
    var patience: (() -> Void)?
    let good = Inspection(
      file: fixture.plugins + "/lima-net-fake.so", sha256: "aa",
      module: Inspection.Module(id: "t", version: "1", license: "x", url: "", abiMinor: 0),
      plugins: [
        Inspection.Plugin(
          kind: "network", name: "fake", summary: "", modes: ["fake"], isolated: true, schema: nil,
          extensions: [])
      ])
    let catalog = PluginCatalog(
      directories: [PluginDirectory(path: fixture.plugins, builtin: false)], asRoot: false,
      log: fixture.supervisor.log, actor: fixture.supervisor.actor, after: { patience = $1 },
      inspect: { path in
        if path.contains("fake") { return good }
        let answer = Promise<Inspection, Never>()
        held.append(answer)
        return await answer.value()
      })
    var early: Registry?
    var whole: Registry?
    fixture.supervisor.actor.begin {
      early = await catalog.refresh { (try? $0.networkPlugin(mode: "fake", pin: nil)) != nil }
    }
    fixture.supervisor.actor.begin {
      whole = await catalog.refresh { (try? $0.dnsPlugin(pin: nil)) != nil }
    }
    #expect(fixture.until { held.count == 1 })
    #expect(early == nil && whole == nil)
    patience?()
    #expect(fixture.until { early != nil })
    #expect(whole == nil)
    #expect(early?.warnings.contains { $0.contains("has not returned yet") } == true)
  }

  @Test func `files are inspected again only when they change`() throws {
    let fixture = try Fixture()
    var inspected: [String] = []
    let catalog = PluginCatalog(
      directories: [
        PluginDirectory(path: fixture.plugins, builtin: false),
        PluginDirectory(path: fixture.root + "/same", builtin: true),
      ], asRoot: false, log: fixture.supervisor.log,
      actor: fixture.supervisor.actor,
      inspect: { path in
        inspected.append(String(path.split(separator: "/").last ?? ""))
        return Inspection(file: path, reason: .notELF, detail: "no")
      })
    // The same directory by another name is no second claimant.
    _ = try ChildProcess.wait(
      ChildProcess.spawn("/bin/ln", ["-s", fixture.plugins, fixture.root + "/same"]))
    let _: Registry = try fixture.value { await catalog.refresh() }
    #expect(inspected.sorted() == ["lima-dns-hostdns.so", "lima-net-fake.so"])
    let _: Registry = try fixture.value { await catalog.refresh() }
    #expect(inspected.count == 2)
    try Fixture.write(fixture.plugins + "/lima-net-fake.so", "another")
    let _: Registry = try fixture.value { await catalog.refresh() }
    #expect(inspected.count == 3)
  }
}

@Suite("Launch plan", .timeLimit(.minutes(5)))
struct LaunchPlanTests {
  func plan(_ body: String, schema: String?) throws -> LaunchPlan {
    let text = "networks:\n  lab:\n    mode: m\n" + body
    let configuration = try ConfigDecoder.decode(
      Array(text.utf8), file: "n.yaml", homeDirectory: "/")
    let network = try #require(configuration.networks.first { $0.name == "lab" })
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
        files: [file("network", "net", ["m"], schema), file("dns", "hostdns", [], nil)])
    ])
    return try LaunchPlan(network: network, registry: registry, configFile: "n.yaml")
  }

  func message(_ body: String, schema: String?) -> String {
    do {
      _ = try plan(body, schema: schema)
      return ""
    } catch {
      return "\(error)"
    }
  }

  @Test func `Lima's keys become options where the schema names them`() throws {
    let schema =
      #"{"properties": {"gateway": {"format": "ipv4"}, "netmask": {}, "mtu": {"default": 1500}}}"#
    let plan = try plan("    gateway: 10.0.0.1\n    dhcpEnd: 10.0.0.9\n", schema: schema)
    #expect(plan.options == ["gateway": "10.0.0.1", "netmask": "255.255.255.0", "mtu": 1500])
    #expect(plan.spec(stateDirectory: "/s").mtu == 1500)
    #expect(plan.warnings == ["networks.lab.dhcpEnd has no effect: plugin net does not use it"])
  }

  @Test func `misfits are told by their place in the file`() {
    let schema =
      #"{"properties": {"gateway": {"const": "10.0.0.2"}, "mtu": {"type": "integer", "maximum": 9}}, "required": ["mtu"]}"#
    #expect(
      message("    options: {mtu: 10}\n", schema: schema)
        == "n.yaml:4:20: networks.lab.options.mtu: must be at most 9 (plugin net)")
    #expect(
      message("    options:\n      mut: 1\n", schema: schema)
        == """
        n.yaml:5:7: networks.lab.options.mut: unknown option: did you mean `mtu`? (plugin net)
        n.yaml:5:7: networks.lab.options: `mtu` is missing: add it (plugin net)
        """)
    #expect(
      message("    gateway: 10.0.0.1\n    options: {mtu: 1}\n", schema: schema)
        == "n.yaml:4:14: networks.lab.gateway: must be 10.0.0.2 (plugin net)")
    #expect(
      message("    options: {mtu: 1}\n", schema: nil)
        == "n.yaml:4:15: networks.lab.options.mtu: unknown option: this plugin takes none (plugin net)"
    )
    #expect(
      message("    dns: {options: {ttl: 1}}\n", schema: #"{"type":"object"}"#)
        == "n.yaml:4:21: networks.lab.dns.options.ttl: unknown option: this plugin takes none (plugin hostdns)"
    )
    #expect(
      message("", schema: #"{"properties": {"gateway": {}}, "required": ["gateway"]}"#)
        == "n.yaml:2:3: networks.lab.options: `gateway` is missing: add it (plugin net)")
  }
}
