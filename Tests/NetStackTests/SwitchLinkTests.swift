// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import NetStack

/// Many guests behind one port, which is a switch's.
@Suite(.timeLimit(.minutes(5)))
struct SwitchLinkTests {
  private static let slow = MACAddress(0x52, 0x55, 0x55, 0, 0, 1)
  private static let quick = MACAddress(0x52, 0x55, 0x55, 0, 0, 2)

  private func frame(to mac: MACAddress, in stack: Stack) {
    guard let room = stack.transmitter.prepare(link: 1, byteCount: 60) else { return }
    EthernetHeader(destination: mac, source: GuestTCP.gatewayMAC, etherType: EtherType.ipv4)
      .emit(into: MutableByteView(room, count: 60))
    stack.transmitter.commit(headerLength: 60)
  }

  private func destinations(_ host: FakeHost) -> [MACAddress] {
    defer { host.frames = [] }
    return host.frames.map { $0.withByteView { $0.macAddress(at: 0) } }
  }

  private func arp(_ address: IPAddress, at mac: MACAddress) -> [UInt8] {
    [UInt8](capacity: 42) { out in
      EthernetHeader(destination: .broadcast, source: mac, etherType: EtherType.arp).emit(into: out)
      ARPHeader(
        operation: ARPHeader.request, senderMAC: mac, senderIP: address, targetMAC: .zero,
        targetIP: address
      ).emit(into: out.dropFirst(14))
      return 42
    }
  }

  @Test func `a guest that takes nothing does not hold back the others`() {
    let simulation = Simulation(seed: 1, kind: .switch)
    let stack = simulation.stack
    simulation.host.fullStations = [Self.slow]
    for mac in [Self.quick, Self.slow, Self.quick, Self.slow, Self.quick] {
      frame(to: mac, in: stack)
    }
    stack.endOfIteration()
    #expect(destinations(simulation.host) == [Self.quick, Self.quick, Self.quick])
    #expect(stack.links.pointer(1).pointee.counters.sendDrops == 2)
    #expect(stack.transmitter.isBlocked(Self.slow) && !stack.transmitter.isBlocked(Self.quick))
    simulation.host.fullStations = []
    stack.txReady(Simulation.port)
    #expect(!stack.transmitter.isBlocked(Self.slow))
    frame(to: Self.slow, in: stack)
    stack.endOfIteration()
    #expect(destinations(simulation.host) == [Self.slow])
  }

  @Test func `more full stations than are remembered do not hold back the others`() {
    let simulation = Simulation(seed: 4, kind: .switch)
    let stack = simulation.stack
    let full = (0..<100).map { MACAddress(0x52_5500_0000 + UInt64($0)) }
    simulation.host.fullStations = Set(full)
    for mac in full {
      frame(to: mac, in: stack)
      frame(to: Self.quick, in: stack)
      stack.endOfIteration()
    }
    #expect(destinations(simulation.host).count == 100)
    #expect(stack.links.pointer(1).pointee.counters.sendDrops == 100)
    #expect(!stack.links.pointer(1).pointee.isBlocked)
  }

  @Test func `a connection to a guest that was full goes on when it is not`() throws {
    let simulation = Simulation(seed: 2, kind: .switch)
    var guest = GuestTCP(
      local: Endpoint(Simulation.guestAddress, port: 4000), remote: Simulation.server, iss: 7)
    guest.connect(now: simulation.host.now)
    simulation.guests = [guest]
    #expect(simulation.run(until: { $0.guests[0].state == .open }))
    let socket = try #require(simulation.socket)
    simulation.host.fullStations = [GuestTCP.mac]
    socket.incoming = pattern(200_000, seed: 1)
    simulation.wait(300_000_000_000)
    #expect(simulation.guests[0].received.isEmpty)
    #expect(simulation.stack.tcp.flowCount == 1)
    simulation.host.fullStations = []
    simulation.stack.txReady(Simulation.port)
    #expect(simulation.run(for: 1_000_000_000) { $0.guests[0].received.count == 200_000 })
    #expect(simulation.guests[0].received == socket.incoming)
  }

  @Test func `an address that is leased is nobody else's`() {
    let simulation = Simulation(seed: 3, kind: .switch)
    let stack = simulation.stack
    let address = Simulation.guestAddress
    simulation.deliver([arp(address, at: Self.slow)])
    #expect(stack.core.neighbor(address, on: 1) == Self.slow)
    stack.core.bindNeighbor(address, to: Self.quick, on: 1)
    simulation.deliver([arp(address, at: Self.slow)])
    #expect(stack.core.neighbor(address, on: 1) == Self.quick)
    #expect(stack.links.pointer(1).pointee.counters.spoofed == 1)
    // Nor does a packet get through under it.
    let syn = Frames.tcp(
      TCPHeader(
        sourcePort: 5, destinationPort: 80, sequence: 1, acknowledgement: 0, flags: .syn,
        window: 1000),
      payload: [], source: address, destination: Simulation.server.address)
    simulation.deliver([syn])
    #expect(stack.tcp.flowCount == 0)
    #expect(stack.links.pointer(1).pointee.counters.spoofed == 2)
    stack.core.bindNeighbor(address, to: nil, on: 1)
    simulation.deliver([arp(address, at: Self.slow)])
    #expect(stack.core.neighbor(address, on: 1) == Self.slow)
  }
}

/// limanetd.connect/1
@Suite(.timeLimit(.minutes(5)))
struct ConnectTests {
  private final class Outcomes {
    var all: [UInt64: ForwardFailure?] = [:]
  }

  private func scene(_ seed: UInt64) -> (Simulation, Outcomes) {
    let simulation = Simulation(seed: seed)
    let outcomes = Outcomes()
    simulation.stack.forwards.onConnect = { outcomes.all[$0] = .some($1) }
    return (simulation, outcomes)
  }

  private func connect(_ simulation: Simulation, to guest: String = "192.168.5.15:22") throws
    -> FakeKernel.Socket
  {
    let (fd, socket) = simulation.kernel.makeConnected()
    try simulation.stack.forwards.connect(fd: fd, to: guest, ticket: 9)
    simulation.stack.endOfIteration()
    return socket
  }

  /// The guest's answer to the SYN in flight.
  private func answer(_ simulation: Simulation, _ flags: TCPFlags) throws {
    simulation.collect()
    let syn = try #require(
      simulation.seen.lazy.compactMap { frame -> TCPHeader? in
        frame.withByteView { view in
          guard let ethernet = EthernetPacket(checking: view),
            let ip = IPv4Packet(checking: ethernet.payload), ip.protocolNumber == 6,
            let tcp = TCPPacket(checking: ip.payload)
          else { return nil }
          return TCPHeader(tcp)
        }
      }.first)
    simulation.deliver([
      Frames.tcp(
        TCPHeader(
          sourcePort: 22, destinationPort: syn.sourcePort, sequence: 0,
          acknowledgement: syn.sequence &+ 1, flags: flags, window: 1000),
        payload: [], source: Simulation.guestAddress, destination: Simulation.gateway)
    ])
  }

  private func arp(_ simulation: Simulation) {
    simulation.deliver([
      [UInt8](capacity: 42) { out in
        EthernetHeader(
          destination: .broadcast, source: GuestTCP.mac, etherType: EtherType.arp
        ).emit(into: out)
        ARPHeader(
          operation: ARPHeader.request, senderMAC: GuestTCP.mac,
          senderIP: Simulation.guestAddress, targetMAC: .zero, targetIP: Simulation.gateway
        ).emit(into: out.dropFirst(14))
        return 42
      }
    ])
  }

  @Test func `it is told when the guest accepts, and once`() throws {
    let (simulation, outcomes) = scene(1)
    arp(simulation)
    let socket = try connect(simulation)
    #expect(outcomes.all.isEmpty)
    try answer(simulation, [.syn, .ack])
    #expect(outcomes.all == [9: nil])
    #expect(!socket.isClosed)
    outcomes.all = [:]
    simulation.stack.portDown(Simulation.port)
    #expect(outcomes.all.isEmpty)
    #expect(socket.isClosed)
  }

  @Test func `a guest that refuses is told, and the socket closed`() throws {
    let (simulation, outcomes) = scene(2)
    arp(simulation)
    let socket = try connect(simulation)
    try answer(simulation, [.rst, .ack])
    #expect(outcomes.all[9]??.reason == .refused)
    #expect(socket.isClosed)
  }

  @Test func `an address that nobody has is told after three seconds`() throws {
    let (simulation, outcomes) = scene(3)
    let socket = try connect(simulation)
    simulation.wait(2_500_000_000)
    #expect(outcomes.all.isEmpty)
    simulation.wait(1_500_000_000)
    #expect(outcomes.all[9]??.reason == .notFound)
    #expect(socket.isClosed)
  }

  @Test func `a guest that is silent times out`() throws {
    let (simulation, outcomes) = scene(4)
    arp(simulation)
    _ = try connect(simulation)
    simulation.wait(100_000_000_000)
    #expect(outcomes.all[9]??.reason == .timedOut)
  }

  @Test func `a guest that leaves meanwhile ends it`() throws {
    let (simulation, outcomes) = scene(5)
    arp(simulation)
    _ = try connect(simulation)
    simulation.stack.portDown(Simulation.port)
    #expect(outcomes.all[9]??.reason == .cancelled)
  }

  @Test(arguments: ["192.168.5.2:22", "10.0.0.1:22", "192.168.5.255:22", "192.168.5.15", "x:1"])
  func `what is no guest's port is refused at once, and the socket closed`(guest: String) {
    let (simulation, outcomes) = scene(6)
    let (fd, socket) = simulation.kernel.makeConnected()
    #expect {
      try simulation.stack.forwards.connect(fd: fd, to: guest, ticket: 9)
    } throws: {
      ($0 as? ForwardFailure)?.reason == .invalid
    }
    #expect(socket.isClosed && outcomes.all.isEmpty)
  }
}
