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

  @Test func `commands for root name the program's file and the home`() {
    for (from, setup) in [(ReachedFrom.host, "shared"), (.lan, "bridged")] {
      let choice = NetworkChoice.choose(
        from, .qemu, on: .linux, command: "/b/lima-netd", home: " --lima-home /x")
      #expect(
        choice.needs?.contains("sudo /b/lima-netd network setup \(setup) --lima-home /x") == true)
    }
  }

  @Test(arguments: [
    (["setup", "a"], "sudo /b/lima-netd setup a --lima-home /x"),
    (["setup", "a b"], "sudo /b/lima-netd setup 'a b' --lima-home /x"),
    (["setup", "a", "--lima-home", "/y"], "sudo /b/lima-netd setup a --lima-home /y"),
    (["setup", "a", "--lima-home=/y"], "sudo /b/lima-netd setup a --lima-home=/y"),
  ])
  func `a command is run again as root for the same home`(words: [String], text: String) {
    #expect(RootCommand.text("/b/lima-netd", words, home: " --lima-home /x") == text)
  }

  private func facts(_ yaml: String) throws -> HostFacts {
    var facts = HostFacts(
      system: .linux, home: LimaHome(path: "/home/u/.lima", workingDirectory: "/"),
      user: .init(uid: 1000))
    facts.networks = try ConfigDecoder.decode(
      Array(yaml.utf8), file: "f", homeDirectory: "/h"
    ).networks
    return facts
  }

  @Test func `a network works here when doctor finds nothing against it`() throws {
    let modes = ["slirp", "user-v2", "shared", "bridged"]
    let choice = NetworkChoice.choose(.host, .qemu, on: .linux)
    func state(_ facts: HostFacts) -> String {
      if case .unserved(let why) = Recommend.state(choice, modes, facts) { why } else { "" }
    }
    var host = try facts(
      "networks: {shared: {mode: shared}, lab: {mode: shared, gateway: 10.7.0.1}}")
    #expect(state(host).contains("is not set up"))
    #expect(state(host).contains("network setup shared"))
    var tap = HostFacts.Tap(name: "ln1000-shared")
    tap.exists = true
    tap.isTap = true
    tap.persists = true
    tap.owner = 1000
    tap.addresses = ["192.168.105.1/24"]
    tap.mtu = 1500
    host.taps["shared"] = tap
    // The other network of the mode is still not set up.
    #expect(state(host) == "")
    #expect(try state(facts("")).contains("network create shared"))
    host.configurationError = "f:1:1: no"
    #expect(state(host) == "networks.yaml: f:1:1: no")
  }

  @Test func `the whole table has a row for each question`() throws {
    let rows = Recommend.rows(["slirp", "user-v2"], try facts(""))
    #expect(rows.count == ReachedFrom.allCases.count * 3)
    let here = rows.filter { $0.os == HostSystem.current.rawValue }
    #expect(here.contains { $0.here == "yes" } && here.contains { $0.here.contains("mode") })
    #expect(RecommendText.table(rows).hasPrefix("REACHED FROM"))
  }
}
