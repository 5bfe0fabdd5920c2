// SPDX-License-Identifier: Apache-2.0
//
// Which interface a bridged network may have, told from files like the kernel's.

import Foundation
import Platform
import Testing

@testable import Daemon

@Suite(.timeLimit(.minutes(1))) struct BridgeCheckTests {
  /// sysfs and /proc/sys of the test's own: file by path, and text.
  private func check<Value>(
    _ files: [String: String], _ body: (BridgeCheck) throws -> Value
  ) throws -> Value {
    let root = FileManager.default.temporaryDirectory.appending(path: "lnd-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: root) }
    for (path, text) in files {
      let file = root.appending(path: path)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try text.write(to: file, atomically: true, encoding: .utf8)
    }
    return try body(
      BridgeCheck(
        sysfs: root.appending(path: "sys").path, sysctl: root.appending(path: "proc").path))
  }

  @Test(arguments: [
    ["sys/class/net/wlan0/wireless/status": "0"],
    ["sys/class/net/wlan0/phy80211/name": "phy0"],
    ["sys/class/net/wlan0/uevent": "DEVTYPE=wlan\nINTERFACE=wlan0\nIFINDEX=3\n"],
  ])
  func `a Wi-Fi card is refused with the reason, however the kernel tells of it`(
    files: [String: String]
  ) throws {
    let reason = try #require(try check(files) { $0.refusal(of: "wlan0") })
    #expect(reason.contains("wlan0 is a Wi-Fi card"))
    #expect(reason.contains("one station only") && reason.contains("mode shared"))
  }

  @Test func `a bridge with a Wi-Fi card as a port is refused, naming the card`() throws {
    let files = [
      "sys/class/net/br0/brif/eth0/port_no": "1", "sys/class/net/br0/brif/wlp2s0/port_no": "2",
      "sys/class/net/eth0/uevent": "INTERFACE=eth0\n", "sys/class/net/wlp2s0/phy80211/name": "p",
    ]
    let reason = try #require(try check(files) { $0.refusal(of: "br0") })
    #expect(reason.contains("the bridge br0 has the Wi-Fi card wlp2s0 as a port"))
  }

  @Test func `a wired bridge, and one that the files do not show, are not refused`() throws {
    let files = [
      "sys/class/net/br0/brif/eth0/port_no": "1",
      // Says wlan, and not as its type.
      "sys/class/net/eth0/uevent": "INTERFACE=DEVTYPE=wlan\n",
    ]
    #expect(try check(files) { $0.refusal(of: "br0") } == nil)
    #expect(try check([:]) { $0.refusal(of: "br0") } == nil)
  }

  @Test(arguments: [
    "", ".", "..", "../net/wlan0", "br0;reboot", "$(id)", "`id`", "br 0", "br0\n", "br0\u{1b}[2J",
    "br0/x", "-\u{0}", "brücke", "abcdefghijklmnop",
  ])
  func `a name that is no interface's is refused before any file is looked at`(name: String) throws
  {
    let reason = try #require(try check([:]) { $0.refusal(of: name) })
    #expect(reason.contains("is no interface's name"))
    #expect(!reason.unicodeScalars.contains { $0.value < 0x20 })
  }

  @Test func `a bridge whose frames the firewall sees is told of with both remedies`() throws {
    let key = "proc/net/bridge/bridge-nf-call-iptables"
    let caution = try #require(try check([key: "1\n"]) { $0.caution(about: "br0") })
    #expect(
      caution.contains("bridge-nf-call-iptables=0") && caution.contains("iptables -I FORWARD"))
    #expect(try check([key: "0\n"]) { $0.caution(about: "br0") } == nil)
    #expect(try check([:]) { $0.caution(about: "br0") } == nil)
  }

  #if os(Linux)
    @Test func `a network on a Wi-Fi card fails with the reason, and no helper is run`() throws {
      let files = ["sys/class/net/wlan0/wireless/status": "0"]
      try check(files) { bridges in
        let loop = try EventLoop()
        let actor = LoopActor.running(loop)
        let maker = HostTapMaker(
          loop: loop, helper: "/nonexistent",
          ports: OVSPorts(loop: loop, actor: actor, file: "/nonexistent/p"))
        maker.bridges = bridges
        let request = try #require(
          HostTapRequest(network: "lab", options: ["interface": .string("wlan0")]))
        var message = ""
        if case .failure(let error) = actor.finish(on: loop, { await maker.result(request) }) {
          let advice = HostTapAdvice(network: "lab", command: "/b/lima-netd", home: "")
          message = advice.report(error).message
        }
        #expect(message.hasPrefix("network lab: wlan0 is a Wi-Fi card"), "\(message)")
      }
    }
  #endif
}
