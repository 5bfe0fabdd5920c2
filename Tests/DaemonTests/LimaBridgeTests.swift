// SPDX-License-Identifier: Apache-2.0
//
// When a bridge is Lima's own helper's, and who else has a subnet.

import Platform
import Testing

@testable import Daemon

@Suite(.timeLimit(.minutes(1))) struct LimaBridgeTests {
  private static let file = "/run/lima/shared_lima-privileged-net.pid"

  private func probe(
    bridges: [String] = ["lima-shared"],
    pid: Result<Int32, LimaBridgeProbe.Reason> = .success(7),
    process: LimaBridgeProbe.Process = .words(["/opt/lima-privileged-net", "start"])
  ) -> LimaBridgeProbe {
    LimaBridgeProbe(
      isBridge: { bridges.contains($0) },
      pid: { $0 == Self.file ? pid : .failure(.init("there is no \($0)")) },
      process: { _ in process })
  }

  private func state(_ probe: LimaBridgeProbe) -> LimaBridge.State? {
    probe.look(for: "shared", varRun: "/run/lima")?.state
  }

  @Test func `it is kept while the process of its pid file is the helper`() {
    #expect(state(probe()) == .kept(pid: 7))
    #expect(
      state(probe(process: .words(["/bin/sh", "/x/lima-privileged-net", "start"])))
        == .kept(pid: 7))
    // Where /proc tells nothing of others' processes, being there has to do.
    #expect(state(probe(process: .hidden)) == .kept(pid: 7))
  }

  @Test func `it is left over when there is no file, no process, or another program's`() {
    #expect(state(probe(pid: .failure("there is none"))) == .leftOver("there is none"))
    #expect(
      state(probe(process: .gone))
        == .leftOver("there is no process 7, which \(Self.file) names"))
    #expect(
      state(probe(process: .words(["/usr/bin/vim", "lima-privileged-net.c"])))
        == .leftOver("process 7, which \(Self.file) names, is no lima-privileged-net"))
  }

  @Test func `without a bridge of that name there is none`() {
    #expect(state(probe(bridges: ["shared", "br0"])) == nil)
    #expect(probe().look(for: "shared", varRun: "") == nil)
    #expect(probe().look(for: "shared", varRun: "run/lima") == nil)
    // An interface's name has 15 bytes at most.
    #expect(LimaBridge.name(of: "0123456789") == "lima-0123456789")
    #expect(LimaBridge.name(of: "01234567890") == nil)
    #expect(LimaBridge.name(of: "a/../b") == nil)
  }

  @Test(arguments: [
    ("192.168.105.7", 24, true), ("192.168.0.1", 16, true), ("192.168.105.200", 32, true),
    ("192.168.106.1", 24, false), ("10.0.0.1", 0, false),
  ])
  func `a subnet's other owner is one whose own subnet overlaps it`(
    address: String, length: Int, owns: Bool
  ) throws {
    let value = try #require(IPv4Address(address)).value
    let other = [
      HostAddress(interface: "ln0-shared", address: value, prefixLength: length),
      HostAddress(interface: "virbr0", address: value, prefixLength: length),
    ]
    let found = SubnetOwner.find(of: "192.168.105.1/24", except: "ln0-shared", among: other)
    #expect(found?.interface == (owns ? "virbr0" : nil))
    #expect(found?.text == (owns ? "\(address)/\(length)" : nil))
  }
}
