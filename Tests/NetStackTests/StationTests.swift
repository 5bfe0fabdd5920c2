// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import NetStack

/// Guests behind a switch's port that leave while the port stays up.
@Suite(.timeLimit(.minutes(1))) struct StationTests {
  private static let other = MACAddress(0x52, 0x55, 0x55, 0, 0, 9)

  private func connected(_ simulation: Simulation) throws -> FakeKernel.Socket {
    var guest = GuestTCP(
      local: Endpoint(Simulation.guestAddress, port: 4000), remote: Simulation.server, iss: 7)
    guest.connect(now: simulation.host.now)
    simulation.guests = [guest]
    #expect(simulation.run(until: { $0.guests[0].state == .open }))
    return try #require(simulation.socket)
  }

  private func sentTo(_ mac: MACAddress, _ simulation: Simulation) -> Int {
    simulation.seen.count { $0.withByteView { $0.macAddress(at: 0) } == mac }
  }

  @Test func `a station's connections end with it, and nothing is sent to it any more`() throws {
    let simulation = Simulation(seed: 1, kind: .switch)
    let socket = try connected(simulation)
    // The host sends all the time.
    socket.incoming = pattern(500_000, seed: 1)
    simulation.wait(1_000_000)
    simulation.stack.stationsDown([Self.other], port: Simulation.port)
    #expect(simulation.stack.tcp.flowCount == 1 && !socket.isClosed)
    simulation.guests = []
    simulation.collect()
    simulation.seen = []
    simulation.stack.stationsDown([GuestTCP.mac], port: Simulation.port)
    #expect(simulation.stack.tcp.flowCount == 0)
    #expect(socket.isClosed && socket.wasReset)
    simulation.wait(120_000_000_000)
    #expect(sentTo(GuestTCP.mac, simulation) == 0)
    #expect(simulation.stack.core.timers.count == 0)
  }

  @Test func `what a guest had finished sending before it left still arrives`() throws {
    let simulation = Simulation(seed: 2, kind: .switch)
    let socket = try connected(simulation)
    let upload = pattern(100_000, seed: 3)
    socket.sendRoom = 1000
    simulation.guests[0].out = upload
    simulation.guests[0].finishes = true
    simulation.guests[0].pump(now: simulation.host.now)
    // All has come here; the FIN is acknowledged when the host has taken all.
    _ = simulation.run(for: 5_000_000_000) { $0.guests[0].isDoneSending }
    #expect(!simulation.guests[0].isDoneSending && socket.received.count < upload.count)
    simulation.guests = []
    simulation.stack.stationsDown([GuestTCP.mac], port: Simulation.port)
    socket.sendRoom = .max
    simulation.run(for: 5_000_000_000) { _ in socket.isShut }
    #expect(socket.received == upload && socket.isShut)
  }

  @Test func `its address is asked for before anything is sent there again`() {
    let simulation = Simulation(seed: 3, kind: .switch)
    let core = simulation.stack.core
    let leased = Simulation.guestAddress
    let byHand = IPAddress(192, 168, 5, 77)
    core.bindNeighbor(leased, to: GuestTCP.mac, on: 1)
    core.noteNeighbor(byHand, at: GuestTCP.mac, on: 1)
    #expect(core.neighbor(leased, on: 1) != nil && core.neighbor(byHand, on: 1) != nil)
    simulation.stack.stationsDown([GuestTCP.mac], port: Simulation.port)
    #expect(core.neighbor(leased, on: 1) == nil && core.neighbor(byHand, on: 1) == nil)
    // The leased one is still nobody else's; the other is anybody's.
    #expect(!core.noteNeighbor(leased, at: Self.other, on: 1))
    #expect(core.noteNeighbor(byHand, at: Self.other, on: 1))
    #expect(core.noteNeighbor(leased, at: GuestTCP.mac, on: 1))
    #expect(core.neighbor(leased, on: 1) == GuestTCP.mac)
    // A lease of a guest that was not seen since the network started.
    core.bindNeighbor(leased, to: Self.other, isPresent: false, on: 1)
    #expect(core.neighbor(leased, on: 1) == nil)
  }
}

/// The same for datagrams.
@Suite(.timeLimit(.minutes(1))) struct StationDatagramTests {
  @Test func `a station's mappings, pings and questions end with it`() throws {
    let world = try DatagramWorld()
    world.send(
      world.udp(from: 4000, to: DatagramWorld.server, [1]),
      world.echo(7, 1, to: DatagramWorld.server.address))
    #expect(world.stack.udp.flowCount == 1 && world.stack.icmp.flowCount == 1)
    world.stack.stationsDown([MACAddress(2, 0, 0, 0, 0, 1)], port: DatagramWorld.port)
    #expect(world.stack.udp.flowCount == 1 && world.stack.icmp.flowCount == 1)
    world.stack.stationsDown([GuestTCP.mac], port: DatagramWorld.port)
    #expect(world.stack.udp.flowCount == 0 && world.stack.icmp.flowCount == 0)
    #expect(world.host.watches.isEmpty)
    #expect(world.stack.core.timers.count == 0)
  }

  @Test func `what waits to begin a flow goes with its station, and another's begins`() throws {
    let world = try DatagramWorld(kind: .switch) { $0.newFlowsPerIteration = 4 }
    let other = MACAddress(2, 0, 0, 0, 0, 1)
    // 20 ports and 20 pings of each; none of the ports is the other's.
    let own: [[UInt8]] =
      (0..<20 as Range<UInt16>).map { world.udp(from: 4000 + $0, to: DatagramWorld.server, [1]) }
      + (0..<20 as Range<UInt16>).map { world.echo($0, 1, to: DatagramWorld.server.address) }
    let others = (0..<20 as Range<UInt16>).map { number -> [UInt8] in
      var frame = world.udp(from: 5000 + number, to: DatagramWorld.server, [2])
      frame.replaceSubrange(6..<12, with: [2, 0, 0, 0, 0, 1])
      return frame
    }
    world.send(batch: own + others)
    #expect(world.stack.core.newFlows.count > 40)
    world.stack.stationsDown([GuestTCP.mac], port: DatagramWorld.port)
    world.wait(seconds: 1)
    #expect(world.stack.udp.flowCount == 20 && world.stack.icmp.flowCount == 0)
    #expect(world.kernel.open.count == 20 && world.stack.core.newFlows.count == 0)
    world.stack.stationsDown([other], port: DatagramWorld.port)
    world.wait(seconds: 1)
    #expect(world.kernel.open.isEmpty && world.stack.core.timers.count == 0)
  }

  @Test func `its unfinished datagrams are forgotten, and another's are not`() throws {
    let world = try DatagramWorld(kind: .switch)
    let first = Self.fragment(id: 1, offset: 0, more: true, from: GuestTCP.mac)
    let other = MACAddress(2, 0, 0, 0, 0, 1)
    let second = Self.fragment(id: 1, offset: 0, more: true, from: other)
    world.send(first, second)
    #expect(world.stack.unfinishedGuests == 2)
    world.stack.stationsDown([GuestTCP.mac], port: DatagramWorld.port)
    #expect(world.stack.unfinishedGuests == 1)
    world.stack.stationsDown([other], port: DatagramWorld.port)
    #expect(world.stack.unfinishedGuests == 0 && world.stack.core.timers.count == 0)
  }

  /// 1480 bytes of a UDP datagram to the server.
  static func fragment(
    id: UInt16, offset: Int, more: Bool, from mac: MACAddress,
    source: IPAddress = DatagramWorld.guest, payload: [UInt8] = pattern(1480, seed: 1)
  ) -> [UInt8] {
    [UInt8](capacity: 34 + payload.count) { out in
      EthernetHeader(destination: GuestTCP.gatewayMAC, source: mac, etherType: EtherType.ipv4)
        .emit(into: out)
      var header = IPv4Header(
        source: source, destination: DatagramWorld.server.address,
        protocolNumber: IPProtocol.udp, payloadLength: payload.count, identification: id)
      header.fragmentOffset = offset
      header.moreFragments = more
      header.emit(into: out.dropFirst(14))
      payload.withByteView { out.store($0, at: 34) }
      return 34 + payload.count
    }
  }
}

/// A sender of fragments on a switch with several guests.
@Suite(.timeLimit(.minutes(1))) struct SharedFragmentTests {
  private struct Sender {
    var mac: MACAddress
    var address: IPAddress
  }

  private let senders = [
    Sender(mac: MACAddress(2, 0, 0, 0, 0, 1), address: IPAddress(192, 168, 5, 21)),
    Sender(mac: MACAddress(2, 0, 0, 0, 0, 2), address: IPAddress(192, 168, 5, 22)),
  ]

  private func frames(_ sender: Sender, id: UInt16, _ payload: [UInt8]) -> [[UInt8]] {
    let datagram = [UInt8](capacity: 8 + payload.count) { out in
      payload.withByteView { view in
        out.store(view, at: 8)
        return payload.count
          + UDPHeader(
            sourcePort: 4000, destinationPort: DatagramWorld.server.port,
            payloadLength: payload.count
          ).emit(
            into: out, payload: view, source: sender.address,
            destination: DatagramWorld.server.address)
      }
    }
    return stride(from: 0, to: datagram.count, by: 1480).map { at in
      let end = min(at + 1480, datagram.count)
      return StationDatagramTests.fragment(
        id: id, offset: at, more: end < datagram.count, from: sender.mac, source: sender.address,
        payload: Array(datagram[at..<end]))
    }
  }

  private func arrived(_ world: DatagramWorld) -> Int {
    world.kernel.sent.count { $0.payload.count == 60_000 }
  }

  @Test func `large datagrams of two guests that come at once all arrive`() throws {
    let world = try DatagramWorld(kind: .switch)
    for id in 0..<20 as Range<UInt16> {
      let both = senders.map { frames($0, id: id, pattern(60_000, seed: UInt64(id))) }
      for (one, two) in zip(both[0], both[1]) { world.send(one, two) }
    }
    #expect(arrived(world) == 40)
  }

  @Test func `a guest that leaves its datagrams unfinished takes nobody else's room`() throws {
    let world = try DatagramWorld(kind: .switch)
    var id: UInt16 = 0
    for round in 0..<20 as Range<UInt16> {
      let whole = frames(senders[1], id: round, pattern(60_000, seed: UInt64(round)))
      for piece in whole {
        // A flood of beginnings beside each piece of the other's.
        for _ in 0..<8 {
          id &+= 1
          world.send(frames(senders[0], id: id, pattern(60_000, seed: 1))[0])
        }
        world.send(piece)
      }
    }
    #expect(arrived(world) == 20)
  }
}

extension Stack {
  /// Number of guests with incomplete datagrams.
  var unfinishedGuests: Int {
    var count = 0
    core.shares.forEach { share in
      if core.shares.reassembly(share)?.reassembler.pending.datagrams ?? 0 > 0 { count += 1 }
    }
    return count
  }
}
