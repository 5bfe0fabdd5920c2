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
    ("    mode: shared\n", "open lab --address 192.168.105.1/24 --address6 OWN"),
    ("    mode: host\n", "open lab --address 192.168.106.1/24 --address6 OWN"),
    (
      "    mode: shared\n    gateway: 10.1.0.1\n    netmask: 255.255.0.0\n",
      "open lab --address 10.1.0.1/16 --address6 OWN"
    ),
    (
      "    mode: shared\n    options: {mtu: 9000}\n",
      "open lab --address 192.168.105.1/24 --address6 OWN --mtu 9000"
    ),
    (
      "    mode: shared\n    options: {mtu: 1500}\n",
      "open lab --address 192.168.105.1/24 --address6 OWN"
    ),
    ("    mode: shared\n    options: {ipv6: false}\n", "open lab --address 192.168.105.1/24"),
    // RFC 8200 §5: too little for IPv6.
    (
      "    mode: shared\n    options: {mtu: 1279}\n",
      "open lab --address 192.168.105.1/24 --mtu 1279"
    ),
    (
      "    mode: shared\n    options: {prefix6: 'fd00:5::/64'}\n",
      "open lab --address 192.168.105.1/24 --address6 fd00-5--1/64"
    ),
    (
      "    mode: host\n    options: {gateway6: 'FD00:5::0:2'}\n",
      "open lab --address 192.168.106.1/24 --address6 fd00-5--2/64"
    ),
    ("    mode: bridged\n    interface: br0\n", "open lab --bridge br0"),
    ("    mode: bridged\n    options: {interface: br1}\n", "open lab --bridge br1"),
  ])
  func `a network's words are those of its settings, and always the same`(
    yaml: String, words: String
  ) throws {
    let request = try #require(HostTapRequest(try network(yaml)))
    #expect(
      request.words("open").joined(separator: " ")
        == words.replacing("OWN", with: HostTapRequest.ownWord("lab")))
    #expect(
      request.withoutIPv6.words("open").joined(separator: " ")
        == words.replacing(#/ --address6 [^ ]+/#, with: ""))
    #expect(request.words("open").allSatisfy(SudoersWords.isPlain))
  }

  @Test func `a network's own IPv6 network is that of the machine and its name, and stays`() throws
  {
    let one = IPv6Network.onHost(of: "lab", machineID: "0123")
    #expect(one == IPv6Network.onHost(of: "lab", machineID: "0123"))
    #expect(one != IPv6Network.onHost(of: "other", machineID: "0123"))
    #expect(one != IPv6Network.onHost(of: "lab", machineID: "4567"))
    // RFC 4193 §3.1: fd, a global identifier of 40 bits, subnet 0.
    #expect(one.high >> 56 == 0xfd && one.high & 0xffff == 0 && one.low == 1)
    #expect(one.prefixLength == 64 && one.description.hasSuffix("::1/64"))
  }

  @Test(arguments: [
    ("fd00:5::/64", "fd00:5::1/64", true), ("fd00:5::/64", "fd00::/16", true),
    ("fd00:5::/64", "fd00:6::/64", false), ("fd00:5::/64", "fd00:5::7/128", true),
    ("::/0", "fd00::/8", true), ("fd00:5:0:1::/64", "fd00:5::/63", true),
    ("fd00:5:0:2::/64", "fd00:5::/63", false),
  ])
  func `networks overlap where the shorter prefix is both's`(
    one: String, other: String, overlap: Bool
  ) throws {
    let (one, other) = (try #require(IPv6Network(one)), try #require(IPv6Network(other)))
    #expect(one.overlaps(other) == overlap && other.overlaps(one) == overlap)
  }

  @Test func `two networks of one prefix6 are an error of networks.yaml, with both their lines`() {
    let yaml = """
      networks:
        a: {mode: slirp, options: {prefix6: 'fd00:5::/64'}}
        b: {mode: user-v2, gateway: 10.9.0.1, options: {gateway6: 'fd00:5::9'}}
        c: {mode: slirp, gateway: 10.8.0.2, options: {prefix6: 'fd00:5::/64', ipv6: false}}
      """
    let error = #expect(throws: ConfigError.self) {
      try ConfigDecoder.decode(Array(yaml.utf8), file: "n.yaml", homeDirectory: "/h")
    }
    let text = error.map { "\($0)" } ?? ""
    #expect(text.contains("fd00:5::/64 is the IPv6 network of `a` (line 2), too"), "\(text)")
    #expect(!text.contains("networks.c"), "\(text)")
  }

  @Test func `an IPv6 network of the host's is in the way, a wider route is not`() throws {
    let wanted = try #require(IPv6Network("fd00:5::/64"))
    func address(_ text: String, _ interface: String) throws -> HostAddress6 {
      let network = try #require(IPv6Network(text))
      return HostAddress6(
        interface: interface, high: network.high, low: network.low,
        prefixLength: network.prefixLength)
    }
    let eth0 = try address("fd00:5::9/64", "eth0")
    #expect(
      NetworkConflicts.route6(wanted, among: [], addresses: [eth0])?.contains("eth0") == true)
    #expect(NetworkConflicts.route6(wanted, among: [], addresses: [eth0], own: ["eth0"]) == nil)
    #expect(SubnetOwner.find6(of: "fd00:5::1/64", except: "", among: [eth0])?.interface == "eth0")
    for (route, isInTheWay) in [
      ("fd00:5::/64", true), ("fd00:5::8/128", true), ("fd00::/8", false),
    ] {
      let found = NetworkConflicts.route6(wanted, among: [try address(route, "tun0")])
      #expect((found != nil) == isInTheWay, "\(route)")
    }
    let table = """
      fd000005000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     tun0
      fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
      00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
      nonsense
      """
    #expect(HostRoutes.parse6(table) == [try address("fd00:5::/64", "tun0")])
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

extension HostTapRequest {
  /// The word of a network that is told of no IPv6 network, on this machine.
  static func ownWord(_ network: String) -> String {
    IPv6Network.onHost(of: network, machineID: MachineID.current).description
      .replacing(":", with: "-")
  }
}
