// SPDX-License-Identifier: Apache-2.0
//
// What a guest meets first: DHCP, ARP, ping, names.

import LimaNetdSDK
import NetStack
import PluginAPI
import Testing
import Wire

@testable import SlirpCore

@Suite(.timeLimit(.minutes(5))) struct LinkTests {
  @Test func `a guest gets 192.168.5.15 with router, DNS and MTU`() throws {
    let host = try TestHost(options: #"{"search": ["lan", "example.org"]}"#)
    let guest = TestGuest(host, name: "vm1")
    guest.dhcp(.discover, id: 1) {
      $0.options[DHCPOptionCode.hostName] = Array("lima-vm1".utf8)
      $0.options[DHCPOptionCode.parameterRequestList] = [1, 3, 6, 26, 119]
    }
    guest.collect()
    let offer = try #require(guest.dhcp.first)
    #expect(offer.options.messageType == .offer)
    #expect(offer.yourAddress == IPAddress(192, 168, 5, 15))
    guest.dhcp(.request, id: 2) {
      $0.options.set(DHCPOptionCode.requestedAddress, [offer.yourAddress])
      $0.options.set(DHCPOptionCode.serverIdentifier, [TestGuest.gateway])
      $0.options[DHCPOptionCode.hostName] = Array("lima-vm1".utf8)
    }
    guest.collect()
    let ack = try #require(guest.dhcp.last)
    #expect(ack.options.messageType == .ack)
    #expect(ack.options.address(DHCPOptionCode.router) == TestGuest.gateway)
    #expect(ack.options.address(DHCPOptionCode.domainNameServers) == TestGuest.dns)
    #expect(ack.options.uint16(DHCPOptionCode.interfaceMTU) == 1500)
    #expect(ack.options[DHCPOptionCode.domainSearch] != nil)
    guard case .array(let leases) = try host.leases() else { throw TestHost.Timeout(what: "list") }
    #expect(leases.count == 1)
    #expect(leases[0]["address"] == "192.168.5.15")
    #expect(leases[0]["name"] == "vm1")
    #expect(leases[0]["hostname"] == "lima-vm1")
    #expect(leases[0]["state"] == "bound")
    #expect(guest.malformed == 0)
  }

  @Test func `a guest configured by hand is told what DHCP would tell it`() throws {
    let host = try TestHost()
    let guest = TestGuest(host, mtu: 65520)
    let lease = try host.reserve(guest.port, mac: guest.mac, name: "box")
    #expect(lease["address"] == "192.168.5.15")
    #expect(lease["prefixLength"] == 24)
    #expect(lease["gateway"] == "192.168.5.2")
    #expect(lease["dns"] == ["192.168.5.3"])
    #expect(lease["mtu"] == 65520)
    guard case .array(let leases) = try host.leases() else { throw TestHost.Timeout(what: "list") }
    #expect(leases.first?["state"] == "static")
  }

  @Test func `gateway and DNS answer ARP, nobody else does`() throws {
    let host = try TestHost()
    let guest = TestGuest(host)
    for target in [TestGuest.gateway, TestGuest.dns, IPAddress(192, 168, 5, 77)] {
      guest.arp(target)
    }
    guest.collect()
    #expect(guest.arps.map(\.senderIP) == [TestGuest.gateway, TestGuest.dns])
    #expect(guest.arps.allSatisfy { $0.senderMAC == guest.gatewayMAC })
  }

  @Test func `the gateway answers ping, short and long`() throws {
    let host = try TestHost()
    let guest = TestGuest(host)
    for (sequence, size) in [0, 56, 1472].enumerated() {
      let payload = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
      guest.ping(TestGuest.gateway, id: 77, sequence: UInt16(sequence), payload)
      guest.collect()
      let reply = try #require(guest.messages.last)
      #expect(reply.source == TestGuest.gateway)
      #expect(
        reply.header
          == ICMPHeader(
            type: ICMPv4Type.echoReply, identifier: 77, sequence: UInt16(sequence)))
      #expect(reply.payload == payload)
    }
    #expect(guest.malformed == 0)
  }

  @Test func `an address of the guest's network that nobody has does not answer ping`() throws {
    let host = try TestHost()
    let guest = TestGuest(host)
    guest.ping(IPAddress(192, 168, 5, 77), id: 1, sequence: 1, [])
    guest.collect()
    #expect(!guest.messages.contains { $0.header.type == ICMPv4Type.echoReply })
  }

  @Test func `the host has a name while the network runs`() throws {
    let host = try TestHost()
    #expect(host.published == ["host.lima.internal": "192.168.5.2"])
    #expect(host.finish() == (0, 0))
    #expect(host.published.isEmpty)
  }

  @Test func `a guest with a name has it in DNS while its link is there`() throws {
    let host = try TestHost()
    for (port, name) in [(3, "vm"), (4, "vm"), (5, "lima-db"), (6, "")] {
      #expect(host.portUp(lnd_port(port), name: name) == LND_OK)
    }
    let own = ["host.lima.internal": "192.168.5.2"]
    #expect(
      host.published
        == own.merging(
          ["lima-vm.internal": "192.168.5.15", "lima-db.internal": "192.168.5.15"]) { $1 })
    host.portDown(5)
    host.portDown(3)
    #expect(host.published == own.merging(["lima-vm.internal": "192.168.5.15"]) { $1 })
    host.portDown(4)
    #expect(host.published == own)
  }

  @Test func `garbage is counted and nothing else happens`() throws {
    let host = try TestHost()
    let guest = TestGuest(host)
    var random = RandomSource(seed: 5)
    let seeds = [
      guest.udp(from: 1, to: Endpoint(TestGuest.gateway, port: 9), [1, 2, 3]),
      guest.ip(IPProtocol.icmp, to: TestGuest.gateway, [8, 0, 0, 0, 0, 0, 0, 0]),
      guest.ip(IPProtocol.tcp, to: TestGuest.gateway, [UInt8](repeating: 0, count: 20)),
    ]
    for round in 0..<3000 {
      var frame = seeds[round % seeds.count]
      for _ in 0..<(1 + round % 8) {
        frame[Int.random(in: 0..<frame.count, using: &random)] = UInt8.random(
          in: 0...255, using: &random)
      }
      if round % 5 == 0 { frame = Array(frame.prefix(14 + round % (frame.count - 13))) }
      guest.send(frame)
    }
    guest.collect()
    #expect(host.finish() == (0, 0))
  }
}
