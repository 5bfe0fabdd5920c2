// SPDX-License-Identifier: Apache-2.0
//
// Instances that come up and go down, against a fake network-host.

import LibC
import Platform
import Testing

@testable import Daemon

@Suite("Instances", .serialized, .ownThread, .timeLimit(.minutes(5)))
struct InstanceTests {
  static let yaml = """
    networks: [{lima: user-v2}]
    ssh: {localPort: 0}
    hostResolver: {hosts: {my.host: 10.0.0.1, alias.host: my.host}}
    portForwards: [{guestPort: 80, hostPort: 18080, proto: tcp, static: true}]
    """

  func fixture(yaml: String = InstanceTests.yaml) throws -> (Fixture, String) {
    let fixture = try UsernetFilesTests.fixture { fixture in
      try Fixture.write(fixture.home.path + "/vm/lima.yaml", yaml)
      try Fixture.write(fixture.home.networkDirectory("user-v2") + "/fake-leases", "[]")
    }
    return (fixture, fixture.home.path + "/vm")
  }

  func up(_ fixture: Fixture, _ path: String) throws -> Result<InstanceReport, ErrorReport> {
    let asked = InstanceRequest(path: path)
    return try fixture.result { try await fixture.supervisor.instances.up(asked) }
  }

  /// Gives the guest of the instance a lease.
  func lease(_ fixture: Fixture, _ report: InstanceReport, _ address: String = "192.168.104.3")
    throws
  {
    try Fixture.write(
      fixture.home.networkDirectory("user-v2") + "/fake-leases",
      #"[{"address":"\#(address)","mac":"\#(report.interfaces[0].mac)","state":"bound"}]"#)
  }

  @Test func `forwards and names wait for the guest's address`() throws {
    let (fixture, path) = try fixture()
    let report = try up(fixture, path).get()
    #expect(report.name == "vm" && report.hostname == "lima-vm")
    #expect(report.interfaces.map(\.network) == ["user-v2"])
    #expect(report.sshLocalPort > 1024 && report.address == nil)
    #expect(report.forwards.map(\.state) == [.waiting, .waiting])
    // `forward ls` has them, too.
    let listed: Result<[Forward], ErrorReport> = try fixture.result {
      try await fixture.supervisor.forwards("user-v2")
    }
    #expect(
      try listed.get().filter {
        $0.reason == "instance vm has no address yet" && $0.state == .waiting
      }
      .count == 2)
    #expect(try fixture.network("user-v2").state == .running)
    #expect(
      fixture.until {
        fixture.requests("user-v2").contains(
          "names instance vm alias.host=my.host lima-vm.internal= my.host=10.0.0.1")
      })
    let guest = try fixture.connect("user-v2")
    defer { Descriptor.close(guest) }
    try lease(fixture, report)
    let ssh = "expose 127.0.0.1:\(report.sshLocalPort)"
    #expect(fixture.until { fixture.requests("user-v2").contains(ssh) })
    #expect(fixture.until { fixture.requests("user-v2").contains("expose 127.0.0.1:18080") })
    #expect(
      fixture.requests("user-v2").contains(
        "names instance vm alias.host=my.host lima-vm.internal=192.168.104.3 my.host=10.0.0.1"))
    let instances = fixture.supervisor.instances
    #expect(
      fixture.until { (try? instances.report("vm").forwards.map(\.state)) == [.open, .open] })
    let now = try instances.report("vm")
    #expect(now.address == "192.168.104.3")
    #expect(now.forwards.map(\.guest) == ["192.168.104.3:22", "192.168.104.3:80"])
    #expect(now.forwards.map(\.state) == [.open, .open])
    let zones = try fixture.ask(
      "GET", "/services/dns/all", at: fixture.home.networkSockets("user-v2").endpoint)
    #expect(zones.body.contains(#"{"Name":"lima-vm","IP":"192.168.104.3"}"#))
  }

  @Test func `an address that changes takes forwards and names along`() throws {
    let (fixture, path) = try fixture()
    let report = try up(fixture, path).get()
    try lease(fixture, report)
    let instances = fixture.supervisor.instances
    #expect(fixture.until { (try? instances.report("vm").address) == "192.168.104.3" })
    try lease(fixture, report, "192.168.104.9")
    try fixture.network("user-v2").leases.watch()
    #expect(fixture.until { (try? instances.report("vm").address) == "192.168.104.9" })
    #expect(
      fixture.until {
        (try? fixture.network("user-v2").forwards.open.compactMap(\.guest).sorted())
          == ["192.168.104.9:22", "192.168.104.9:80"]
      })
    // The lease ends: the name goes.
    try Fixture.write(fixture.home.networkDirectory("user-v2") + "/fake-leases", "[]")
    try fixture.network("user-v2").leases.watch()
    #expect(
      fixture.until {
        fixture.requests("user-v2").last
          == "names instance vm alias.host=my.host lima-vm.internal= my.host=10.0.0.1"
      })
  }

  // MARK: The resolver

  /// With a DNS plugin that has hostdns's options, and two instances.
  private func resolverFixture(_ first: String, _ second: String) throws -> Fixture {
    try UsernetFilesTests.fixture { fixture in
      try Fixture.write(
        fixture.plugins + "/lima-dns-hostdns.so",
        Fixture.inspection(
          kind: "dns", name: "hostdns", modes: [],
          schema: #"{"properties": {"resolver": {}, "servers": {}}}"#))
      for (name, text) in [("a", first), ("b", second)] {
        try Fixture.write(
          "\(fixture.home.path)/\(name)/lima.yaml", "networks: [{lima: user-v2}]\n\(text)\n")
      }
    }
  }

  @Test func `with the resolver off and no list the network's DNS forwards to the host's servers`()
    throws
  {
    let fixture = try resolverFixture(
      "hostResolver: {enabled: false, ipv6: false}", "hostResolver: {enabled: true}")
    let report = try up(fixture, fixture.home.path + "/a").get()
    #expect(report.warnings.isEmpty)
    let network = try fixture.network("user-v2")
    // The process begins with it.
    #expect(network.active?.dnsOptions == ["resolver": "forward"])
    #expect(network.active?.dnsSpec.policy.ipv6 == false && !network.isChanged)
    // One DNS for all guests: it does for none what not all of them ask.
    let other = try up(fixture, fixture.home.path + "/b").get()
    #expect(other.warnings.isEmpty)
    #expect(
      fixture.until { fixture.requests("user-v2").contains("setDNS hostdns {} ipv6 true") })
    #expect(
      try fixture.supervisor.instances.report("a").warnings == [
        "`hostResolver.enabled: false, hostResolver.ipv6: false` of this file is ignored: "
          + "network user-v2 has one DNS, and instance b set it otherwise"
      ])
    #expect(try fixture.ask("DELETE", "/v1/instances/b").status == 204)
    #expect(
      fixture.until {
        fixture.requests("user-v2").contains(#"setDNS hostdns {"resolver":"forward"} ipv6 false"#)
      })
    #expect(try fixture.supervisor.instances.report("a").warnings.isEmpty)
    network.demand.isPinned = true
    #expect(try fixture.ask("DELETE", "/v1/instances/a").status == 204)
    #expect(fixture.until { network.active?.dnsOptions == [:] && !network.isChanged })
  }

  @Test func `a list of servers is asked instead, and holds in a network that runs`() throws {
    let fixture = try resolverFixture("hostResolver: {enabled: false}\ndns: [192.0.2.53]", "")
    let network = try fixture.network("user-v2")
    network.start()
    #expect(fixture.until { network.state == .running })
    #expect(try up(fixture, fixture.home.path + "/a").get().warnings.isEmpty)
    #expect(
      fixture.until {
        fixture.requests("user-v2").contains(
          #"setDNS hostdns {"servers":["192.0.2.53"]} ipv6 true"#)
      })
    #expect(!fixture.log.lines.all.contains { $0.contains("has no effect") })
  }

  @Test func `networks.yaml and a plugin without the option go before, and the report says so`()
    throws
  {
    let fixture = try resolverFixture("hostResolver: {enabled: false}", "")
    try Fixture.write(fixture.home.configFile, "dns: {servers: [192.0.2.1]}\n")
    fixture.reload()
    let report = try up(fixture, fixture.home.path + "/a").get()
    #expect(
      report.warnings == [
        "hostResolver.enabled: false: no effect on network user-v2: networks.yaml has its own `dns`"
      ])
    let network = try fixture.network("user-v2")
    #expect(network.active?.dnsOptions == ["servers": ["192.0.2.1"]])
    let plain = try self.fixture(
      yaml: "hostResolver: {enabled: false}\nnetworks: [{lima: user-v2}]")
    #expect(
      try up(plain.0, plain.1).get().warnings == [
        "hostResolver.enabled: false: no effect on network user-v2: "
          + "its DNS plugin hostdns has no option for it"
      ])
  }

  @Test func `down takes away what up added, and nothing else`() throws {
    let (fixture, path) = try fixture()
    let report = try up(fixture, path).get()
    try lease(fixture, report)
    let network = try fixture.network("user-v2")
    #expect(fixture.until { network.forwards.open.count == 2 })
    _ = try fixture.result {
      try await network.forwards.add(
        Forward(protocol: "tcp", host: "127.0.0.1:19000", guest: "192.168.104.3:9"))
    }.get()
    #expect(network.demand.isHeld && Files.exists(fixture.home.instancesFile))
    #expect(try fixture.ask("DELETE", "/v1/instances/vm").status == 204)
    #expect(fixture.until { network.forwards.open.map(\.host) == ["127.0.0.1:19000"] })
    #expect(fixture.until { fixture.requests("user-v2").contains("names instance vm ") })
    #expect(!network.demand.isHeld && !Files.exists(fixture.home.instancesFile))
    let again = try fixture.ask("DELETE", "/v1/instances/vm")
    #expect(again.status == 404 && again.body.contains("no instance `vm` is up"))
  }

  @Test func `up again keeps the SSH port and follows the file`() throws {
    let (fixture, path) = try fixture()
    let first = try up(fixture, path).get()
    try lease(fixture, first)
    let network = try fixture.network("user-v2")
    #expect(fixture.until { network.forwards.open.count == 2 })
    try Fixture.write(path + "/lima.yaml", "networks: [{lima: user-v2}]\n")
    let second = try up(fixture, path).get()
    #expect(second.sshLocalPort == first.sshLocalPort)
    #expect(second.address == "192.168.104.3" && second.since == first.since)
    #expect(fixture.until { network.forwards.open.count == 1 })
    #expect(network.forwards.open[0].host == "127.0.0.1:\(first.sshLocalPort)")
    #expect(fixture.until { fixture.requests("user-v2").last == "unexpose 127.0.0.1:18080" })
    // What stays was never closed.
    #expect(!fixture.requests("user-v2").contains("unexpose 127.0.0.1:\(first.sshLocalPort)"))
  }

  @Test func `up again with a file that cannot be leaves what runs as it is`() throws {
    let (fixture, path) = try fixture()
    let first = try up(fixture, path).get()
    try lease(fixture, first)
    let network = try fixture.network("user-v2")
    #expect(fixture.until { network.forwards.open.count == 2 })
    let before = fixture.requests("user-v2")
    // The network `default` has no plugin here.
    for text in ["networks: [{lima: default}]\n", "networks: [{lima: user-v2}, {lima: default}]\n"]
    {
      try Fixture.write(path + "/lima.yaml", text)
      #expect(throws: ErrorReport.self) { try up(fixture, path).get() }
      #expect(fixture.supervisor.instances.reports.map(\.name) == ["vm"])
      #expect(try fixture.supervisor.instances.report("vm").address == "192.168.104.3")
      #expect(network.forwards.open.count == 2 && network.demand.isHeld)
      #expect(network.demand.holders == ["instance vm"])
    }
    // Nothing was taken away and given back, and it is followed still.
    fixture.pass(0.2)
    #expect(fixture.requests("user-v2") == before)
    try lease(fixture, first, "192.168.104.7")
    network.leases.watch()
    #expect(
      fixture.until { (try? fixture.supervisor.instances.report("vm").address) == "192.168.104.7" })
    #expect(Files.exists(fixture.home.instancesFile))
  }

  @Test func `a forward that is asked for twice is noted once`() throws {
    let rule = "{guestPort: 80, hostPort: 18080, static: true}"
    let other = "{guestPort: 81, hostPort: 18080, static: true}"
    let (fixture, path) = try fixture(
      yaml: "networks: [{lima: user-v2}]\nportForwards: [\(rule), \(rule)]\n")
    let same = try up(fixture, path).get()
    #expect(
      same.warnings == [
        "portForwards: tcp and udp 127.0.0.1:18080 are asked for twice, for the same port of the guest: once is enough"
      ])
    #expect(same.forwards.map(\.protocol) == ["tcp", "tcp", "udp"])
    try Fixture.write(
      path + "/lima.yaml", "networks: [{lima: user-v2}]\nportForwards: [\(rule), \(other)]\n")
    let two = try up(fixture, path).get()
    #expect(
      two.warnings == [
        "portForwards: tcp and udp 127.0.0.1:18080 are asked for twice: of each only one of the two can be open, "
          + "the other waits until it is free"
      ])
    let guest = try fixture.connect("user-v2")
    defer { Descriptor.close(guest) }
    try lease(fixture, two)
    try fixture.network("user-v2").leases.watch()
    #expect(
      fixture.until {
        (try? fixture.supervisor.instances.report("vm").forwards.map(\.state))
          == [.open, .open, .open, .waiting, .waiting]
      })
    #expect(
      try fixture.supervisor.instances.report("vm").forwards.last?.reason?
        .contains("forwards udp 127.0.0.1:18080 already, to 192.168.104.3:80 (for instance vm)")
        == true)
  }

  @Test func `instances are up again after the daemon`() throws {
    let (fixture, path) = try fixture()
    let report = try up(fixture, path).get()
    let bytes = try Files.read(fixture.home.instancesFile, limit: 1 << 16)
    let next = try UsernetFilesTests.fixture { next in
      try Fixture.write(next.home.instancesFile, String(decoding: bytes, as: UTF8.self))
      try lease(next, report)
    }
    #expect(try next.supervisor.instances.report("vm").sshLocalPort == report.sshLocalPort)
    #expect(next.until { (try? next.supervisor.instances.report("vm").address) != nil })
  }

  @Test func `one that was up waits for a network that another serves`() throws {
    let (fixture, path) = try fixture()
    _ = try up(fixture, path).get()
    let bytes = try Files.read(fixture.home.instancesFile, limit: 1 << 16)
    var foreign: Int32 = -1
    let next = try UsernetFilesTests.fixture { next in
      try Fixture.write(next.home.instancesFile, String(decoding: bytes, as: UTF8.self))
      foreign = try UnixSocket.listen(path: next.home.networkSockets("user-v2").qemu)
    }
    #expect(next.supervisor.instances.reports.map(\.name) == ["vm"])
    #expect(try next.network("user-v2").state == .failed)
    Descriptor.close(foreign)
    #expect(next.until(20) { (try? next.network("user-v2").state) == .running })
    #expect(next.supervisor.instances.reports.map(\.name) == ["vm"])
  }

  @Test(.timeLimit(.minutes(1)))
  func `a named pipe in the place of any file that is read keeps nobody waiting`() throws {
    func pipe(_ path: String) throws {
      Files.remove(path)
      try Files.makeDirectory(String(path[..<path.lastIndex(of: "/")!]), mode: 0o755)  // Absolute.
      #expect(mkfifo(path, 0o600) == 0)
    }
    let directory = "user-v2"
    let fixture = try UsernetFilesTests.fixture { fixture in
      try Fixture.write(fixture.home.path + "/vm/lima.yaml", Self.yaml)
      try pipe(fixture.home.path + "/vm/lima-version")
      let files = fixture.home.networkDirectory(directory)
      for name in [
        "leases.json", "usernet.user-v2.stdout.log", "usernet.user-v2.stderr.log", "fake-leases",
      ] { try pipe("\(files)/\(name)") }
      try pipe(fixture.home.instancesFile)
    }
    let report = try up(fixture, fixture.home.path + "/vm").get()
    #expect(report.name == "vm")
    let network = try fixture.network("user-v2")
    #expect(network.state == .running && network.life.state.error == nil)
    try pipe(fixture.home.path + "/vm/lima.yaml")
    guard case .failure(let error) = try up(fixture, fixture.home.path + "/vm") else {
      Issue.record("a pipe was read")
      return
    }
    #expect(error.message.contains("lima.yaml: cannot be read: a named pipe is there"))
    try pipe(fixture.home.configFile)
    fixture.reload()
    #expect(fixture.supervisor.configuration.error?.contains("a named pipe is there") == true)
    // A pipe instead of the file that says which instances are up is left alone, and told.
    #expect(try Files.info(fixture.home.instancesFile, followLinks: false).kind == .pipe)
    #expect(fixture.log.lines.all.contains { $0.contains("instances are not kept") })
  }

  @Test func `files that make no sense are not brought up`() throws {
    for text in [
      "rubbish", "[{}]", #"[{"name":"x","file":"/nowhere/lima.yaml","sshLocalPort":1}]"#,
    ] {
      let fixture = try UsernetFilesTests.fixture {
        try Fixture.write($0.home.instancesFile, text)
      }
      #expect(fixture.supervisor.instances.reports.allSatisfy { $0.error != nil })
      #expect(fixture.log.lines.all.contains { $0.contains("brought up again") })
    }
  }

  @Test func `one whose lima.yaml is broken when the daemon starts is up once that is mended`()
    throws
  {
    let fixture = try UsernetFilesTests.fixture { fixture in
      let file = fixture.home.path + "/vm/lima.yaml"
      try Fixture.write(file, "networks: [")
      try Fixture.write(
        fixture.home.instancesFile,
        #"[{"name":"vm","file":"\#(file)","sshLocalPort":60123},{"name":"gone","file":"/nowhere/lima.yaml","sshLocalPort":60124}]"#
      )
    }
    let instances = fixture.supervisor.instances
    #expect(instances.reports.map(\.name) == ["gone", "vm"])
    #expect(try instances.report("vm").error?.contains("lima.yaml") == true)
    #expect(try instances.report("gone").error?.contains("No such file") == true)
    #expect(throws: Never.self) { try instances.down("gone") }
    // It is not forgotten meanwhile.
    let kept = try Files.read(fixture.home.instancesFile, limit: 4096)
    #expect(String(decoding: kept, as: UTF8.self).contains("/vm/lima.yaml"))
    try Fixture.write(fixture.home.path + "/vm/lima.yaml", Self.yaml)
    #expect(fixture.until { (try? instances.report("vm"))?.error == nil })
    #expect(try instances.report("vm").sshLocalPort == 60123)
    #expect(instances.reports.map(\.name) == ["vm"])
  }

  @Test func `one whose network goes and comes has its forwards and names again`() throws {
    let (fixture, path) = try fixture()
    let report = try up(fixture, path).get()
    let guest = try fixture.connect("user-v2")
    defer { Descriptor.close(guest) }
    try lease(fixture, report)
    try fixture.network("user-v2").handle(.leasesChanged)
    func forward() -> InstanceForward? {
      (try? fixture.supervisor.instances.report("vm"))?.forwards.last
    }
    #expect(fixture.until { forward()?.state == .open }, "\(String(describing: forward()))")
    // A network with another name in its place: no network of its own is left.
    try Fixture.write(
      fixture.home.configFile, "networks:\n  other: {mode: user-v2, gateway: 192.168.104.1}\n")
    fixture.reload()
    #expect(
      fixture.until {
        fixture.supervisor.networks["user-v2"] == nil && fixture.supervisor.leaving.isEmpty
      })
    #expect(forward()?.state == .waiting)
    #expect(forward()?.reason == "there is no network user-v2 in networks.yaml")
    Files.remove(fixture.home.configFile)
    fixture.reload()
    let again = try fixture.connect("user-v2")
    defer { Descriptor.close(again) }
    #expect(fixture.until { (try? fixture.network("user-v2"))?.state == .running })
    try lease(fixture, report)
    try fixture.network("user-v2").handle(.leasesChanged)
    #expect(fixture.until { forward()?.state == .open }, "\(String(describing: forward()))")
  }

  @Test func `what is wrong is told`() throws {
    let (fixture, path) = try fixture(yaml: "networks: [{lima: nowhere}]")
    func message(_ path: String) throws -> String {
      guard case .failure(let error) = try up(fixture, path) else { return "" }
      return error.message
    }
    #expect(try message(path).contains("lima.yaml:1:19: field `networks[0].lima` references"))
    #expect(try message("relative").contains("is not an absolute path"))
    #expect(try message("/nowhere/x").contains("No such file"))
    try Fixture.write(path + "/lima.yaml", "networks: [{lima: default}]\n")
    #expect(try message(path).contains("no plugin claims mode `slirp`"))
    #expect(fixture.supervisor.instances.reports.isEmpty)
    let taken = try LoopbackPort.free()
    try Fixture.write(
      path + "/lima.yaml", "networks: [{lima: user-v2}]\nssh: {localPort: \(taken)}\n")
    #expect(try up(fixture, path).get().sshLocalPort == taken)
    try Fixture.write(
      fixture.home.path + "/b/lima.yaml",
      "networks: [{lima: user-v2}]\nssh: {localPort: \(taken)}\n")
    #expect(try message(fixture.home.path + "/b").contains("another instance's"))
  }
}
