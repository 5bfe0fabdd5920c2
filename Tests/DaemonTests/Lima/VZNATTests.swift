// SPDX-License-Identifier: Apache-2.0
//
// Interfaces that are no network's of ours: Apple's NAT, and sockets of other daemons.

import Platform
import Testing

@testable import Daemon

@Suite(.timeLimit(.minutes(1))) struct VZNATTests {
  private func planned(_ text: String, onMacOS: Bool) throws -> InstancePlan {
    var context = try InstancePlanTests().context()
    context.isMacOS = onMacOS
    return try InstancePlan(
      LimaYAML.merged(
        default: LimaYAML(), instance: try LimaYAMLDecoder.decode(Array(text.utf8), file: "f"),
        override: LimaYAML()),
      identity: InstanceIdentity(name: "vm", directory: "/home/u/.lima/vm"), context: context)
  }

  @Test func `with vmType vz on macOS it is an interface without a network, and that is said`()
    throws
  {
    let plan = try planned("vmType: vz\nnetworks: [{vzNAT: true, metric: 50}]\n", onMacOS: true)
    #expect(plan.interfaces.map(\.attachment).last == .vzNAT)
    #expect(plan.interfaces.map(\.name) == ["eth0", "lima0"] && plan.interfaces[1].metric == 50)
    #expect(
      plan.warnings == [
        "lima0 is on vzNAT: macOS itself gives it address, names and the way outside, and it needs no daemon"
      ])
  }

  @Test(arguments: [
    ("vmType: vz\nnetworks: [{vzNAT: true}]\n", false, "requires macOS: "),
    ("vmType: qemu\nnetworks: [{vzNAT: true}]\n", true, "requires `vmType` to be `vz`: "),
    ("vmType: qemu\nnetworks: [{vzNAT: true}]\n", false, "requires `vmType` to be `vz`: "),
  ])
  func `elsewhere it is refused with what it needs and what does the same`(
    text: String, onMacOS: Bool, words: String
  ) {
    let error = #expect(throws: LimaYAMLError.self) { try planned(text, onMacOS: onMacOS) }
    let message = error.map { "\($0)" } ?? ""
    #expect(message.contains("field `networks[0].vzNAT` \(words)"), "\(message)")
    #expect(message.contains("macOS 13") && message.hasSuffix("`lima: shared`"), "\(message)")
  }

  @Test func `a vzNAT of false is none`() throws {
    #expect(throws: LimaYAMLError.self) {
      try planned("vmType: vz\nnetworks: [{vzNAT: false}]\n", onMacOS: true)
    }
    let plan = try planned("networks: [{lima: shared, vzNAT: false}]\n", onMacOS: false)
    #expect(plan.interfaces.last?.network == "shared" && plan.warnings.isEmpty)
  }

  @Test(arguments: ["vzNAT", "vznat", "VZNAT", "vz-nat"])
  func `as a network's mode it is told where it belongs`(mode: String) {
    let error = #expect(throws: RegistryError.self) {
      try Registry(levels: []).networkPlugin(mode: mode, pin: nil)
    }
    let message = error.map { "\($0)" } ?? ""
    #expect(message.contains("vzNAT: true") && message.contains("`shared`"), "\(message)")
  }

  @Test(arguments: [
    ("8.2", ",reconnect=1"), ("9.2", ",reconnect-ms=500"), ("10.0", ",reconnect-ms=500"),
    ("7.2", ""),
  ])
  func `a socket of another daemon is a stream that QEMU connects again where it can`(
    version: String, ending: String
  ) throws {
    let plan = try planned(
      "networks: [{socket: \"/run/a,b\", macAddress: '52-55-55-AA-00-01', interface: lan0}]\n",
      onMacOS: false)
    let words = try DriverArguments.qemu(
      plan.interfaces.map { InterfaceReport($0, mode: nil) }, arch: "x86_64",
      QEMUCapabilities(version: QEMUCapabilities.version(in: "version \(version).0")), .stream)
    #expect(
      words[5...] == [
        "stream,id=net1,server=off,addr.type=unix,addr.path=/run/a,,b" + ending, "-device",
        "virtio-net-pci,netdev=net1,mac=52:55:55:aa:00:01",
      ])
    #expect(plan.interfaces[1].name == "lan0")
  }

  @Test func `an older QEMU inherits the socket's connection`() throws {
    let plan = try planned("networks: [{socket: /run/peer}]\n", onMacOS: false)
    let interfaces = plan.interfaces.map { InterfaceReport($0, mode: nil) }
    let old = QEMUCapabilities(version: (7, 1))
    #expect(throws: DriverArguments.Problem.self) {
      try DriverArguments.qemu(interfaces, arch: "x86_64", old, .stream)
    }
    let words = try DriverArguments.qemu(interfaces, arch: "x86_64", old, .descriptors(first: 3))
    #expect(words.contains("socket,id=net1,fd=4"))
  }
}
