// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Daemon

@Suite("networks.yaml", .timeLimit(.minutes(5)))
struct ConfigTests {
  /// As Lima 2.2 writes it on a machine with socket_vmnet, comments shortened.
  static let template = """
    # Path to socket_vmnet executable. Because socket_vmnet is invoked via sudo it should be
    # installed where only root can modify/replace it.
    paths:
    # socketVMNet requires Lima >= 0.12 .
      socketVMNet: "/opt/socket_vmnet/bin/socket_vmnet"
      varRun: /private/var/run/lima
      sudoers: /private/etc/sudoers.d/lima

    group: admin

    networks:
      user-v2:
        mode: user-v2
        gateway: 192.168.104.1
        netmask: 255.255.255.0
        # user-v2 network is experimental network mode which supports all functionalities of default usernet network
      shared:
        mode: shared
        gateway: 192.168.105.1
        dhcpEnd: 192.168.105.254
        netmask: 255.255.255.0
      bridged:
        mode: bridged
        interface: en0
        # bridged mode doesn't have a gateway; dhcp is managed by outside network
      host:
        mode: host
        gateway: 192.168.106.1
        dhcpEnd: 192.168.106.254
        netmask: 255.255.255.0

    """

  func decode(_ text: String) throws(ConfigError) -> Configuration {
    try ConfigDecoder.decode(Array(text.utf8), file: "n.yaml", homeDirectory: "/home/u")
  }

  func errors(_ text: String) -> [String] {
    do {
      _ = try decode(text)
      return []
    } catch {
      return error.description.split(separator: "\n").map(String.init)
    }
  }

  private func paths(
    _ text: String, _ template: NetworksTemplate = .linux(groups: [])
  ) throws -> NetworksPaths {
    try ConfigDecoder.decode(
      Array(text.utf8), file: "n.yaml", homeDirectory: "/home/u", template: template
    ).paths
  }

  @Test func `paths and group are what the file says`() throws {
    let text = """
      paths: {socketVMNet: "/a/b", varRun: /c, sudoers: /d, vdeVMNet: /e}
      group: staff
      networks: {}
      """
    #expect(
      try paths(text)
        == NetworksPaths(socketVMNet: "/a/b", varRun: "/c", sudoers: "/d", group: "staff"))
    let empty = "paths: {socketVMNet: '', varRun: ''}\n"
    #expect(try paths(empty, .macOS()) == NetworksPaths())
  }

  @Test func `paths that the file does not name are where Lima's default file has them`() throws {
    for text in ["", "networks: {}\n", "paths:\n", "paths: {varRun: null}\ngroup:\n"] {
      #expect(try paths(text) == NetworksPaths(varRun: "/run/lima"), "\(text)")
      #expect(
        try paths(text, .macOS())
          == NetworksPaths(
            socketVMNet: "/opt/socket_vmnet/bin/socket_vmnet", varRun: "/private/var/run/lima"),
        "\(text)")
    }
  }

  @Test func `a home without the file has all of Lima's default file`() throws {
    let home = ConfigDecoder.withoutFile("n.yaml", template: .macOS())
    #expect(
      home.paths
        == NetworksPaths(
          socketVMNet: "/opt/socket_vmnet/bin/socket_vmnet", varRun: "/private/var/run/lima",
          sudoers: "/private/etc/sudoers.d/lima", group: "admin"))
    #expect(
      try paths(NetworksTemplate.macOS().text, .linux(groups: [])) == home.paths)
  }

  @Test func `the file Lima writes loads unchanged`() throws {
    let configuration = try decode(Self.template)
    #expect(
      configuration.networks.map(\.name) == ["bridged", "default", "host", "shared", "user-v2"])
    #expect(configuration.warnings.isEmpty)
    let shared = try #require(configuration.networks.first { $0.name == "shared" })
    #expect(shared.settings.mode == "shared")
    #expect(shared.settings.gateway == IPv4Address("192.168.105.1"))
    #expect(shared.settings.dhcpEnd == IPv4Address("192.168.105.254"))
    #expect(shared.subnet?.description == "192.168.105.0/24")
    #expect(configuration.networks.first { $0.name == "bridged" }?.settings.interface == "en0")
    #expect(configuration.networks.first { $0.name == "default" }?.builtin == true)
  }

  @Test(arguments: ["", "# nothing\n", "networks:\n", "networks: {}\n", "~\n"])
  func `an empty file gives the built-in networks`(text: String) throws {
    let networks = try decode(text).networks
    #expect(networks.map(\.name) == ["default", "user-v2"])
    #expect(networks[0].settings.mode == "slirp")
    #expect(networks[1].subnet?.description == "192.168.104.0/24")
  }

  @Test func `a user-v2 without gateway gets the built-in one and keeps our own keys`() throws {
    let networks = try decode("networks:\n  user-v2:\n    mode: user-v2\n    dns: other\n").networks
    let network = try #require(networks.first { $0.name == "user-v2" })
    #expect(network.settings.gateway == IPv4Address("192.168.104.1"))
    #expect(network.settings.dns == .name("other"))
  }

  @Test func `another network of mode user-v2 with a gateway keeps user-v2 from coming back`()
    throws
  {
    let text = "networks:\n  mine:\n    mode: user-v2\n    gateway: 10.7.0.1\n"
    #expect(try decode(text).networks.map(\.name) == ["default", "mine"])
  }

  @Test func `the netmask is 255.255.255.0 where only a gateway is given`() throws {
    let text = "networks:\n  lab:\n    mode: host\n    gateway: 10.7.0.1\n"
    #expect(
      try decode(text).networks.first { $0.name == "lab" }?.subnet?.description == "10.7.0.0/24")
  }

  @Test func `our own keys are read`() throws {
    let text = """
      dns: {plugin: cache, options: {ttl: 60}}
      plugins: [/opt/plugins, ~/plugins]
      networks:
        lab:
          mode: slirp
          plugin: /opt/x/lima-net-x.so
          options: {mtu: 1400, names: [a, 'b'], deep: {x: true, y: null, z: 1.5, h: 0x10, s: "8"}}
        other: {mode: slirp, dns: hostdns}
      """
    let configuration = try decode(text)
    #expect(configuration.pluginDirectories == ["/opt/plugins", "/home/u/plugins"])
    let lab = try #require(configuration.networks.first { $0.name == "lab" })
    #expect(lab.settings.plugin == .file("/opt/x/lima-net-x.so"))
    #expect(lab.settings.dns == .name("cache"))
    #expect(lab.settings.dnsOptions == ["ttl": 60])
    #expect(
      lab.settings.options == [
        "mtu": 1400, "names": ["a", "b"],
        "deep": ["x": true, "y": nil, "z": .double(1.5), "h": 16, "s": "8"],
      ])
    #expect(lab.mark(at: "/options/deep/z") == Mark(line: 7, column: 71))
    #expect(lab.mark(at: "/options/deep/missing") == lab.mark(at: "/options/deep"))
    #expect(configuration.networks.first { $0.name == "other" }?.settings.dns == .name("hostdns"))
  }

  @Test func `an alias stands for its anchor`() throws {
    let text =
      "networks:\n  a: {mode: slirp, options: &o {mtu: 1400}}\n  b: {mode: slirp, options: *o}\n"
    let networks = try decode(text).networks
    #expect(networks.first { $0.name == "b" }?.settings.options == ["mtu": 1400])
  }

  @Test func `what has no effect beside socket is told, and takes no subnet`() throws {
    let text = """
      dns: hostdns
      networks:
        near: {mode: shared, options: {socket: /a}}
        far:
          mode: shared
          gateway: 192.168.105.1
          dhcpEnd: 192.168.105.9
          dns: {ipv6: false}
          options:
            socket: /b
            mtu: 1400
            domain: lab
        lan: {mode: bridged, interface: br0, options: {socket: /c}}
        own: {mode: shared, options: {domain: lab}}

      """
    let configuration = try decode(text)
    let effect =
      "has no effect beside `socket`: addresses, names and router are those of the daemon behind it"
    #expect(
      configuration.warnings.map { $0.text(file: "n.yaml") } == [
        "n.yaml:6:5: networks.far.gateway: \(effect)",
        "n.yaml:7:5: networks.far.dhcpEnd: \(effect)",
        "n.yaml:8:5: networks.far.dns: \(effect)",
        "n.yaml:12:7: networks.far.options.domain: \(effect)",
        "n.yaml:13:24: networks.lan.interface: \(effect)",
      ])
    #expect(configuration.networks.first { $0.name == "far" }?.subnet == nil)
  }

  @Test func `keys of old Limas are a warning`() throws {
    let configuration = try decode("paths:\n  vdeSwitch: /opt/vde/bin/vde_switch\n  varRun: /run\n")
    #expect(
      configuration.warnings.map { $0.text(file: "n.yaml") } == [
        "n.yaml:2:3: paths.vdeSwitch: is no longer used by Lima and ignored: it can be deleted"
      ])
  }

  @Test func `all mistakes are told at once, in the order of the file`() {
    let text = """
      networks:
        a b:
          mode: slirp
        lab:
          mod: slirp
          gateway: 10.0.0.300
      grup: x
      """
    #expect(
      errors(text) == [
        "n.yaml:2:3: networks.a b: `a b` cannot be a name: use letters and digits, with single `.`, `_` or `-` "
          + "between them, at most 76 characters",
        "n.yaml:4:3: networks.lab: has no mode: add `mode:` with the mode of a plugin (`lima-netd plugin ls` lists them)",
        "n.yaml:5:5: networks.lab.mod: unknown key: did you mean `mode`?",
        "n.yaml:6:14: networks.lab.gateway: `10.0.0.300` is no IPv4 address: write four numbers, as 192.168.105.1",
        "n.yaml:7:1: grup: unknown key: did you mean `group`?",
      ])
  }

  struct Mistake: Sendable, CustomTestStringConvertible {
    var text: String
    var error: String
    var testDescription: String { error }

    /// `body` are the keys of a network `lab`, one a line.
    static func network(_ body: String, _ error: String) -> Mistake {
      let lines = body.split(separator: "\n").map { "    \($0)\n" }.joined()
      return Mistake(text: "networks:\n  lab:\n" + lines, error: error)
    }
  }

  static let mistakes: [Mistake] = [
    Mistake(text: "[]", error: "n.yaml:1:1: must be a mapping, not a list"),
    Mistake(text: "word", error: "n.yaml:1:1: must be a mapping, not a single value"),
    Mistake(
      text: "networks: [a]",
      error: "n.yaml:1:11: networks: must be a mapping of names to networks, not a list"),
    Mistake(
      text: "networks:\n  lab: slirp\n",
      error: "n.yaml:2:8: networks.lab: must be a mapping, not a single value"),
    Mistake(
      text: "networks:\n  lab:\n", error: "n.yaml:2:7: networks.lab: must be a mapping, not nothing"
    ),
    Mistake(
      text: "netwroks: {}\n",
      error: "n.yaml:1:1: netwroks: unknown key: did you mean `networks`?"),
    Mistake(
      text: "xyzzy: 1\n",
      error:
        "n.yaml:1:1: xyzzy: unknown key: known here: paths, group, networks, plugins, dns, user"),
    Mistake(
      text: "group: 'a b'\n",
      error:
        "n.yaml:1:8: group: `a b` cannot be a name: use letters and digits, with single `.`, `_` or `-` "
        + "between them, at most 76 characters"),
    Mistake(
      text:
        "networks:\n  a: {mode: slirp, gateway: 192.168.9.2, options: {gateway: 192.168.8.2}}\n",
      error: "n.yaml:2:20: networks.a.gateway: stands below `options`, too: keep one `gateway`"),
    Mistake(
      text: "dns: {hosts: {\"a b\": 192.0.2.1}}\n",
      error:
        "n.yaml:1:15: dns.hosts.a b: `a b` is no domain name: labels have 1 to 63 characters and no blanks, "
        + "a name 253 at most"),
    Mistake(
      text: "paths:\n  varRun: run/lima\n",
      error:
        "n.yaml:2:11: paths.varRun: `run/lima` is not an absolute path: write it from / or ~/ on"),
    Mistake(
      text: "plugins: [a]\n",
      error: "n.yaml:1:11: plugins.0: `a` is not an absolute path: write it from / or ~/ on"),
    Mistake(
      text: "plugins: /opt\n",
      error: "n.yaml:1:10: plugins: must be a list of directories, not a single value"),
    Mistake(
      text: "networks:\n  lab: {mode: a}\n  lab: {mode: b}\n",
      error: "n.yaml:3:3: `lab` is there twice, first at line 2: delete one of them"),
    Mistake(
      text: "networks:\n  lima-netd.sock: {mode: a}\n",
      error:
        "n.yaml:2:3: networks.lima-netd.sock: `lima-netd.sock` is the name of a file of lima-netd itself: "
        + "choose another"),
    Mistake(
      text: "networks:\n\tlab: {}\n",
      error:
        "n.yaml:2:1: is not valid YAML: found character that cannot start any token (while scanning for the next "
        + "token): indent with spaces, not tabs, and quote values that begin with @ or `"),
    Mistake(
      text: "networks: a: b\n",
      error:
        "n.yaml:1:12: is not valid YAML: mapping values are not allowed in this context: check the indentation, "
        + "or quote a value that contains `: `"),
    Mistake(
      text: "a: 1\n---\nb: 2\n",
      error:
        "n.yaml:2:1: a second document begins here: delete the `---` and what follows it, or merge the two"
    ),
    Mistake(
      text: "networks: *x\n",
      error: "n.yaml:1:11: the alias *x stands for nothing: an anchor &x must come before it"),
    Mistake(
      text: "? [a]\n: b\n", error: "n.yaml:1:3: a key must be a single word, not a list or mapping"),
    Mistake(
      text: "networks: !!set {a}\n",
      error: "n.yaml:1:19: networks.a: must be a mapping, not nothing"),
    Mistake(
      text: "group: !!int 3\n",
      error: "n.yaml:1:8: the tag tag:yaml.org,2002:int means nothing here: delete it"),
    .network("mode: [a]", "n.yaml:3:11: networks.lab.mode: must be a single value, not a list"),
    .network(
      "mode: a\nnetmask: 255.255.255.0",
      "n.yaml:4:14: networks.lab.netmask: says nothing without a gateway: add `gateway:` to this network"
    ),
    .network(
      "mode: a\ndhcpEnd: 10.0.0.9",
      "n.yaml:4:14: networks.lab.dhcpEnd: says nothing without a gateway: add `gateway:` to this network"
    ),
    .network(
      "mode: a\ngateway: 10.0.0.1\nnetmask: 255.0.255.0",
      "n.yaml:5:14: networks.lab.netmask: 255.0.255.0 is no netmask: its ones must come first, as in 255.255.255.0"
    ),
    .network(
      "mode: a\ngateway: 10.0.0.1\nnetmask: 255.255.255.255",
      "n.yaml:5:14: networks.lab.netmask: /32 has no room for a gateway and guests: 255.255.255.252 is the smallest "
        + "network"),
    .network(
      "mode: a\ngateway: 10.0.0.1\nnetmask: 0.0.0.0",
      "n.yaml:5:14: networks.lab.netmask: /0 is too wide: 255.0.0.0 is the widest network"),
    .network(
      "mode: a\ngateway: 10.0.0.0",
      "n.yaml:4:14: networks.lab.gateway: is the address of the network 10.0.0.0/24 itself: take one inside, as 10.0.0.1"
    ),
    .network(
      "mode: a\ngateway: 10.0.0.127\nnetmask: 255.255.255.128",
      "n.yaml:4:14: networks.lab.gateway: is the broadcast address of 10.0.0.0/25: take one inside, as 10.0.0.1"
    ),
    .network(
      "mode: a\ngateway: 127.0.0.1",
      "n.yaml:4:14: networks.lab.gateway: 127.0.0.1 is no address a gateway can have: choose one of a private network, "
        + "as 192.168.105.1"),
    .network(
      "mode: a\ngateway: 010.0.0.1",
      "n.yaml:4:14: networks.lab.gateway: `010.0.0.1` is no IPv4 address: write four numbers, as 192.168.105.1"
    ),
    .network(
      "mode: a\ngateway: 10.0.0.1\ndhcpEnd: 10.0.1.5",
      "n.yaml:5:14: networks.lab.dhcpEnd: is not inside 10.0.0.0/24: the last address it has for guests is 10.0.0.254"
    ),
    .network(
      "mode: a\ngateway: 10.0.0.9\ndhcpEnd: 10.0.0.5",
      "n.yaml:5:14: networks.lab.dhcpEnd: leaves no address: guests get those after the gateway 10.0.0.9, up to this "
        + "one: choose a higher one"),
    .network(
      "mode: a\ninterface: a-name-that-is-too-long",
      "n.yaml:4:16: networks.lab.interface: `a-name-that-is-too-long` is no interface name: 1 to 15 characters without "
        + "spaces and slashes"),
    .network(
      "mode: a\noptions: [x]", "n.yaml:4:14: networks.lab.options: must be a mapping, not a list"),
    .network(
      "mode: a\nplugin: x/y.so",
      "n.yaml:4:13: networks.lab.plugin: `x/y.so` is not an absolute path: write it from / or ~/ on"
    ),
    .network(
      "mode: a\ndns: {plugn: x}",
      "n.yaml:4:11: networks.lab.dns.plugn: unknown key: did you mean `plugin`?"),
    Mistake(
      text: """
        networks:
          a: {mode: x, gateway: 10.0.0.1, netmask: 255.255.0.0}
          b: {mode: x, gateway: 10.0.7.1}
        """,
      error:
        "n.yaml:3:25: networks.b.gateway: 10.0.7.0/24 overlaps 10.0.0.0/16 of network `a` (line 2): give one of "
        + "them another subnet"),
  ]

  @Test(arguments: mistakes)
  func `a mistake is told by place, key, reason and remedy`(mistake: Mistake) {
    #expect(errors(mistake.text) == [mistake.error])
  }

  @Test func `a name may have 76 characters and no more`() throws {
    let longest = String(repeating: "a", count: 76)
    #expect(errors("networks: {\(longest): {mode: x}}").isEmpty)
    #expect(errors("networks: {\(longest)a: {mode: x}}").count == 1)
  }
}
