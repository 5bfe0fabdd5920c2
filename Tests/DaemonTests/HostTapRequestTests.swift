// SPDX-License-Identifier: Apache-2.0
//
// Which TAP a network asks the host for, and in which words.

import Platform
import Testing

@testable import Daemon

@Suite(.timeLimit(.minutes(1))) struct HostTapRequestTests {
  private func network(_ yaml: String) throws -> NetworkConfiguration {
    let configuration = try ConfigDecoder.decode(
      Array("networks:\n  lab:\n\(yaml)".utf8), file: "f", homeDirectory: "/h")
    return try #require(configuration.networks.first { $0.name == "lab" })
  }

  @Test(arguments: [
    ("    mode: shared\n", "open lab --address 192.168.105.1/24"),
    ("    mode: host\n", "open lab --address 192.168.106.1/24"),
    (
      "    mode: shared\n    gateway: 10.1.0.1\n    netmask: 255.255.0.0\n",
      "open lab --address 10.1.0.1/16"
    ),
    (
      "    mode: shared\n    options: {mtu: 9000}\n",
      "open lab --address 192.168.105.1/24 --mtu 9000"
    ),
    ("    mode: shared\n    options: {mtu: 1500}\n", "open lab --address 192.168.105.1/24"),
    ("    mode: bridged\n    interface: br0\n", "open lab --bridge br0"),
    ("    mode: bridged\n    options: {interface: br1}\n", "open lab --bridge br1"),
  ])
  func `a network's words are those of its settings, and always the same`(
    yaml: String, words: String
  ) throws {
    let request = try #require(HostTapRequest(try network(yaml)))
    #expect(request.words("open").joined(separator: " ") == words)
  }

  @Test(arguments: ["    mode: bridged\n", "    mode: slirp\n"])
  func `without a gateway or a bridge there is nothing to ask for`(yaml: String) throws {
    #expect(HostTapRequest(try network(yaml)) == nil)
  }

  @Test func `every refusal says what is missing and the command that mends it`() {
    let advice = HostTapAdvice(network: "lab", command: "/b/lima-netd", home: " --lima-home /l")
    let setup = "sudo /b/lima-netd network setup lab --lima-home /l"
    let missing = advice.report(.notSetUp(interface: "ln1-lab", sudo: "sudo is not installed"))
    #expect(missing.message.contains("ln1-lab") && missing.message.hasSuffix(setup))
    #expect(missing.message.contains("sudo is not installed"))
    let outdated = advice.report(
      .outdated(interface: "ln1-lab", has: "10.0.0.1/24", wants: "10.0.1.1/24"))
    #expect(outdated.message.contains("10.0.1.1/24") && outdated.message.hasSuffix(setup))
    #expect(advice.report(.noHelper("/x/lima-netd-tap")).message.contains("/x/lima-netd-tap"))
    #expect(advice.report(.busy(interface: "ln1-lab")).code == "BUSY")
  }

  @Test func `sudo is found in PATH only where a path is absolute`() {
    #expect(ProgramSearch.find("sh", in: "bin:/bin:/usr/bin")?.hasSuffix("/sh") == true)
    #expect(ProgramSearch.find("sh", in: ".:relative") == nil)
    #expect(ProgramSearch.find("no-such-program", in: "/bin") == nil)
  }

  #if os(Linux)
    @Test(arguments: [
      (1000 as UInt32, "shared", "ln1000-shared"), (0, "host", "ln0-host"),
      (4_294_967_294, "ab", "ln4294967294-ab"),
    ])
    func `an interface is called by its user and network`(
      user: UInt32, network: String, name: String
    ) {
      #expect(HostTapLink.name(user: user, network: network) == name)
    }

    @Test func `longer names are hashed to as many bytes as an interface may have`() {
      let long = HostTapLink.name(user: 1000, network: "longer-network-name-than-fits")
      // As lima-netd-tap has it.
      #expect(long == "ln-suifk4h3b5br")
      #expect(long != HostTapLink.name(user: 1001, network: "longer-network-name-than-fits"))
    }
  #endif
}
