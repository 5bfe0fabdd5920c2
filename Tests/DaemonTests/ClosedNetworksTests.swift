// SPDX-License-Identifier: Apache-2.0
//
// Networks of mode host are closed to the guests of all others, and so are their names' servers to the world.

import Testing

@testable import Daemon

@Suite("Closed networks", .timeLimit(.minutes(1))) struct ClosedNetworksTests {
  private func decode(_ networks: String, top: String = "") throws -> [NetworkConfiguration] {
    try ConfigDecoder.decode(
      Array("\(top)networks:\n\(networks)".utf8), file: "networks.yaml", homeDirectory: "/h"
    ).closingHostNetworks().networks
  }

  private func settings(
    _ name: String, of networks: [NetworkConfiguration]
  ) throws -> NetworkConfiguration.Settings {
    try #require(networks.first { $0.name == name }).settings
  }

  @Test("every other network is told the host's addresses in those of mode host, of both families")
  func others() throws {
    let networks = try decode(
      """
        host: {mode: host, gateway: 192.168.106.1, options: {gateway6: "fd12:3456:789a::1"}}
        lab: {mode: host, gateway: 192.168.107.1, netmask: 255.255.255.128, options: {ipv6: false}}
        shared: {mode: shared, gateway: 192.168.105.1}

      """)
    let host = ["192.168.106.1/24", "fd12:3456:789a::1/64"]
    let lab = ["192.168.107.1/25"]
    for name in ["default", "user-v2", "shared"] {
      #expect(try settings(name, of: networks).closedNetworks == host + lab)
    }
    #expect(try settings("host", of: networks).closedNetworks == lab)
    #expect(try settings("lab", of: networks).closedNetworks == host)
    #expect(
      try settings("default", of: networks).commonOptions["closedNetworks"]
        == ["192.168.106.1/24", "fd12:3456:789a::1/64", "192.168.107.1/25"])
  }

  @Test("a network behind another daemon's socket is that daemon's to close")
  func peers() throws {
    let networks = try decode(
      """
        host: {mode: host, gateway: 192.168.106.1, options: {socket: /run/h.sock}}

      """)
    #expect(try settings("default", of: networks).closedNetworks.isEmpty)
    #expect(try settings("default", of: networks).commonOptions["closedNetworks"] == nil)
  }

  @Test(
    "the DNS of mode host answers names of the network alone, unless it is given one to ask",
    arguments: [
      ("", "", true), ("", ", dns: {localOnly: false}", false),
      ("", ", dns: {servers: [192.0.2.1]}", false), ("", ", dns: {ipv6: false}", true),
      ("", ", dns: zones", false), ("dns: {servers: [192.0.2.1]}\n", "", true),
      ("dns: {localOnly: false}\n", "", false), ("dns: {localOnly: true}\n", "", true),
    ])
  func localOnly(top: String, own: String, expected: Bool) throws {
    let networks = try decode("  host: {mode: host, gateway: 192.168.106.1\(own)}\n", top: top)
    #expect(try settings("host", of: networks).dnsLocalOnly == expected)
    #expect(try settings("default", of: networks).dnsLocalOnly == top.contains("true"))
  }
}
