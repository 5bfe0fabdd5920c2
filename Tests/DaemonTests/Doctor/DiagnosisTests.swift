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
    facts.networks = try ConfigDecoder.decode(
      Array("networks: {shared: {mode: shared}, lan: {mode: bridged, interface: br0}}".utf8),
      file: "f", homeDirectory: "/h"
    ).networks
    facts.defaults = try NetworksTemplate.linux(groups: []).networks()
    facts.user.usualHome = LimaHome(path: "/u/.lima")
    facts.user.name = "alice"
    facts.descriptors = 1 << 20
    facts.confinement.landlock = 7
    facts.inotify = HostFacts.Inotify(works: true, instances: 128, watches: 65536)
    facts.pingGroups = 0...2_147_483_647
    facts.interfaces["br0"] = .bridge
    var shared = HostFacts.Tap(name: "ln1000-shared")
    (shared.exists, shared.isTap, shared.persists, shared.owner) = (true, true, true, 1000)
    (shared.addresses, shared.mtu) = (["192.168.105.1/24"], 1500)
    shared.addresses6 = [HostTapRequest.ownWord("shared").replacing("-", with: ":")]
    facts.taps["shared"] = shared
    var lan = shared
    (lan.name, lan.addresses, lan.bridge) = ("ln1000-lan", [], "br0")
    lan.addresses6 = []
    facts.taps["lan"] = lan
    facts.addresses = [
      HostAddress(interface: "ln1000-shared", address: 0xC0A8_6901, prefixLength: 24),
      HostAddress(interface: "eth0", address: 0x0A00_0002, prefixLength: 16),
    ]
    facts.vmnet.path = "/opt/socket_vmnet/bin/socket_vmnet"
    facts.vmnet.isInstalled = true
    facts.vmnet.firewall = "Firewall is disabled. (State = 0)"
    return facts
  }

  @Test func `what keeps a network's process from being confined is told`() throws {
    var facts = try Self.well()
    func told() -> [Finding] {
      Diagnosis(facts).findings().filter { $0.check == "confinement" }
    }
    #expect(told().map(\.status) == [.ok] && told()[0].text.contains("Landlock 7"))
    facts.confinement = HostFacts.Confinement(landlock: nil, filtersCalls: false)
    #expect(told().map(\.status) == [.warning, .warning])
    #expect(told()[0].text.contains("no Landlock") && told()[1].text.contains("no seccomp"))
    facts.confinement = HostFacts.Confinement(landlock: 7)
    let shared = try #require(facts.networks.firstIndex { $0.name == "shared" })
    facts.networks[shared].settings.isConfined = false
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
    let tap = try #require(facts.taps["shared"])
    let request = try #require(
      facts.networks.first { $0.name == "shared" }.flatMap { HostTapRequest.wanted(by: $0) })
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

  private static let back =
    "sudo sh -c 'ip link set foo down && ip link set foo name ln1000-shared && ip link set ln1000-shared up'"

  /// Somebody calls the interface of network shared "foo".
  private static func rename(_ facts: inout HostFacts, lasts: Bool) {
    facts.taps["shared"]?.name = "foo"
    facts.taps["shared"]?.persists = lasts
    facts.taps["shared"]?.renamedFrom = "ln1000-shared"
    facts.taps["shared"]?.isHeld = !lasts
    facts.addresses[0].interface = "foo"
  }

  static let linux: [Case] = [
    Case(.configuration, .problem, "line 3", "${EDITOR:-vi} /h/.lima/_config/networks.yaml") {
      $0.configurationError = "line 3: bad"
    },
    Case(.home, .problem, "too long", "export LIMA_HOME=/u/.lima", modes: DoctorModes.all) {
      $0.home = LimaHome(path: "/h/" + String(repeating: "x", count: 120))
    },
    Case(
      .home, .problem, "in this home a name has at most 36 letters",
      "lima-netd network edit --lima-home /h/.lima", modes: ["shared"]
    ) {
      $0.networks = $0.networks.filter { $0.name == "shared" }
      $0.networks[0].name += String(repeating: "d", count: 50)
    },
    Case(
      .home, .problem, "default_unixgram.sock", "export LIMA_HOME=/u/.lima",
      modes: DoctorModes.all
    ) {
      $0.home = LimaHome(path: "/h/" + String(repeating: "x", count: 69))
    },
    Case(
      .home, .problem, "too long",
      "sudo install -d -m 700 -o \"$(id -u)\" /srv/lima && export LIMA_HOME=/srv/lima"
    ) {
      $0.home = LimaHome(path: "/h/" + String(repeating: "x", count: 120))
      $0.user.usualHome = $0.home
    },
    Case(.daemon, .warning, "left by a daemon that is gone", "rm -f /h/.lima/a '/h/b c'") {
      $0.serving = .leftOver(["/h/.lima/a", "/h/b c"])
    },
    Case(.daemon, .problem, "process 77 holds", "kill 77") {
      $0.serving = .silent(pid: 77, isStopped: false)
    },
    Case(.daemon, .problem, "process 77 holds /h/.lima and is stopped", "kill -CONT 77") {
      $0.serving = .silent(pid: 77, isStopped: true)
    },
    Case(
      .daemon, .problem, "a regular file is there",
      "ls -ld /h/.lima/_networks /h/.lima/_networks/lima-netd.sock"
    ) {
      $0.serving = .notOurs("a regular file is there, not a socket")
    },
    Case(.daemon, .ok, "process 5", nil) { $0.serving = .daemon(pid: 5) },
    Case(.runtime, .problem, "/x/lima-netd-host is missing", nil) {
      $0.runtime = .missing("/x/lima-netd-host")
    },
    Case(.runtime, .problem, "libltdl.so.7", "sudo apt-get install libltdl7") {
      $0.runtime = .failed("error while loading shared libraries: libltdl.so.7: cannot open")
    },
    Case(.runtime, .problem, "did not answer", "/x/h inspect /dev/null") {
      $0.runtime = .silent("/x/h")
    },
    Case(
      .descriptors, .warning, "1024 descriptors only", "sudo prlimit --nofile=65536:65536 --pid $$"
    ) {
      $0.descriptors = 1024
    },
    Case(
      .descriptors, .problem, "64 descriptors only", "sudo prlimit --nofile=65536:65536 --pid $$"
    ) {
      $0.descriptors = 64
    },
    Case(
      .inotify, .warning, "max_user_instances is 0",
      "sudo sysctl -w fs.inotify.max_user_instances=1024"
    ) { $0.inotify = HostFacts.Inotify(works: false, instances: 0) },
    Case(
      .inotify, .warning, "max_user_watches is 8",
      "sudo sysctl -w fs.inotify.max_user_watches=65536"
    ) { $0.inotify = HostFacts.Inotify(works: true, watches: 8) },
    Case(.tun, .problem, "is not there", "sudo modprobe tun", modes: DoctorModes.withTap) {
      $0.tun = .missing
    },
    Case(
      .tun, .warning, "`exec`, `attach` and `tap`", "sudo modprobe tun",
      modes: DoctorModes.withoutTap
    ) {
      $0.tun = .missing
    },
    Case(
      .tun, .problem, "Permission denied", "sudo chmod 666 /dev/net/tun", modes: DoctorModes.withTap
    ) {
      $0.tun = .refused("Permission denied")
    },
    Case(
      .userNamespaces, .warning, "max_user_namespaces is 0",
      "sudo sysctl -w user.max_user_namespaces=15000"
    ) { $0.namespaces = HostFacts.Namespaces(works: false, maximum: 0, clone: 1) },
    Case(
      .userNamespaces, .warning, "unprivileged_userns_clone is 0",
      "sudo sysctl -w kernel.unprivileged_userns_clone=1"
    ) { $0.namespaces = HostFacts.Namespaces(works: false, maximum: 9, clone: 0) },
    Case(
      .userNamespaces, .warning, "AppArmor",
      "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    ) { $0.namespaces = HostFacts.Namespaces(works: false, maximum: 9, apparmor: 1) },
    Case(.userNamespaces, .warning, "cannot be made here", nil) {
      $0.namespaces = HostFacts.Namespaces(works: false, maximum: 9)
    },
    Case(
      .pingGroupRange, .warning, "\"1 0\"",
      "sudo sysctl -w net.ipv4.ping_group_range='0 2147483647'",
      modes: DoctorModes.translating
    ) { $0.pingGroups = nil },
    Case(
      .pingGroupRange, .warning, "\"5 6\"",
      "sudo sysctl -w net.ipv4.ping_group_range='0 2147483647'"
    ) { $0.pingGroups = 5...6 },
    Case(
      .resolver, .warning, "names no nameserver",
      "sudo sh -c 'echo nameserver 9.9.9.9 >>/etc/resolv.conf'"
    ) { $0.resolver = .servers(0) },
    Case(.resolver, .warning, "cannot be read (x)", "ls -lL /etc/resolv.conf") {
      $0.resolver = .unreadable("x")
    },
    Case(
      .subnet, .problem, "192.168.105.0/24 is this host's already (own has 192.168.105.7/25)",
      "lima-netd network edit shared --gateway 192.168.107.1 --lima-home /h/.lima",
      modes: ["shared"]
    ) {
      $0.addresses.append(HostAddress(interface: "own", address: 0xC0A8_6907, prefixLength: 25))
    },
    Case(
      .subnet, .warning, "route 192.168.104.0/24 by tun0",
      "lima-netd network edit user-v2 --gateway 192.168.107.1 --lima-home /h/.lima",
      modes: ["user-v2"]
    ) {
      $0.routes.append(HostRoute(interface: "tun0", network: 0xC0A8_6800, prefixLength: 24))
    },
    // A VPN for all, or for the private networks: the longest match is the network's own.
    Case(.subnet, .ok, "nothing else here has 192.168.105.0/24", nil, modes: ["shared"]) {
      $0.routes.append(HostRoute(interface: "tun0", network: 0, prefixLength: 1))
      $0.routes.append(HostRoute(interface: "tun0", network: 0x8000_0000, prefixLength: 1))
      $0.routes.append(HostRoute(interface: "tun0", network: 0xC0A8_0000, prefixLength: 16))
    },
    Case(
      .subnet, .problem, "(eth1 has 192.168.0.7/16)",
      "lima-netd network edit shared --gateway 172.30.1.1 --lima-home /h/.lima",
      modes: ["shared"]
    ) {
      $0.addresses.append(HostAddress(interface: "eth1", address: 0xC0A8_0007, prefixLength: 16))
    },
    Case(.helper, .warning, "/u/t is missing", "sudo make install", modes: ["bridged", "shared"]) {
      $0.helper = HostFacts.Helper(path: "/u/t", flaw: .missing("/u/t"))
    },
    Case(.helper, .problem, "/u/t is missing", "sudo make install", modes: ["host"]) {
      $0.helper = HostFacts.Helper(path: "/u/t", flaw: .missing("/u/t"))
    },
    Case(
      .helper, .problem, "/u/t would run as root", "sudo chmod o-w /u", modes: ["host", "bridged"]
    ) {
      $0.taps["lan"]?.exists = false
      $0.helper = HostFacts.Helper(
        path: "/u/t",
        flaw: .worldWritable(PathNode("/u", PathStatus(kind: .directory, mode: 0o777))))
    },
    Case(.sudo, .warning, "not installed", nil) { $0.sudo = .missing },
    Case(
      .sudo, .warning, "a password is required",
      "lima-netd sudoers --lima-home /h/.lima | sudo tee /etc/sudoers.d/lima-netd"
    ) { $0.sudo = .refused("sudo: a password is required") },
    Case(
      .sudo, .warning, "a password is required",
      "lima-netd sudoers --user alice --lima-home /h/.lima | sudo tee /etc/sudoers.d/lima-netd"
    ) {
      $0.sudo = .refused("sudo: a password is required")
      $0.user.isInSudoersGroup = false
    },
    Case(.sudo, .warning, "did not answer", nil) { $0.sudo = .silent },
    Case(.sudo, .ok, "network shared", nil, modes: ["shared"]) {
      $0.sudo = .listing("    (root) NOPASSWD: \($0.helper.path) \(words)\n")
    },
    Case(.sudo, .ok, "network lan: sudo is not asked: its interface is set up", nil) {
      $0.sudo = .listing("    (root) NOPASSWD: \($0.helper.path) \(words)\n")
    },
    Case(
      .sudo, .warning, "network lan: sudo does not",
      "lima-netd sudoers --lima-home /h/.lima | sudo tee /etc/sudoers.d/lima-netd",
      modes: ["bridged"]
    ) {
      $0.taps["lan"]?.exists = false
      $0.sudo = .listing("    (root) NOPASSWD: \($0.helper.path) \(words)\n")
    },
    Case(.tap, .problem, "is not set up", setup, modes: ["shared"]) {
      $0.taps["shared"]?.exists = false
    },
    Case(.tap, .ok, "by sudo", nil, modes: ["shared"]) {
      $0.taps["shared"]?.exists = false
      $0.sudo = .listing("    (root) NOPASSWD: \($0.helper.path) \(words)\n")
    },
    Case(.tap, .ok, "by root", nil, modes: ["shared"]) {
      $0.taps["shared"]?.exists = false
      $0.user.uid = 0
    },
    Case(.tap, .problem, "has no owner", "sudo ip link del ln1000-shared") {
      $0.taps["shared"]?.owner = nil
    },
    Case(.tap, .problem, "uid 1001", "sudo ip link del ln1000-shared") {
      $0.taps["shared"]?.owner = 1001
    },
    Case(.tap, .problem, "is no TAP", "sudo ip link del ln1000-shared") {
      $0.taps["shared"]?.isTap = false
    },
    Case(.tap, .problem, "with 10.0.0.1/8, and the network has 192.168.105.1/24", setup) {
      $0.taps["shared"]?.addresses = ["10.0.0.1/8"]
    },
    Case(.tap, .problem, "was set up with fd00::1/64, and the network has fd", setup) {
      $0.taps["shared"]?.addresses6 = ["fd00::1/64"]
    },
    Case(.tap, .warning, "has no IPv6 address: guests have no IPv6", setup) {
      $0.taps["shared"]?.addresses6 = []
    },
    Case(.tap, .problem, "with MTU 9000", setup) { $0.taps["shared"]?.mtu = 9000 },
    Case(.tap, .problem, "port of another bridge", setup.replacing("shared", with: "lan")) {
      $0.taps["lan"]?.bridge = "another bridge"
    },
    Case(.tap, .ok, "in use now", nil) {
      $0.taps["shared"]?.persists = false
      $0.serving = .daemon(pid: 7)
    },
    Case(
      .tap, .problem, "in use by another process",
      OtherDaemons.asking(who: "ln1000-shared")
    ) { $0.taps["shared"]?.persists = false },
    Case(.tap, .ok, "foo, made as ln1000-shared, is in use now", nil) { rename(&$0, lasts: false) },
    Case(.subnet, .ok, "nothing else here has 192.168.105.0/24", nil) { rename(&$0, lasts: false) },
    Case(.tap, .problem, "foo was set up as ln1000-shared and renamed: it is not found", back) {
      rename(&$0, lasts: true)
    },
    Case(.tap, .warning, "the daemon that has it is the last to find it", back) {
      rename(&$0, lasts: true)
      $0.taps["shared"]?.isHeld = true
    },
    Case(
      .tap, .warning, "is set up for the network of that name of /h/other",
      "sudo lima-netd network unsetup shared --lima-home /h/other"
    ) { $0.taps["shared"]?.otherHome = "/h/other" },
    Case(
      .bridge, .problem, "br0 is not there, and no network card: take shared instead",
      "lima-netd recommend --from host", modes: ["bridged"]
    ) {
      $0.interfaces = [:]
    },
    Case(
      .bridge, .problem, "br0 is not there: did you mean `br1`?",
      "lima-netd network edit lan --interface br1 --lima-home /h/.lima", modes: ["bridged"]
    ) {
      $0.interfaces = [:]
      $0.candidates = ["docker0", "enp3s0", "br1"]
    },
    Case(
      .bridge, .problem, "br0 is not there",
      "lima-netd network edit lan --interface enp3s0 --lima-home /h/.lima", modes: ["bridged"]
    ) {
      $0.interfaces = [:]
      $0.candidates = ["docker0", "enp3s0"]
    },
    Case(
      .bridge, .problem, "br0 is a port of br7: that one is to be the network's interface",
      "lima-netd network edit lan --interface br7 --lima-home /h/.lima", modes: ["bridged"]
    ) {
      $0.interfaces["br0"] = .card(isPort: true)
      $0.masters["br0"] = "br7"
    },
    Case(.bridge, .problem, "wireless", "lima-netd recommend --from host") {
      $0.interfaces["br0"] = .wireless
    },
    Case(
      .bridge, .problem, "neither a bridge nor a network card", "lima-netd recommend --from host"
    ) { $0.interfaces["br0"] = .plain },
    Case(
      .bridge, .problem, "neither a bridge nor a network card: there are docker0, enp3s0",
      "lima-netd network edit lan --interface enp3s0 --lima-home /h/.lima"
    ) {
      $0.interfaces["br0"] = .plain
      $0.candidates = ["docker0", "enp3s0"]
      $0.routes.append(HostRoute(interface: "enp3s0", network: 0, prefixLength: 0))
    },
    Case(
      .bridge, .problem, "is a port of something that guests cannot be on",
      "lima-netd recommend --from host"
    ) { $0.interfaces["br0"] = .card(isPort: true) },
    Case(.bridge, .ok, "this host and the guests do not reach each other", nil) {
      $0.interfaces["br0"] = .card(isPort: false)
    },
    Case(
      .tap, .problem, "a guest's macvtap on br0 cannot be set up before",
      "lima-netd sudoers --lima-home /h/.lima | sudo tee /etc/sudoers.d/lima-netd"
    ) {
      $0.interfaces["br0"] = .card(isPort: false)
      $0.sudo = .refused("")
    },
    Case(.bridge, .ok, "Open vSwitch", nil) { $0.interfaces["br0"] = .openVSwitch },
    Case(.openVSwitch, .ok, "ovs-vsctl may change br0", nil) {
      $0.interfaces["br0"] = .openVSwitch
      $0.switches["br0"] = .some(nil)
    },
    Case(
      .openVSwitch, .problem, "may not change (Permission denied)",
      setup.replacing("shared", with: "lan"), modes: ["bridged"]
    ) {
      $0.interfaces["br0"] = .openVSwitch
      $0.switches["br0"] = .denied("Permission denied")
      $0.taps["lan"]?.persists = false
    },
    // What root has set up needs no right of this user.
    Case(.openVSwitch, .ok, "a port of br0", nil) {
      $0.interfaces["br0"] = .openVSwitch
      $0.switches["br0"] = .denied("Permission denied")
      $0.taps["lan"]?.bridge = "br0"
    },
    Case(
      .openVSwitch, .problem, "its database does not answer",
      "sudo systemctl start \(OVSFailure.unit)"
    ) {
      $0.interfaces["br0"] = .openVSwitch
      $0.switches["br0"] = .notRunning("No such file or directory")
    },
    Case(.openVSwitch, .problem, "ovs-vsctl is not in PATH", nil) {
      $0.interfaces["br0"] = .openVSwitch
      $0.switches["br0"] = .noProgram
      $0.taps["lan"]?.bridge = "another bridge"
    },
    Case(
      .bridgeFilter, .problem, "FORWARD policy DROP",
      "sudo sysctl -w net.bridge.bridge-nf-call-iptables=0", modes: ["bridged"]
    ) { $0.bridgeFilter = HostFacts.BridgeFilter(isOn: true, forward: .drop) },
    Case(
      .bridgeFilter, .warning, "root's to read",
      "sudo lima-netd doctor bridged --lima-home /h/.lima"
    ) {
      $0.bridgeFilter = HostFacts.BridgeFilter(isOn: true, forward: .unknown)
    },
    Case(.bridgeFilter, .ok, "nftables' own rules were not looked at", nil) {
      $0.bridgeFilter = HostFacts.BridgeFilter(isOn: true, forward: .accept)
    },
    Case(
      .bridgeFilter, .warning, "the chain `ip f fw` of nftables drops",
      "sudo sysctl -w net.bridge.bridge-nf-call-iptables=0"
    ) {
      $0.bridgeFilter = HostFacts.BridgeFilter(isOn: true, forward: .accept)
      $0.bridgeFilter.dropping = ["ip f fw"]
    },
    Case(.bridgeFilter, .ok, "leaves bridged frames alone", nil) {
      $0.bridgeFilter = HostFacts.BridgeFilter(isOn: true, forward: .drop)
      $0.interfaces["br0"] = .openVSwitch
      $0.interfaces["br7"] = .bridge
    },
  ]

  private static let allow =
    "sudo /usr/libexec/ApplicationFirewall/socketfilterfw --add /usr/libexec/bootpd && sudo /usr/libexec/ApplicationFirewall/socketfilterfw --unblock /usr/libexec/bootpd"
  private static let on = "Firewall is enabled. (State = 1)"

  static let macOS: [Case] = [
    Case(
      .socketVMNet, .problem, "not installed at /opt/socket_vmnet/bin/socket_vmnet",
      "brew install socket_vmnet && sudo mkdir -p /opt/socket_vmnet/bin && sudo install -o root \"$(brew --prefix socket_vmnet)/bin/socket_vmnet\" /opt/socket_vmnet/bin/socket_vmnet"
    ) { $0.vmnet.isInstalled = false },
    Case(
      .socketVMNet, .problem, "is a symlink",
      "sudo install -o root /opt/socket_vmnet/bin/socket_vmnet /opt/socket_vmnet/bin/socket_vmnet"
    ) { $0.vmnet.flaw = "file `/opt` is a symlink" },
    Case(
      .sudoers, .problem, "out of sync",
      "lima-netd sudoers --lima-home /h/.lima | sudo tee /etc/sudoers.d/lima"
    ) { $0.vmnet.sudoersProblem = "out of sync" },
    Case(.firewall, .warning, "not known", allow) { $0.vmnet.firewall = nil },
    Case(
      .firewall, .problem, "blocks all",
      "sudo /usr/libexec/ApplicationFirewall/socketfilterfw --setblockall off && \(allow)"
    ) { $0.vmnet.firewall = "Firewall is blocking all. (State = 2)" },
    Case(.bootpd, .problem, "does not let bootpd answer", allow, modes: ["shared", "host"]) {
      $0.vmnet.firewall = on
      $0.vmnet.bootpd = "Incoming connection to the application is blocked (BLOCKED)"
    },
    Case(.bootpd, .warning, "does not let bootpd answer", allow) { $0.vmnet.firewall = on },
    Case(.bootpd, .ok, "lets bootpd answer", nil) {
      $0.vmnet.firewall = on
      $0.vmnet.bootpd = "The application is permitted"
    },
  ]

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
    facts.tun = .missing
    let remedies = Diagnosis(facts).findings().compactMap(\.remedy)
    #expect(remedies.contains("modprobe tun") && !remedies.contains { $0.hasPrefix("sudo ") })
  }

  @Test func `what the default file has besides is no problem until somebody asks for it`() throws {
    var facts = try Self.well()
    let shared = facts.networks.filter { $0.name == "shared" }
    facts.networks = facts.defaults.filter { $0.name != "shared" } + shared
    facts.taps["lan"] = nil
    facts.interfaces = [:]
    facts.helper.flaw = .missing("/u/t")
    func problems(_ asked: [String]) -> Set<String> {
      Set(
        Diagnosis(facts).findings(for: asked).filter { $0.status == .problem }.flatMap(\.modes))
    }
    #expect(problems([]) == [])
    #expect(problems(["bridged"]) == ["bridged"])
    // One that the daemon was asked for, and one that is not as it was written, are meant.
    facts.wanted = ["bridged"]
    #expect(problems([]) == ["bridged"])
    facts.wanted = []
    let host = try #require(facts.networks.firstIndex { $0.name == "host" })
    facts.networks[host].settings.options["mtu"] = .integer(9000)
    #expect(problems([]) == ["host"])
  }

  @Test func `a problem counts for the modes that were asked for`() throws {
    var facts = try Self.well()
    facts.taps["shared"]?.exists = false
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
    facts.networks.removeAll { $0.name == "lan" }
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
    facts.hasConfiguration = false
    #expect(
      found(["host", "bridged"]).map(\.remedy) == [
        Self.setup.replacing("shared", with: "host"),
        "lima-netd network create bridged --mode bridged --interface br0 --lima-home /h/.lima",
      ])
    facts.configurationError = "line 3: bad"
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
