// SPDX-License-Identifier: Apache-2.0
//
// Replies to flows that the egress rules deny, and open flows after a change of the rules.

import Testing
import Wire

@testable import NetStack

@Suite(.timeLimit(.minutes(1))) struct EgressFlowTests {
  private static let other = Endpoint(IPAddress(10, 9, 9, 9), port: 7000)
  private static let denial = EgressPolicy(
    rules: [
      .init(allows: false, networks: [CIDR("10.9.0.0/16")].compactMap { $0 }, label: "rule 1")
    ])

  @Test func `a datagram is administratively prohibited, and no socket is opened`() throws {
    let world = try DatagramWorld { $0.egress = Self.denial }
    world.send(
      world.udp(from: 4000, to: Self.other, [1]), world.udp(from: 4000, to: Self.other, [1]),
      world.echo(1, 1, to: Self.other.address))
    let messages = world.messages()
    #expect(messages.count == 3)
    #expect(
      messages.allSatisfy {
        $0.header.type == ICMPv4Type.destinationUnreachable
          && $0.header.code == ICMPv4Unreachable.prohibited
      })
    #expect(world.kernel.sent.isEmpty && world.kernel.open.isEmpty)
    let log = world.stack.core.egress.log
    #expect(log.total == 3)
    #expect(
      log.entries.map(\.question) == [
        EgressQuestion(proto: IPProtocol.udp, destination: Self.other),
        EgressQuestion(proto: IPProtocol.icmp, destination: Endpoint(Self.other.address, port: 0)),
      ])
    #expect(log.entries.map(\.count) == [2, 1])
    #expect(log.entries.first?.guest == DatagramWorld.guest)
    world.send(world.udp(from: 4000, to: DatagramWorld.server, [2]))
    #expect(world.kernel.sent.map(\.payload) == [[2]])
  }

  @Test func `the host behind the gateway's address is closed with the host`() throws {
    let world = try DatagramWorld { $0.egress = EgressPolicy(reachesHost: false) }
    world.stack.core.egress.isOfHost = { $0 == Self.other.address }
    world.send(
      world.udp(from: 4000, to: Endpoint(DatagramWorld.gateway, port: 9), [1]),
      world.udp(from: 4000, to: Self.other, [1]),
      world.udp(from: 4000, to: DatagramWorld.server, [2]))
    #expect(world.messages().map(\.header.code) == [13, 13])
    #expect(world.kernel.sent.map(\.payload) == [[2]])
    #expect(world.stack.core.egress.log.entries.map(\.reason) == [.host, .host])
  }

  @Test func `other rules end the datagrams that they deny, and no others`() throws {
    let world = try DatagramWorld()
    world.send(
      world.udp(from: 4000, to: Self.other, [1]),
      world.udp(from: 4000, to: DatagramWorld.server, [2])
    )
    #expect(world.stack.udp.peers.count == 2)
    world.stack.setEgress(Self.denial)
    #expect(world.stack.udp.peers.count == 1)
    let ended = world.stack.core.egress.log.entries
    #expect(ended.map(\.question.destination) == [Self.other])
    #expect(ended.map(\.ended) == [1] && ended.map(\.count) == [0])
    #expect(ended.map(\.mac) == [GuestTCP.mac])
    world.send(
      world.udp(from: 4000, to: Self.other, [3]),
      world.udp(from: 4000, to: DatagramWorld.server, [4])
    )
    #expect(world.kernel.sent.map(\.payload) == [[1], [2], [4]])
    #expect(world.messages().map(\.header.code) == [ICMPv4Unreachable.prohibited])
    // What was ended and what is denied since stand once.
    #expect(world.stack.core.egress.log.entries.map { [$0.ended, $0.count] } == [[1, 1]])
    world.stack.setEgress(EgressPolicy())
    world.send(world.udp(from: 4000, to: Self.other, [5]))
    #expect(world.kernel.sent.last?.payload == [5])
  }

  @Test func `thousands of open datagram flows are gone through in parts`() throws {
    let world = try DatagramWorld {
      $0.udp.maximumFlows = 4096
      $0.maximumFlows = 4096
    }
    for port in 0..<UInt16(200) {
      world.send(world.udp(from: 4000 + port, to: Self.other, [1]))
    }
    let before = world.stack.udp.peers.count
    #expect(before == 200)
    world.stack.setEgress(Self.denial)
    #expect(world.stack.udp.peers.count == before - EgressSweep.endings)
    world.wait(seconds: 1)
    #expect(world.stack.udp.peers.count == 0)
    #expect(world.stack.egressSweep.isDone)
  }

  @Test func `a denied connection is reset at once`() throws {
    let simulation = Simulation(seed: 1) { $0.egress = EgressPolicy(allowsOthers: false) }
    let guest = ScriptedGuest(simulation)
    #expect(!guest.open())
    #expect(guest.socket == nil)
    #expect(simulation.stack.tcp.flowCount == 0)
    #expect(simulation.stack.tcp.counters.refused == 1)
    #expect(simulation.stack.core.egress.log.entries.map(\.reason) == [.standard])
  }

  @Test func `other rules reset the connections that they deny, and allow the others to go on`()
    throws
  {
    let simulation = Simulation(seed: 1)
    let guest = ScriptedGuest(simulation)
    #expect(guest.open())
    let socket = try #require(guest.socket)
    simulation.stack.setEgress(
      EgressPolicy(rules: [.init(allows: true, label: "rule 1")], allowsOthers: false))
    #expect(guest.answers().isEmpty && !socket.isClosed)
    simulation.stack.setEgress(EgressPolicy(allowsOthers: false))
    #expect(guest.answers().contains { $0.header.flags.contains(.rst) })
    #expect(socket.isClosed)
    #expect(simulation.stack.tcp.flowCount == 0)
    #expect(simulation.stack.core.egress.log.entries.map(\.ended) == [1])
    #expect(simulation.stack.core.egress.log.ended == 1)
  }
}
