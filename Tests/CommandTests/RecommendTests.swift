// SPDX-License-Identifier: Apache-2.0

import Daemon
import Testing

@testable import lima_netd

@Suite("recommend", .timeLimit(.minutes(1)))
struct RecommendTests {
  /// From, host, VM type, and the network that Lima's flowchart, with Linux's own rows, leads to.
  @Test(arguments: [
    (ReachedFrom.localhost, HostSystem.linux, VMType.qemu, "default"),
    (.localhost, .macos, .vz, "default"), (.vms, .linux, .qemu, "user-v2"),
    (.vms, .macos, .qemu, "user-v2"), (.vms, .macos, .vz, "user-v2"),
    (.host, .linux, .qemu, "shared"), (.host, .macos, .qemu, "shared"),
    (.host, .macos, .vz, "vzNAT"), (.lan, .linux, .qemu, "bridged"),
    (.lan, .macos, .vz, "bridged"), (.lan, .macos, .qemu, "bridged"),
  ])
  func `the flowchart leads to one network`(
    from: ReachedFrom, system: HostSystem, type: VMType, network: String
  ) {
    let choice = NetworkChoice.choose(from, type, on: system)
    #expect(choice.network == network)
    #expect(choice.qemuArguments(socket: "/s") == nil || network != "vzNAT")
  }

  @Test func `the text begins with the answer and says when it does not work here`() {
    let choice = NetworkChoice.choose(.host, .qemu, on: .linux)
    let text = RecommendText.choice(
      choice, socket: "/h/_networks/shared/shared_qemu.sock", state: .unserved("no plugin"))
    #expect(text.hasPrefix("shared\n"))
    #expect(text.contains("- lima: shared") && text.contains("addr.path=/h/_networks/shared/"))
    #expect(text.contains("mac=") && text.contains("Not here now: no plugin"))
  }

  @Test func `the whole table has a row for each question`() {
    let rows = Recommend.rows(["slirp", "user-v2"], NetworkConfiguration.builtins)
    #expect(rows.count == ReachedFrom.allCases.count * 3)
    let here = rows.filter { $0.os == HostSystem.current.rawValue }
    #expect(here.contains { $0.here == "yes" } && here.contains { $0.here.contains("mode") })
    #expect(RecommendText.table(rows).hasPrefix("REACHED FROM"))
  }
}
