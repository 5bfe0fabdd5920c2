// SPDX-License-Identifier: Apache-2.0
//
// The option `egress` as it is written.

import Gateway
import LimaNetdSDK
import NetStack
import PluginAPI
import Testing
import Wire

@Suite(.timeLimit(.minutes(1))) struct EgressOptionsTests {
  private func read(_ text: String) throws -> EgressPolicy {
    try EgressOptions.read(Options(parsing: #"{"egress": \#(text)}"#))
  }

  @Test func `a preset stands by its name, or with what it lacks`() throws {
    #expect(try read("null") == EgressPolicy())
    #expect(try read(#""internet""#) == .internet)
    #expect(try read(#"{"preset": "none"}"#) == .none)
    #expect(try read(#""all""#) == .all)
    var policy = EgressPolicy.internet
    policy.reachesHost = true
    policy.rules.insert(
      .init(allows: true, networks: [CIDR("10.0.0.0/8")].compactMap { $0 }, label: "rule 1"), at: 0)
    #expect(
      try read(#"{"preset": "internet", "host": true, "rules": [{"allow": "10.0.0.0/8"}]}"#)
        == policy)
  }

  @Test func `closed networks keep the host's address in each`() throws {
    let options = try Options(
      parsing: #"{"egress": "internet", "closedNetworks": ["192.168.106.1/24", "fd12::1/64"]}"#)
    var policy = EgressPolicy.internet
    policy.closed = ["192.168.106.1/24", "fd12::1/64"].compactMap { CIDR($0) }
    #expect(try EgressOptions.read(options) == policy)
    for text in [#"["10.0.0.1"]"#, #""10.0.0.1/8""#, "[7]"] {
      #expect(throws: PluginFailure.self) {
        try EgressOptions.read(Options(parsing: #"{"closedNetworks": \#(text)}"#))
      }
    }
  }

  @Test func `a rule has networks, ports and protocols, one or several`() throws {
    let policy = try read(
      #"""
      {"default": "deny", "rules": [
        {"allow": ["10.0.0.0/8", "fd00::/8", "192.0.2.1"], "ports": [443, "8000-8100"]},
        {"allow": "any", "protocol": "icmp"},
        {"deny": "special", "protocol": ["tcp", "udp"], "ports": "22"}]}
      """#)
    #expect(!policy.allowsOthers && !policy.reachesHost)
    #expect(try read(#"{"default": "deny", "host": true}"#).reachesHost)
    #expect(policy.rules.map(\.allows) == [true, true, false])
    #expect(
      policy.rules[0].networks.map(\.description) == ["10.0.0.0/8", "fd00::/8", "192.0.2.1/32"])
    #expect(policy.rules[0].ports == [443...443, 8000...8100])
    #expect(policy.rules[0].protocols == [IPProtocol.tcp, IPProtocol.udp])
    #expect(policy.rules[1].networks.isEmpty)
    #expect(policy.rules[1].protocols == [IPProtocol.icmp, IPProtocol.icmpV6])
    #expect(policy.rules[2].networks == EgressPolicy.special)
    #expect(policy.rules.map(\.label) == ["rule 1", "rule 2", "rule 3"])
  }

  @Test(arguments: [
    (#"7"#, "/egress"), (#""lan""#, "/egress"), (#"{"preset": "lan"}"#, "/egress/preset"),
    (#"{"default": "drop"}"#, "/egress/default"), (#"{"host": "no"}"#, "/egress/host"),
    (#"{"rules": {}}"#, "/egress/rules"), (#"{"alow": 1}"#, "/egress/alow"),
    (#"{"rules": [{}]}"#, "/egress/rules/0"),
    (#"{"rules": [{"allow": "any", "deny": "any"}]}"#, "/egress/rules/0"),
    (#"{"rules": [{"allow": "any", "port": 1}]}"#, "/egress/rules/0/port"),
    (#"{"rules": [{"allow": []}]}"#, "/egress/rules/0/allow"),
    (#"{"rules": [{"allow": "any"}, {"deny": "banana"}]}"#, "/egress/rules/1/deny"),
    (#"{"rules": [{"allow": "10.0.0.1/8"}]}"#, "/egress/rules/0/allow"),
    (#"{"rules": [{"allow": ["any", "10.0.0.0/8"]}]}"#, "/egress/rules/0/allow"),
    (#"{"rules": [{"allow": "any", "protocol": "sctp"}]}"#, "/egress/rules/0/protocol"),
    (#"{"rules": [{"allow": "any", "ports": 0}]}"#, "/egress/rules/0/ports"),
    (#"{"rules": [{"allow": "any", "ports": "9-8"}]}"#, "/egress/rules/0/ports"),
    (#"{"rules": [{"allow": "any", "ports": "1-"}]}"#, "/egress/rules/0/ports"),
    (#"{"rules": [{"allow": "any", "ports": 1, "protocol": "icmp"}]}"#, "/egress/rules/0/ports"),
  ])
  func `what is wrong is named by its place`(text: String, pointer: String) {
    do throws(PluginFailure) {
      _ = try EgressOptions.read(Options(parsing: #"{"egress": \#(text)}"#))
      Issue.record("it was taken")
    } catch {
      #expect(error.jsonPointer == pointer)
      #expect(error.status == LND_ERR_INVALID_CONFIG)
    }
  }
}
