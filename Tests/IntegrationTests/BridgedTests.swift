// SPDX-License-Identifier: Apache-2.0
//
// Mode bridged on real parts: a LAN whose DHCP server is dnsmasq, another machine on it, and guests in namespaces and in QEMU,
// over a Linux bridge.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(5))) struct BridgedTests {
    @Test func `guests on a Linux bridge are stations of the LAN`() throws {
      try require(
        .tap, .virtualMachine, .program("dnsmasq"), .program("curl"), .program("python3"),
        .program("busybox"), .program("ethtool"))
      let scene = try BridgedScene(.linux)
      defer { scene.stop() }
      let before = try scene.settledHostState()
      try expectStations(scene)
      // With its guests the interface goes, and nothing stays.
      for command in scene.running where command.name.contains(" attach ") { command.stop() }
      #expect(try scene.daemon.netd("network", "stop", "lan").succeeded)
      #expect(try eventually { try scene.hostState() == before })
    }
  }
}

/// Guests of both kinds have leases of the LAN and are reached on it, both ways.
func expectStations(
  _ scene: BridgedScene, location: SourceLocation = #_sourceLocation
) throws {
  let (first, one) = try scene.guest("one")
  let (second, two) = try scene.guest("two")
  #expect(one != two, sourceLocation: location)
  let log = { "\(scene.daemon.log)\n\(scene.daemon.log(of: "lan"))" }
  for (from, pages) in [
    (scene.machine, ["guest one": one, "guest two": two]),
    (first, ["guest two": two, "the machine": "10.44.0.1"]),
    (second, ["guest one": one, "the machine": "10.44.0.1"]),
  ] {
    for (text, address) in pages {
      let result = try from.shell(
        "ping -c 1 -W 5 \(address) && curl -sS -m 10 http://\(address):8000/")
      #expect(
        result.succeeded && result.output.contains(text), "\(result)\n\(log())",
        sourceLocation: location)
    }
  }
  // The host's own address on the bridge.
  let host = try scene.host.shell("ping -c 1 -W 5 \(one)")
  #expect(host.succeeded, "\(host)", sourceLocation: location)
  // More than one frame holds, both ways.
  for folder in ["www", "one"] {
    try Data(count: 3_000_000).write(to: URL(filePath: "\(scene.folder)/\(folder)/large"))
  }
  for (from, address) in [(first, "10.44.0.1"), (scene.machine, one)] {
    let large = try from.shell("curl -sS -m 20 http://\(address):8000/large | wc -c")
    #expect(large.output == "3000000\n", "\(large)\n\(log())", sourceLocation: location)
  }

  let (seen, result) = try scene.virtualMachine()
  #expect(
    seen.output.contains("the virtual machine") && seen.output.contains(" 0% packet loss"),
    "\(seen)\n\(result)", sourceLocation: location)
  for line in [
    "ip=10.44.0.1", "router=10.44.0.1", "dns=10.44.0.1", "serverid=10.44.0.1",
    "2 packets received", "Address: 10.44.0.1", "the machine",
  ] {
    #expect(result.output.contains(line), "\(line): \(result)\n\(log())", sourceLocation: location)
  }
}
