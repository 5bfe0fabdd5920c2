// SPDX-License-Identifier: Apache-2.0
//
// What facts of a host mean: one fact changed at a time, and the line it makes.

import Platform
import Testing

@testable import Daemon

@Suite(.timeLimit(.minutes(1))) struct DiagnosisTests {
  static let words =
    "open shared --address 192.168.105.1/24 --address6 \(HostTapRequest.ownWord("shared"))"

  /// A host of a user's on which all is well.
  private static func well(_ system: HostFacts.System = .linux) throws -> HostFacts {
    var facts = HostFacts(
      system: system, home: LimaHome(path: "/h/.lima"),
      user: HostFacts.User(uid: 1000, groups: [1000]))
    facts.configuration.networks = try ConfigDecoder.decode(
      Array("networks: {shared: {mode: shared}, lan: {mode: bridged, interface: br0}}".utf8),
      file: "f", homeDirectory: "/h"
    ).networks
    facts.configuration.defaults = try NetworksTemplate.linux(groups: []).networks()
    facts.user.usualHome = LimaHome(path: "/u/.lima")
    facts.user.name = "alice"
    facts.kernel.descriptors = 1 << 20
    facts.kernel.confinement.landlock = 7
    facts.kernel.inotify = HostFacts.Inotify(works: true, instances: 128, watches: 65536)
    facts.kernel.pingGroups = 0...2_147_483_647
    facts.links.interfaces["br0"] = .bridge
    var shared = HostFacts.Tap(name: "ln1000-shared")
    (shared.exists, shared.isTap, shared.persists, shared.owner) = (true, true, true, 1000)
    (shared.addresses, shared.mtu) = (["192.168.105.1/24"], 1500)
    shared.addresses6 = [HostTapRequest.ownWord("shared").replacing("-", with: ":")]
    facts.links.taps["shared"] = shared
    var lan = shared
    (lan.name, lan.addresses, lan.bridge) = ("ln1000-lan", [], "br0")
    lan.addresses6 = []
    facts.links.taps["lan"] = lan
    facts.ip.addresses = [
      HostAddress(interface: "ln1000-shared", address: 0xC0A8_6901, prefixLength: 24),
      HostAddress(interface: "eth0", address: 0x0A00_0002, prefixLength: 16),
    ]
    facts.vmnet.path = "/opt/socket_vmnet/bin/socket_vmnet"
    facts.vmnet.isInstalled = true
    facts.vmnet.firewall = "Firewall is disabled. (State = 0)"
    return facts
  }

  @Test
  func `an IPv6 network that this host reaches otherwise is told, with the command that moves it`()
    throws
  {
    var facts = try Self.well()
    facts.configuration.networks = try ConfigDecoder.decode(
      Array(
        "networks: {lab: {mode: slirp, options: {prefix6: 'fd00:5::/64'}}, shared: {mode: shared, options: {prefix6: 'fd00:6::/64'}}}"
          .utf8),
      file: "f", homeDirectory: "/h"
    ).networks
    func told() -> [Finding] {
      Diagnosis(facts).findings().filter { $0.text.contains("its IPv6 network") }
    }
    func address(_ text: String, _ interface: String) throws -> HostAddress6 {
      let network = try #require(IPv6Network(text))
      return HostAddress6(
        interface: interface, high: network.high, low: network.low,
        prefixLength: network.prefixLength)
    }
    #expect(told().isEmpty)
    // A route to more than the network, and its own interface, are in nobody's way.
    facts.ip.routes6 = [try address("fd00::/8", "tun0"), try address("fd00:5::/64", "lo")]
    #expect(told().isEmpty)
    facts.ip.routes6 += [try address("fd00:5::/64", "tun0")]
    facts.ip.addresses6 = [try address("fd00:6::9/64", "eth0")]
    let found = told()
    #expect(found.map(\.status) == [.warning, .problem])
    #expect(found[0].text.contains("fd00:5::/64") && found[0].text.contains("tun0"))
    #expect(found[1].text.contains("fd00:6::/64") && found[1].text.contains("eth0"))
    for (finding, network) in zip(found, ["lab", "shared"]) {
      #expect(
        finding.remedy
          == "lima-netd network edit \(network) --prefix6 auto --lima-home /h/.lima"
      )
    }
  }

  @Test func `what keeps a network's process from being confined is told`() throws {
    var facts = try Self.well()
    func told() -> [Finding] {
      Diagnosis(facts).findings().filter { $0.check == "confinement" }
    }
    #expect(told().map(\.status) == [.ok] && told()[0].text.contains("Landlock 7"))
    facts.kernel.confinement = HostFacts.Confinement(landlock: nil, filtersCalls: false)
    #expect(told().map(\.status) == [.warning, .warning])
    #expect(told()[0].text.contains("no Landlock") && told()[1].text.contains("no seccomp"))
    facts.kernel.confinement = HostFacts.Confinement(landlock: 7)
    let shared = try #require(facts.configuration.networks.firstIndex { $0.name == "shared" })
    facts.configuration.networks[shared].settings.isConfined = false
    #expect(told().map(\.status) == [.ok, .warning])
    #expect(
      told()[1].text.contains("network shared: `sandbox: off`") && told()[1].modes == ["shared"])
  }

  @Test
  func
    `chains of nftables that drop what crosses a bridge are found, iptables' own is not one of them`()
  {
    let chain = { (family: String, table: String, name: String, hook: String, policy: String) in
      #"{"chain":{"family":"\#(family)","table":"\#(table)","name":"\#(name)","handle":1,"type":"filter","hook":"\#(hook)","prio":0,"policy":"\#(policy)"}}"#
    }
    let text =
      #"{"nftables":[{"metainfo":{"version":"1.0.6"}},"#
      + [
        chain("ip", "filter", "FORWARD", "forward", "drop"),
        chain("ip", "f", "fw", "forward", "drop"), chain("inet", "g", "in", "input", "drop"),
        chain("inet", "h", "ok", "forward", "accept"),
        #"{"chain":{"family":"ip","table":"f","name":"plain","handle":2}}"#,
      ].joined(separator: ",") + "]}"
    #expect(ForwardPolicy.droppingChains(text) == ["ip f fw"])
    #expect(ForwardPolicy.droppingChains("no JSON") == nil)
  }

  @Test func `an interface that is what setup would make of it is left alone, any other is not`()
    throws
  {
    let facts = try Self.well()
    let tap = try #require(facts.links.taps["shared"])
    let request = try #require(
      facts.configuration.networks.first { $0.name == "shared" }.flatMap {
        HostTapRequest.wanted(by: $0)
      })
    let diagnosis = Diagnosis(facts)
    #expect(diagnosis.isSetUp(tap, as: request))
    for change: (inout HostFacts.Tap) -> Void in [
      { $0.exists = false }, { $0.persists = false }, { $0.owner = 1 }, { $0.owner = nil },
      { $0.mtu = 9000 }, { $0.addresses = ["10.0.0.1/24"] }, { $0.addresses6 = [] },
      { $0.otherHome = "/other" },
    ] {
      var other = tap
      change(&other)
      #expect(!diagnosis.isSetUp(other, as: request))
    }
  }

  @Test func `where all is well nothing is a problem, and each check is told`() throws {
    for system in [HostFacts.System.linux, .macOS] {
      let diagnosis = Diagnosis(try Self.well(system))
      let findings = diagnosis.findings()
      #expect(findings.allSatisfy { $0.status == .ok || $0.check == "sudo" }, "\(findings)")
      #expect(Finding.allWell(findings, for: Set(DoctorModes.all)))
    }
    let checks = Set(Diagnosis(try Self.well()).findings().map(\.check))
    #expect(
      checks.isSuperset(of: [
        "home", "daemon", "runtime", "descriptors", "confinement", "inotify", "tun",
        "user-namespaces",
        "ping-group-range", "resolver", "subnet", "helper", "sudo", "tap", "bridge",
        "bridge-filter",
      ]))
  }

  struct Case: Sendable, CustomTestStringConvertible {
    var check: DoctorCheck
    var status: Finding.Status
    var text: String
    /// Nil: none.
    var remedy: String?
    var modes: [String]?
    var change: @Sendable (inout HostFacts) -> Void
    var testDescription: String { "\(check.rawValue): \(text)" }

    init(
      _ check: DoctorCheck, _ status: Finding.Status, _ text: String, _ remedy: String?,
      modes: [String]? = nil, _ change: @escaping @Sendable (inout HostFacts) -> Void
    ) {
      self.check = check
      self.status = status
      self.text = text
      self.remedy = remedy
      self.modes = modes
      self.change = change
    }
  }

  static let setup = "sudo lima-netd network setup shared --lima-home /h/.lima"

  static let linux = home + taps + bridges

  @Test(arguments: linux) func `each fact has its line on Linux`(one: Case) throws {
    try Self.check(one, .linux)
  }

  @Test(arguments: macOS) func `each fact has its line on macOS`(one: Case) throws {
    try Self.check(one, .macOS)
  }

  private static func check(_ one: Case, _ system: HostFacts.System) throws {
    var facts = try well(system)
    one.change(&facts)
    let findings = Diagnosis(facts).findings().filter { $0.check == one.check.rawValue }
    let found = findings.first {
      $0.text.contains(one.text) && $0.status == one.status && $0.remedy == one.remedy
        && (one.modes == nil || $0.modes == one.modes)
    }
    #expect(found != nil, "\(findings)")
  }

  @Test func `root's remedies need no sudo`() throws {
    var facts = try Self.well()
    facts.user.uid = 0
    facts.kernel.tun = .missing
    let remedies = Diagnosis(facts).findings().compactMap(\.remedy)
    #expect(remedies.contains("modprobe tun") && !remedies.contains { $0.hasPrefix("sudo ") })
  }

  @Test func `what the default file has besides is no problem until somebody asks for it`() throws {
    var facts = try Self.well()
    let shared = facts.configuration.networks.filter { $0.name == "shared" }
    facts.configuration.networks =
      facts.configuration.defaults.filter { $0.name != "shared" } + shared
    facts.links.taps["lan"] = nil
    facts.links.interfaces = [:]
    facts.privilege.helper.flaw = .missing("/u/t")
    func problems(_ asked: [String]) -> Set<String> {
      Set(
        Diagnosis(facts).findings(for: asked).filter { $0.status == .problem }.flatMap(\.modes))
    }
    #expect(problems([]) == [])
    #expect(problems(["bridged"]) == ["bridged"])
    // One that the daemon was asked for, and one that is not as it was written, are meant.
    facts.configuration.wanted = ["bridged"]
    #expect(problems([]) == ["bridged"])
    facts.configuration.wanted = []
    let host = try #require(facts.configuration.networks.firstIndex { $0.name == "host" })
    facts.configuration.networks[host].settings.options["mtu"] = .integer(9000)
    #expect(problems([]) == ["host"])
  }

  @Test func `a problem counts for the modes that were asked for`() throws {
    var facts = try Self.well()
    facts.links.taps["shared"]?.exists = false
    let findings = Diagnosis(facts).findings()
    #expect(!Finding.allWell(findings, for: ["shared"]))
    #expect(Finding.allWell(findings, for: ["slirp", "user-v2", "bridged"]))
    #expect(Diagnosis(facts).configuredModes == ["slirp", "user-v2", "shared", "bridged"])
    #expect(findings.compactMap { $0.about(["host"]) }.allSatisfy { $0.modes == ["host"] })
  }

  @Test(arguments: [
    ("-P FORWARD DROP\n-A FORWARD -j DOCKER-USER\n", HostFacts.BridgeFilter.Policy.drop),
    ("-P FORWARD ACCEPT\n", .accept), ("", .unknown), ("-P FORWARD\n", .unknown),
    ("-P FORWARD DROP\n-A FORWARD -m physdev --physdev-is-bridged -j ACCEPT\n", .accept),
    (
      "table ip filter {\n\tchain FORWARD {\n\t\ttype filter hook forward priority filter; policy drop;\n",
      .drop
    ),
    ("\t\ttype filter hook forward priority filter; policy accept;\n", .accept),
    ("\t\ttype filter hook forward priority filter; policy", .unknown),
  ])
  func `the FORWARD policy is read of what either tool prints`(
    text: String, policy: HostFacts.BridgeFilter.Policy
  ) {
    #expect(ForwardPolicy.parse(text) == policy)
  }

  @Test(arguments: [
    ("a/b-c_d.e", "a/b-c_d.e"), ("a b", "'a b'"), ("", "''"), ("a'b", "'a'\\''b'"),
    ("$(x)", "'$(x)'"),
  ])
  func `a word is one word for a shell, too`(word: String, quoted: String) {
    #expect(ShellWord.quoted(word) == quoted)
  }

  @Test func `a mode that is asked for and that no network has is a problem`() throws {
    var facts = try Self.well()
    facts.configuration.networks.removeAll { $0.name == "lan" }
    func found(_ asked: [String]) -> [Finding] {
      Diagnosis(facts).findings(for: asked).filter { $0.check == "configuration" }
    }
    #expect(found([]).isEmpty && found(["shared", "slirp", "user-v2"]).isEmpty)
    let host = try #require(found(["shared", "host"]).first)
    #expect(host.modes == ["host"] && host.status == .problem)
    #expect(host.text == "/h/.lima/_config/networks.yaml has no network of mode host")
    #expect(
      host.remedy
        == "lima-netd network create host --mode host --gateway 192.168.106.1 --lima-home /h/.lima")
    facts.configuration.isThere = false
    #expect(
      found(["host", "bridged"]).map(\.remedy) == [
        Self.setup.replacing("shared", with: "host"),
        "lima-netd network create bridged --mode bridged --interface br0 --lima-home /h/.lima",
      ])
    facts.configuration.error = "line 3: bad"
    #expect(found(["host"]).map(\.modes) == [DoctorModes.all])
  }

  @Test func `JSON has the members that are promised`() throws {
    let finding = Finding(.tap, ["shared"], .problem, "t", remedy: "r")
    #expect(
      try JSONText.string(finding)
        == #"{"check":"tap","modes":["shared"],"status":"problem","text":"t","remedy":"r"}"#)
    #expect(try !JSONText.string(Finding(.tap, ["host"], .ok, "t")).contains("remedy"))
  }
}
