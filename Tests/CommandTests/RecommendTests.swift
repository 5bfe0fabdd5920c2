// SPDX-License-Identifier: Apache-2.0

import Daemon
import Platform
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
    #expect((choice.mode == nil) == (network == "vzNAT"))
  }

  @Test func `the text begins with the answer and says when it does not work here`() {
    let choice = NetworkChoice.choose(.host, .qemu, on: .linux)
    let text = RecommendText.choice(
      choice, qemu: ["qemu-system-x86_64 ..."], state: .unserved("no plugin"))
    #expect(text.hasPrefix("shared\n"))
    #expect(text.contains("- lima: shared") && text.contains("\n    qemu-system-x86_64 ..."))
    #expect(text.contains("mac=") && text.contains("Not here now: no plugin"))
  }

  private func line(_ version: (Int, Int)?) throws -> String {
    try QEMULine(
      network: "default", socket: "$HOME/.lima/_networks/default/default_qemu.sock",
      mac: "52:55:55:00:00:01", arch: "x86_64", capabilities: QEMUCapabilities(version: version)
    ).lines.joined(separator: "\n")
  }

  @Test
  func `QEMU's line is one that stays on the network over a restart, whichever QEMU there is`()
    throws
  {
    for (version, text) in [
      ((9, 2), "reconnect-ms=500"), ((10, 0), "reconnect-ms=500"), ((8, 0), "reconnect=1"),
      ((9, 1), "reconnect=1"),
    ] as [((Int, Int), String)] {
      let line = try line(version)
      #expect(line.hasPrefix("qemu-system-x86_64 ..."))
      #expect(
        line.contains("default_qemu.sock,\(text)'") || line.contains("default_qemu.sock,\(text) "))
    }
    for version in [(7, 2), (6, 2), nil] as [(Int, Int)?] {
      let line = try line(version)
      #expect(line.hasPrefix("lima-netd tap default -- qemu-system-x86_64 ..."))
      #expect(line.contains("-netdev tap,id=n0,fd=3"))
    }
    for version in [(9, 2), (7, 2)] {
      #expect(try line(version).contains("-device virtio-net-pci,netdev=n0,mac=52:55:55:00:00:01"))
    }
  }

  @Test func `the README's QEMU lines are those that the program prints`() throws {
    let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
    let readme = String(
      decoding: try Files.read(root + "/README.md", limit: 1 << 20), as: UTF8.self)
    #expect(readme.contains(QEMUCapabilities(version: (8, 0)).reconnect))
    for version in [(9, 2), (7, 2)] {
      for part in try line(version).split(separator: "\n").dropFirst() {
        // In the README a shell puts $HOME in.
        let words = part.replacing("'", with: "").drop { $0 == " " }.replacing(" \\", with: "")
        #expect(readme.contains(words), "\(words)")
      }
    }
  }

  @Test func `a made-up address is one of a single station's, and each time another`() {
    var generator = SystemRandomNumberGenerator()
    let addresses = (0..<50).map { _ in QEMULine.randomMAC(using: &generator) }
    #expect(addresses.allSatisfy { (try? MACAddressArgument($0))?.description == $0 })
    #expect(Set(addresses).count > 40)
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
    facts.configuration.networks = try ConfigDecoder.decode(
      Array(yaml.utf8), file: "f", homeDirectory: "/h"
    ).networks
    return facts
  }

  @Test func `a network works here when doctor finds nothing against it`() throws {
    let modes = ["slirp", "user-v2", "shared", "bridged"]
    let choice = NetworkChoice.choose(.host, .qemu, on: .linux)
    func state(_ facts: HostFacts) -> String {
      let state = Recommend.state(choice, modes, facts)
      return state == .served ? "" : state.text
    }
    var host = try facts(
      "networks: {shared: {mode: shared}, lab: {mode: shared, gateway: 10.7.0.1}}")
    #expect(state(host).contains("is not set up"))
    #expect(state(host).contains("network setup shared"))
    // One as in the default file, which `doctor` passes over until somebody asks for its mode, is asked for here.
    host.configuration.defaults = host.configuration.networks
    #expect(state(host).contains("is not set up"))
    var tap = HostFacts.Tap(name: "ln1000-shared")
    tap.exists = true
    tap.isTap = true
    tap.persists = true
    tap.owner = 1000
    tap.addresses = ["192.168.105.1/24"]
    tap.mtu = 1500
    host.links.taps["shared"] = tap
    // The other network of the mode is still not set up.
    #expect(state(host) == "")
    // Without the file one command of root's does both.
    var bare = try facts("")
    bare.configuration.isThere = false
    #expect(
      state(bare).hasSuffix(
        "sudo lima-netd network setup shared --lima-home /home/u/.lima"))
    var written = try facts("")
    written.configuration.isThere = true
    #expect(state(written).contains("network create shared"))
    host.configuration.error = "f:1:1: no"
    #expect(state(host) == "networks.yaml: f:1:1: no")
    host.user.homeProblem = "no home"
    #expect(state(host) == "no home")
  }

  @Test func `a command is told once, on a line of its own, and text fits into 80 columns`() throws
  {
    let command = "sudo /usr/local/bin/lima-netd network setup shared --lima-home /home/u/.lima"
    let choice = NetworkChoice.choose(
      .host, .qemu, on: .linux, command: "/usr/local/bin/lima-netd",
      home: " --lima-home /home/u/.lima")
    for state in [
      nil, .unserved("its interface is not set up", remedy: command),
    ] as [ModeState?] {
      let text = RecommendText.choice(choice, qemu: [], state: state)
      #expect(text.components(separatedBy: "network setup").count == 2, "\(text)")
      let lines = text.split(separator: "\n")
      #expect(lines.contains("    \(command)"), "\(text)")
      #expect(lines.allSatisfy { $0.count <= 80 || $0.hasPrefix("    ") }, "\(text)")
    }
    // What is here asks for nothing any more.
    let here = RecommendText.choice(choice, qemu: [], state: .served)
    #expect(!here.contains("It needs") && here.contains("lima: shared"), "\(here)")
    // Two things to do, in their order.
    let create = ModeState.unserved("no network shared", remedy: "lima-netd network create shared")
    let both = RecommendText.choice(choice, qemu: [], state: create)
    let places = try ["network create", "network setup"].map { try #require(both.range(of: $0)) }
    #expect(places[0].lowerBound < places[1].lowerBound)
    let bridged = NetworkChoice.choose(.lan, .qemu, on: .linux)
    let lines = RecommendText.choice(bridged, qemu: [], state: nil).split(separator: "\n")
    #expect(lines.allSatisfy { $0.count <= 80 }, "\(lines)")
    #expect(lines.contains("    sudo lima-netd network setup bridged"))
    #expect(lines.contains("    lima-netd sudoers | sudo tee /etc/sudoers.d/lima-netd"))
  }

  @Test func `the whole table has a row for each question`() throws {
    let rows = Recommend.rows(["slirp", "user-v2"], try facts(""))
    let types = HostSystem.current == .linux ? 1 : 2
    #expect(rows.count == ReachedFrom.allCases.count * types)
    #expect(rows.allSatisfy { $0.os == HostSystem.current.rawValue })
    #expect(rows.contains { $0.here == "yes" } && rows.contains { $0.here.contains("mode") })
    let table = RecommendText.table(rows)
    #expect(table.hasPrefix("REACHED FROM") && table.contains("\nshared: no plugin serves mode"))
    let other: HostSystem = HostSystem.current == .linux ? .macos : .linux
    let there = Recommend.rows(["slirp"], try facts(""), on: other)
    #expect(there.allSatisfy { $0.os == other.rawValue && $0.here == "-" })
  }
}
