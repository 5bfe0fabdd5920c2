// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Daemon

@Suite("lima.yaml", .timeLimit(.minutes(5)))
struct LimaYAMLTests {
  func decode(_ text: String, file: String = "lima.yaml") throws -> LimaYAML {
    try LimaYAMLDecoder.decode(Array(text.utf8), file: file)
  }

  func problems(_ text: String) -> [String] {
    do {
      _ = try decode(text)
      return []
    } catch {
      return "\(error)".split(separator: "\n").map(String.init)
    }
  }

  @Test func `reads what is about networking and passes over the rest`() throws {
    let yaml = try decode(
      """
      vmType: qemu
      arch: aarch64
      images: [{location: "https://example.org/a.qcow2", arch: x86_64}]
      plain: true
      ssh: {localPort: 60023, loadDotSSHPubKeys: false}
      hostResolver:
        enabled: false
        ipv6: true
        hosts: {My.Host.: 10.0.0.1, alias.internal: host.lima.internal.}
      dns: [1.1.1.1, "2606:4700::1111"]
      param: {port: "80"}
      networks:
      - lima: user-v2
        macAddress: "52:55:55:00:00:01"
        interface: eno1
        metric: 300
      - socket: /run/x.sock
      - vzNAT: true
      portForwards:
      - {guestPort: 80, hostPort: 8080, static: true, proto: tcp}
      - {guestIP: "::", guestPortRange: [1, 9], hostIP: 0.0.0.0, ignore: true}
      """)
    #expect(yaml.vmType == "qemu" && yaml.arch == "aarch64" && yaml.plain == true)
    #expect(yaml.sshLocalPort == 60023)
    #expect(yaml.resolverEnabled == false && yaml.resolverIPv6 == true)
    #expect(
      yaml.resolverHosts == ["my.host": "10.0.0.1", "alias.internal": "host.lima.internal"])
    #expect(yaml.dns == ["1.1.1.1", "2606:4700::1111"])
    #expect(yaml.networks.map(\.lima) == ["user-v2", "", ""])
    #expect(yaml.networks[0].metric == 300 && yaml.networks[0].interface == "eno1")
    #expect(yaml.networks[1].socket == "/run/x.sock" && yaml.networks[2].vzNAT == true)
    #expect(yaml.portForwards[0].entry.isStatic && yaml.portForwards[0].entry.hostPort == 8080)
    #expect(yaml.portForwards[1].entry.guestPortRange == [1, 9])
    #expect(yaml.portForwards[1].entry.hostIP == .anyIPv4)
  }

  @Test func `empty values are as good as none`() throws {
    let yaml = try decode("networks:\nportForwards: null\nssh:\nhostResolver: {hosts: }\ndns: []\n")
    #expect(yaml.networks.isEmpty && yaml.portForwards.isEmpty && yaml.dns.isEmpty)
    #expect(try decode("").vmType == nil)
  }

  @Test(arguments: [
    ("networks: {a: b}", "1:11: field `networks` must be a list, not a mapping"),
    ("networks: [x]", "1:12: field `networks[0]` must be a mapping, not a single value"),
    ("ssh: {localPort: abc}", "1:18: field `ssh.localPort` must be a whole number"),
    ("plain: 3", "1:8: field `plain` must be true or false"),
    ("dns: [nope]", "1:7: field `dns[0]`: `nope` is no IP address"),
    (
      "portForwards: [{guestPortRange: [1]}]",
      "1:33: field `portForwards[0].guestPortRange` must be a list of two port numbers, as [8000, 8010]"
    ),
    (
      "portForwards: [{guestIP: 1.2.3}]",
      "1:26: field `portForwards[0].guestIP`: `1.2.3` is no IP address"
    ),
    (
      "networks: [{vzNAT: true, metric: -1}]",
      "1:34: field `networks[0].metric` must be between 0 and 4294967295"
    ),
    (
      "hostResolver: {hosts: {a: 'b c..d'}}",
      "1:27: field `hostResolver.hosts.a`: `b c..d` is neither an IP address nor a domain name"
    ),
  ])
  func `wrong types are told with their place`(_ text: String, _ expected: String) {
    #expect(problems(text) == ["lima.yaml:\(expected)"])
  }

  @Test func `all mistakes are told at once, and no file can break the reader`() {
    #expect(problems("plain: 1\nvmType: []\nnetworks: 3\n").count == 3)
    #expect(problems("a: [").count == 1)
    #expect(problems("a: &x [*x]").count == 1)
    #expect(problems("\u{0}").count == 1)
  }

  @Test func `what is misspelt is told with its place, and what is only Lima's is not`() throws {
    let yaml = try decode(
      """
      base: template:_images/ubuntu
      cpus: 4
      somethingNew: 1
      netwroks: []
      ssh: {localPortt: 5, forwardAgent: true}
      hostResolver: {enabledd: true}
      networks:
      - {lima: user-v2, intreface: eth1}
      portForwards:
      - {guestPort: 80, hostPrt: 8080, banana: 1}
      """)
    let told = yaml.warnings.map { "\($0.mark?.line ?? 0):\($0.mark?.column ?? 0) \($0.text)" }
    let wanted = [
      "1:1 field `base` is not read here",
      "4:1 field `netwroks` is unknown: did you mean `networks`?",
      "5:7 field `ssh.localPortt` is unknown: did you mean `localPort`?",
      "6:16 field `hostResolver.enabledd` is unknown: did you mean `enabled`?",
      "8:19 field `networks[0].intreface` is unknown: did you mean `interface`?",
      "10:19 field `portForwards[0].hostPrt` is unknown: did you mean `hostPort`?",
      "10:34 field `portForwards[0].banana` is unknown: there are guestIP, ",
    ]
    #expect(
      told.count == wanted.count && zip(told, wanted).allSatisfy { $0.hasPrefix($1) }, "\(told)")
    #expect(
      LimaYAML.merged(default: yaml, instance: LimaYAML(), override: LimaYAML()).warnings.count == 7
    )
  }

  @Test func `layers are merged as by Lima`() throws {
    let merged = LimaYAML.merged(
      default: try decode(
        """
        networks: [{lima: shared, interface: one}, {socket: /d}]
        portForwards: [{guestPort: 3}]
        hostResolver: {enabled: false, hosts: {a: 1.1.1.1, b: 1.1.1.1}}
        dns: [9.9.9.9]
        ssh: {localPort: 1001}
        """),
      instance: try decode(
        """
        networks: [{socket: /s, interface: one, metric: 7}, {lima: user-v2}]
        portForwards: [{guestPort: 2}]
        hostResolver: {hosts: {b: 2.2.2.2}}
        dns: [8.8.8.8]
        """),
      override: try decode(
        """
        networks: [{lima: host, socket: /o, macAddress: "52:55:55:00:00:09", interface: one}]
        portForwards: [{guestPort: 1}]
        hostResolver: {hosts: {b: 3.3.3.3}}
        plain: true
        """))
    #expect(merged.networks.map(\.lima) == ["host", "", "user-v2"])
    #expect(merged.networks.map(\.socket) == ["", "/d", ""])
    #expect(merged.networks[0].metric == 7)
    #expect(merged.networks[0].macAddress == "52:55:55:00:00:09")
    #expect(merged.portForwards.map(\.entry.guestPort) == [1, 2, 3])
    #expect(merged.resolverHosts == ["a": "1.1.1.1", "b": "3.3.3.3"])
    #expect(merged.dns == ["8.8.8.8"] && merged.sshLocalPort == 1001 && merged.plain == true)
    #expect(merged.resolverEnabled == false)
  }
}
