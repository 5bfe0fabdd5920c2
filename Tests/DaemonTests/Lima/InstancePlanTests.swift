// SPDX-License-Identifier: Apache-2.0

import Platform
import Testing

@testable import Daemon

@Suite("Plans of instances", .timeLimit(.minutes(5)))
struct InstancePlanTests {
  static let machine = "0123456789abcdef0123456789abcdef"

  func context(_ version: String? = "2.1.0") throws -> InstanceContext {
    InstanceContext(
      home: LimaHome(path: "/l"),
      networks: try ConfigDecoder.decode(
        Array(
          """
          networks:
            second: {mode: user-v2, gateway: 192.168.120.1, netmask: 255.255.255.0}
            user-v2: {mode: user-v2, gateway: 192.168.104.1, netmask: 255.255.255.0}
            shared: {mode: shared, gateway: 192.168.105.1}
          """.utf8), file: "networks.yaml", homeDirectory: "/h"
      ).networks,
      machineID: Self.machine, limaVersion: version,
      user: (home: "/home/u", name: "u", id: 1000, temporary: "/tmp/t"),
      kindOfFile: { $0 == "/a-file" ? .file : $0 == "/a-socket" ? .socket : nil })
  }

  func plan(_ text: String, name: String = "vm", version: String? = "2.1.0") throws -> InstancePlan
  {
    try InstancePlan(
      LimaYAML.merged(
        default: LimaYAML(), instance: try LimaYAMLDecoder.decode(Array(text.utf8), file: "f"),
        override: LimaYAML()),
      identity: InstanceIdentity(name: name, directory: "/home/u/.lima/default"),
      context: try context(version))
  }

  func problems(_ text: String) -> [String] {
    do {
      _ = try plan(text)
      return []
    } catch {
      return "\(error)".split(separator: "\n").map(String.init)
    }
  }

  @Test(arguments: [
    (machine, "/home/u/.lima/default", "52:55:55:f7:b6:d7"),
    (machine, "/home/u/.lima/default/lima.yaml#0", "52:55:55:36:6f:e4"),
    (machine, "/home/u/.lima/default/lima.yaml#1", "52:55:55:9d:19:68"),
    (machine, "", "52:55:55:3e:b1:bd"),
    ("F4A5E6B7-0000-4000-8000-000000000001", "/Users/u/.lima/default", "52:55:55:3d:ab:da"),
    (
      "F4A5E6B7-0000-4000-8000-000000000001", "/home/u/.lima/default/lima.yaml#0",
      "52:55:55:14:33:a8"
    ),
  ])
  func `MAC addresses are those that Lima computes`(machine: String, unique: String, mac: String) {
    #expect(InstanceIdentity.mac(machineID: machine, unique: unique) == mac)
  }

  @Test func `the hostname has no dots and underscores`() {
    #expect(InstanceIdentity(name: "my_vm.1", directory: "/").hostname == "lima-my-vm-1")
  }

  @Test func `without networks eth0 is on the default network`() throws {
    let plan = try plan("")
    #expect(plan.interfaces.count == 1)
    let eth0 = plan.interfaces[0]
    #expect(eth0.id == "net0" && eth0.name == "eth0" && eth0.mac == "52:55:55:f7:b6:d7")
    #expect(eth0.metric == 200 && eth0.network == "default")
    #expect(plan.nameservers == ["192.168.5.3"])
  }

  @Test func `the first user-v2 network takes the place of the default one`() throws {
    let plan = try plan(
      """
      networks:
      - lima: shared
      - {lima: user-v2, macAddress: "52:55:55:00:00:01", interface: x0, metric: 5}
      - lima: second
      - {socket: /a-socket, interface: ext0, macAddress: 52-55-55-AA-00-02}
      """)
    #expect(plan.interfaces.map(\.id) == ["net0", "net1", "net3", "net4"])
    #expect(plan.interfaces.map(\.name) == ["eth0", "lima0", "lima2", "ext0"])
    #expect(plan.interfaces.map(\.network) == ["user-v2", "shared", "second", nil])
    #expect(plan.interfaces.map(\.metric) == [200, 100, 100, 100])
    #expect(
      plan.interfaces.map(\.mac) == [
        "52:55:55:f7:b6:d7", "52:55:55:36:6f:e4",
        InstanceIdentity.mac(
          machineID: Self.machine, unique: "/home/u/.lima/default/lima.yaml#2"),
        "52:55:55:aa:00:02",
      ])
    #expect(plan.nameservers == ["192.168.104.2"])
  }

  @Test func `nameservers come from the list first`() throws {
    #expect(
      try plan("hostResolver: {enabled: false}\ndns: [1.1.1.1]").nameservers == ["1.1.1.1"])
    #expect(try plan("hostResolver: {enabled: false}").nameservers.isEmpty)
  }

  @Test func `the resolver of the network is asked to do what lima.yaml says`() throws {
    func wish(_ yaml: String) throws -> ResolverWish { try plan(yaml).resolver }
    #expect(try wish("") == ResolverWish())
    #expect(try wish("hostResolver: {enabled: true, ipv6: true}") == ResolverWish())
    let off = try wish("hostResolver: {enabled: false}\ndns: []")
    #expect(off.forwards && off.servers.isEmpty && !off.withholdsIPv6)
    let list = try wish("hostResolver: {enabled: false}\ndns: [1.1.1.1, '2001:db8::1']")
    #expect(!list.forwards && list.servers == ["1.1.1.1", "2001:db8::1"])
    #expect(try wish("hostResolver: {ipv6: false}").withholdsIPv6)
  }

  @Test(arguments: [
    ("default", "1.2.3", 60022), ("default", nil, 60022), ("default", "2.0.0", 0),
    ("default", "v2.1.0-3-gabc", 0), ("vm", "1.2.3", 0), ("default", "<unknown>", 60022),
  ])
  func `60022 is for the default instance of older Limas`(
    name: String, version: String?, port: Int
  ) throws {
    #expect(try plan("", name: name, version: version).sshLocalPort == port)
    #expect(
      try plan("ssh: {localPort: 7}", name: name, version: version).sshLocalPort == 7)
  }

  @Test(arguments: [
    (
      "networks: [{}]", "f:1:12: field `networks[0].lima` or  field `networks[0].socket must be set"
    ),
    (
      "networks: [{lima: user-v3}]",
      "f:1:19: field `networks[0].lima` references network `user-v3` which is not defined in networks.yaml: did you mean `user-v2`?"
    ),
    (
      "networks: [{lima: user-v2, socket: /a-socket}]",
      "f:1:36: field `networks[0].lima` and field `networks[0].socket` are mutually exclusive"
    ),
    (
      "networks: [{lima: user-v2, vzNAT: true}]",
      "f:1:35: field `networks[0].lima` and field `networks[0].vzNAT` are mutually exclusive"
    ),
    (
      "networks: [{socket: /a-socket, vzNAT: true}]",
      "f:1:39: field `networks[0].socket` and field `networks[0].vzNAT` are mutually exclusive"
    ),
    (
      "networks: [{socket: /a-file}]",
      "f:1:21: field `networks[0].socket` `/a-file` points to a non-socket file"
    ),
    (
      "networks: [{vzNAT: true}]",
      "f:1:20: field `networks[0].vzNAT` requires `vmType` to be `vz`: vzNAT is macOS's own NAT, for VMs with `vmType: vz` on macOS 13 or later; a network of mode shared does the same with any other VM: `lima: shared`"
    ),
    (
      "networks: [{lima: user-v2, macAddress: zz}]",
      "f:1:40: field `networks[0].macAddress` invalid: address zz: invalid MAC address"
    ),
    (
      "networks: [{lima: user-v2, macAddress: '00:00:00:00:00:00:00:01'}]",
      "f:1:40: field `networks[0].macAddress` must be a 48 bit (6 bytes) MAC address; actual length of `00:00:00:00:00:00:00:01` is 8 bytes"
    ),
    (
      "networks: [{lima: user-v2, interface: sixteen-bytes-xx}]",
      "f:1:39: field `networks[0].interface` must be less than 16 bytes, but is 16 bytes: `sixteen-bytes-xx`"
    ),
    (
      "networks: [{lima: user-v2, interface: a/b}]",
      "f:1:39: field `networks[0].interface` must not contain whitespace or slashes"
    ),
    (
      "networks: [{lima: user-v2, interface: eth0}]",
      "f:1:39: field `networks[0].interface` must not be set to `eth0` because it is reserved for slirp"
    ),
    (
      "networks: [{lima: user-v2}, {lima: shared, interface: lima0}]",
      "f:1:55: field `networks[1].interface` value `lima0` has already been used by field `networks[0].interface`"
    ),
    ("ssh: {localPort: 22}", "f:1:18: field `ssh.localPort` must not be 22"),
    ("ssh: {localPort: -1}", "f:1:18: field `ssh.localPort` must be > 0"),
    ("ssh: {localPort: 65536}", "f:1:18: field `ssh.localPort` must be < 65536"),
    (
      "dns: [1.1.1.1]",
      "f:1:6: field `dns` must be empty when field `HostResolver.Enabled` is true"
    ),
    (
      "portForwards: [{guestPort: 22}]", "f:1:28: field `portForwards[0].guestPort` must not be 22"
    ),
    (
      "portForwards: [{static: true}]",
      "f:1:16: the static rules of `portForwards` have 131070 ports: there may be 1024"
    ),
  ])
  func `mistakes are told with their place, in Lima's words`(_ text: String, _ expected: String) {
    #expect(problems(text).first == expected)
  }

  @Test func `static rules are spelled out`() throws {
    let plan = try plan(
      """
      portForwards:
      - {guestPort: 80, hostPort: 8080, proto: tcp, static: true}
      - {guestPortRange: [5000, 5001], hostIP: 0.0.0.0, static: true}
      - {guestPort: 9, guestIP: 10.1.1.1, proto: udp, static: true}
      - {guestPort: 10, hostIP: "::", proto: tcp, static: true}
      - {guestPort: 11, hostIP: "::1", proto: tcp, static: true}
      - {guestPort: 2375, hostSocket: docker.sock, static: true}
      - {guestSocket: /run/a.sock, hostSocket: a.sock, static: true}
      - {guestPort: 7777}
      - {guestPort: 7778, ignore: true, static: true}
      """)
    #expect(
      plan.statics.map { "\($0.protocol) \($0.host) \($0.guestIP ?? "-"):\($0.guestPort)" } == [
        "tcp 127.0.0.1:8080 -:80", "tcp 0.0.0.0:5000 -:5000", "udp 0.0.0.0:5000 -:5000",
        "tcp 0.0.0.0:5001 -:5001", "udp 0.0.0.0:5001 -:5001", "udp 127.0.0.1:9 10.1.1.1:9",
        // As Go listens: every address of both families.
        "tcp *:10 -:10", "tcp [::1]:11 -:11",
        "unix /home/u/.lima/default/sock/docker.sock -:2375",
      ])
    #expect(plan.warnings.count == 1 && plan.rules.count == 9)
  }

  @Test func `a number in quotes is the number, as Lima reads it`() throws {
    let forward = try plan(
      "portForwards:\n- {guestPort: \"80\", hostPort: '8080', proto: tcp, static: true}\n")
    #expect(forward.statics.map(\.guestPort) == [80])
    #expect(problems("portForwards:\n- {guestPort: \"eighty\"}\n").count == 1)
    #expect(try plan("ssh: {localPort: \"60022\"}\n").sshLocalPort == 60022)
  }

  @Test func `a plain instance is not refused for the rules it drops`() throws {
    let text = "portForwards:\n- {guestPort: 22}\n- {guestPort: 80, proto: tcp, static: true}\n"
    #expect(!problems(text).isEmpty)
    #expect(try plan("plain: true\n" + text).statics.map(\.guestPort) == [80])
  }
}
