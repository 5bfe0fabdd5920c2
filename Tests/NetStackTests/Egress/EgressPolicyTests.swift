// SPDX-License-Identifier: Apache-2.0
//
// A table of flows that egress rules allow or deny.

import Testing
import Wire

@testable import NetStack

@Suite(.timeLimit(.minutes(1))) struct EgressPolicyTests {
  struct Case: Sendable {
    var policy: EgressPolicy
    var proto: UInt8
    var address: String
    var port: UInt16
    var verdict: EgressVerdict
  }

  private static func rule(
    _ allows: Bool, _ networks: [String], ports: [ClosedRange<UInt16>] = [],
    protocols: [UInt8] = [], label: String = "rule 1"
  ) -> EgressPolicy.Rule {
    EgressPolicy.Rule(
      allows: allows, networks: networks.compactMap { CIDR($0) }, ports: ports,
      protocols: protocols, label: label)
  }

  private static func verdict(
    _ policy: EgressPolicy, _ address: String, port: UInt16 = 443, proto: UInt8 = IPProtocol.tcp
  ) throws -> EgressVerdict {
    let destination = Endpoint(try #require(IPAddress(address)), port: port)
    return policy.decide(EgressQuestion(proto: proto, destination: destination)) {
      $0 == IPAddress(192, 0, 2, 9)
    }
  }

  @Test(arguments: [
    ("8.8.8.8", EgressVerdict.allowed), ("10.0.0.1", .allowed), ("192.0.2.9", .allowed),
    ("169.254.169.254", .denied(.linkLocal)), ("fe80::1", .denied(.linkLocal)),
    ("64:ff9b::169.254.169.254", .denied(.linkLocal)), ("fd00:ec2::254", .allowed),
  ])
  func `without rules everything is allowed but link-local addresses`(
    address: String, verdict: EgressVerdict
  ) throws {
    #expect(try Self.verdict(EgressPolicy(), address) == verdict)
  }

  @Test(arguments: [
    ("192.168.106.2", EgressVerdict.denied(.closedNetwork)), ("192.168.106.1", .allowed),
    ("192.168.107.2", .allowed), ("64:ff9b::192.168.106.2", .denied(.closedNetwork)),
    ("fd12:3456:789a::2", .denied(.closedNetwork)), ("fd12:3456:789a::1", .allowed),
    ("fd12:3456:789b::2", .allowed),
  ])
  func `guests of a closed network are denied, the host's address in it is not`(
    address: String, verdict: EgressVerdict
  ) throws {
    var policy = EgressPolicy()
    policy.closed = ["192.168.106.1/24", "fd12:3456:789a::1/64"].compactMap { CIDR($0) }
    #expect(try Self.verdict(policy, address) == verdict)
    policy.rules = EgressPolicy.all.rules
    #expect(try Self.verdict(policy, address) == .allowed, "a rule comes first")
  }

  @Test(arguments: [
    "10.1.2.3", "172.31.255.255", "192.168.1.1", "100.64.0.1", "127.0.0.1", "169.254.169.254",
    "198.18.0.1", "224.0.0.251", "255.255.255.255", "fc00::1", "fd12::1", "fe80::1", "::1",
    "2002:a00:1::1", "2001:0:1::1", "64:ff9b::10.1.2.3", "64:ff9b:1::1", "ff02::1",
  ])
  func `the Internet is none of the networks that lead elsewhere`(address: String) throws {
    #expect(try Self.verdict(.internet, address) == .denied(.rule(label: "internet")))
  }

  @Test func `the Internet is all the rest, and not the host`() throws {
    for address in ["8.8.8.8", "172.32.0.1", "2606:4700::1111", "64:ff9b::8.8.8.8"] {
      #expect(try Self.verdict(.internet, address) == .allowed, "\(address)")
    }
    #expect(try Self.verdict(.internet, "192.0.2.9") == .denied(.host))
  }

  @Test func `none is nothing and all is everything`() throws {
    for address in ["8.8.8.8", "10.0.0.1", "2606:4700::1111"] {
      #expect(try Self.verdict(.none, address) == .denied(.standard))
      #expect(try Self.verdict(.all, address) == .allowed)
    }
    #expect(try Self.verdict(.all, "169.254.169.254") == .allowed)
    #expect(try Self.verdict(.all, "192.0.2.9") == .allowed)
  }

  @Test func `the first rule that matches decides`() throws {
    let policy = EgressPolicy(
      rules: [
        Self.rule(false, ["10.1.0.0/16"], label: "rule 1"),
        Self.rule(true, ["10.0.0.0/8", "169.254.169.254/32"], label: "rule 2"),
      ], allowsOthers: false)
    #expect(try Self.verdict(policy, "10.1.2.3") == .denied(.rule(label: "rule 1")))
    #expect(try Self.verdict(policy, "10.2.2.3") == .allowed)
    #expect(try Self.verdict(policy, "169.254.169.254") == .allowed)
    #expect(try Self.verdict(policy, "169.254.169.253") == .denied(.linkLocal))
    #expect(try Self.verdict(policy, "11.0.0.1") == .denied(.standard))
  }

  @Test func `ports and protocols narrow a rule`() throws {
    let policy = EgressPolicy(
      rules: [
        Self.rule(
          true, ["10.0.0.0/8"], ports: [443...443, 8000...8100], protocols: [IPProtocol.tcp])
      ], allowsOthers: false)
    #expect(try Self.verdict(policy, "10.0.0.1", port: 443) == .allowed)
    #expect(try Self.verdict(policy, "10.0.0.1", port: 8100) == .allowed)
    #expect(try Self.verdict(policy, "10.0.0.1", port: 8101) == .denied(.standard))
    #expect(
      try Self.verdict(policy, "10.0.0.1", port: 443, proto: IPProtocol.udp) == .denied(.standard))
  }

  @Test func `a rule of one family says nothing of the other`() throws {
    let policy = EgressPolicy(rules: [Self.rule(true, ["0.0.0.0/0"])], allowsOthers: false)
    #expect(try Self.verdict(policy, "8.8.8.8") == .allowed)
    #expect(try Self.verdict(policy, "2606:4700::1111") == .denied(.standard))
  }

  @Test func `a closed host is closed whatever the rules say`() throws {
    let policy = EgressPolicy(rules: [Self.rule(true, ["192.0.2.0/24"])], reachesHost: false)
    #expect(try Self.verdict(policy, "192.0.2.9") == .denied(.host))
    #expect(try Self.verdict(policy, "64:ff9b::192.0.2.9") == .denied(.host))
    #expect(try Self.verdict(policy, "192.0.2.10") == .allowed)
  }
}

@Suite(.timeLimit(.minutes(1))) struct EgressLogTests {
  private func question(_ number: Int) -> EgressQuestion {
    EgressQuestion(
      proto: IPProtocol.tcp,
      destination: Endpoint(IPAddress(v4: 0x0808_0000 + UInt32(number)), port: 443))
  }

  @Test func `a destination stands once, with how often`() {
    var log = EgressLog()
    let guest = IPAddress(192, 168, 5, 15)
    for time in 1...3 {
      log.note(
        question(1), .standard, guest: guest, mac: GuestTCP.mac, now: UInt64(time))
      log.note(question(time + 1), .host, guest: guest, mac: GuestTCP.mac, now: UInt64(time))
    }
    #expect(log.total == 6)
    #expect(log.entries.count == 4)
    #expect(log.entries.contains { $0.question == question(1) && $0.count == 3 && $0.last == 3 })
  }

  @Test func `one guest's scan does not hide what another was denied`() {
    var log = EgressLog()
    let quiet = MACAddress(2, 0, 0, 0, 0, 1)
    log.note(question(0), .host, guest: IPAddress(192, 168, 5, 9), mac: quiet, now: 0)
    for number in 1...10_000 {
      log.note(
        question(number), .host, guest: IPAddress(192, 168, 5, 15), mac: GuestTCP.mac,
        now: UInt64(number))
    }
    #expect(log.entries.count == EgressLog.limit)
    #expect(log.entries.contains { $0.mac == quiet })
    #expect(log.total == 10_001)
  }
}
