// SPDX-License-Identifier: Apache-2.0
//
// The last bytes of a guest reach the host, also if the guest leaves at once.

import Testing
import Wire

@testable import NetStack

@Suite(.timeLimit(.minutes(1))) struct TCPDepartureTests {
  private static let second: UInt64 = 1_000_000_000
  private let bytes = pattern(300_000, seed: 7)

  /// A guest that sends all its bytes and a FIN to a host that takes `room` bytes.
  private func upload(room: Int, finishes: Bool = true) throws -> (Simulation, FakeKernel.Socket) {
    let simulation = Simulation(seed: 11)
    simulation.kernel.configure = { $0.sendRoom = room }
    var guest = GuestTCP(
      local: Endpoint(Simulation.guestAddress, port: 40000), remote: Simulation.server, iss: 77)
    guest.out = bytes
    guest.finishes = finishes
    simulation.guests = [guest]
    simulation.guests[0].connect(now: simulation.host.now)
    #expect(
      simulation.run(for: 10 * Self.second) {
        $0.guests[0].una == $0.guests[0].iss &+ 1 &+ UInt32(self.bytes.count)
          || $0.guests[0].finAcked
      })
    return (simulation, try #require(simulation.socket))
  }

  private func leave(_ simulation: Simulation) {
    simulation.collect()
    simulation.guests = []
    simulation.stack.portDown(Simulation.port)
  }

  private func expectNothingLeft(_ simulation: Simulation) {
    #expect(simulation.stack.tcp.flowCount == 0)
    #expect(simulation.stack.chunks.used == 0)
    #expect(simulation.kernel.openCount == 0)
    #expect(simulation.host.watches.isEmpty)
  }

  @Test func `a FIN is acknowledged when the host's kernel has all the bytes before it`() throws {
    let (simulation, socket) = try upload(room: 50_000)
    simulation.run(for: 20 * Self.second) { _ in false }
    #expect(!simulation.guests[0].finAcked)
    #expect(socket.received.count == 50_000 && !socket.isShut)
    socket.sendRoom = .max
    #expect(simulation.run(for: 10 * Self.second) { $0.guests[0].finAcked })
    #expect(socket.received == bytes)
    #expect(socket.isShut && !socket.isClosed)
  }

  @Test func `a host that takes nothing does not hold a FIN back for ever`() throws {
    let (simulation, socket) = try upload(room: 50_000)
    #expect(simulation.run(for: 60 * Self.second) { $0.guests[0].finAcked })
    #expect(!socket.isShut)
    socket.sendRoom = .max
    #expect(simulation.run(for: Self.second) { _ in socket.isShut })
    #expect(socket.received == bytes)
  }

  @Test func `a FIN that waits holds up nothing that the host says`() throws {
    let (simulation, socket) = try upload(room: 50_000)
    let answer = pattern(90_000, seed: 8)
    socket.incoming = answer
    socket.isIncomingOver = true
    #expect(simulation.run(for: 10 * Self.second) { $0.guests[0].peerFinished })
    #expect(simulation.guests[0].received == answer)
    socket.sendRoom = .max
    #expect(simulation.run(for: 10 * Self.second) { $0.guests[0].finAcked })
    #expect(socket.received == bytes && socket.isClosed && !socket.wasReset)
  }

  @Test func `a guest that has said all and leaves does not reset the host's side`() throws {
    let (simulation, socket) = try upload(room: .max)
    #expect(simulation.run(for: Self.second) { $0.guests[0].finAcked })
    leave(simulation)
    #expect(socket.received == bytes)
    #expect(socket.isClosed && !socket.wasReset)
    expectNothingLeft(simulation)
  }

  @Test func `a guest that leaves in the middle resets the host's side`() throws {
    let (simulation, socket) = try upload(room: .max, finishes: false)
    leave(simulation)
    #expect(socket.isClosed && socket.wasReset)
    expectNothingLeft(simulation)
  }

  @Test(arguments: [false, true])
  func `what a guest left is delivered after it has gone`(finTaken: Bool) throws {
    let (simulation, socket) = try upload(room: 50_000)
    if finTaken { #expect(simulation.run(for: 60 * Self.second) { $0.guests[0].finAcked }) }
    leave(simulation)
    #expect(!socket.isClosed)
    // Another guest in the same place hears nothing of it.
    let info = LinkInfo(port: Simulation.port, mtu: 1500)
    #expect(simulation.stack.portUp(info))
    simulation.host.frames = []
    socket.sendRoom = 100_000
    simulation.run(for: Self.second) { _ in socket.received.count >= 150_000 }
    #expect(socket.received.count == 150_000 && !socket.isClosed)
    socket.sendRoom = .max
    #expect(simulation.run(for: Self.second) { _ in socket.isClosed })
    #expect(socket.received == bytes && !socket.wasReset)
    #expect(simulation.host.frames.isEmpty)
    expectNothingLeft(simulation)
  }

  @Test func `what a guest left does not count against the one that comes after it`() throws {
    let (simulation, socket) = try upload(room: 50_000)
    leave(simulation)
    let info = LinkInfo(port: Simulation.port, mtu: 1500)
    #expect(simulation.stack.portUp(info))
    var guest = GuestTCP(
      local: Endpoint(Simulation.guestAddress, port: 41000), remote: Simulation.server, iss: 5)
    guest.connect(now: simulation.host.now)
    simulation.guests = [guest]
    #expect(simulation.run(for: Self.second) { $0.guests[0].state == .open })
    let shares = simulation.stack.core.shares
    let own = shares.of(simulation.stack.link(of: Simulation.port), GuestTCP.mac)
    #expect(shares.pointer(own).pointee.flows == 1)
    socket.sendRoom = .max
    #expect(simulation.run(for: 2 * Self.second) { _ in socket.isClosed })
    #expect(socket.received == bytes)
    #expect(shares.pointer(own).pointee.flows == 1 && shares.pointer(own).pointee.chunks == 0)
    simulation.stack.portDown(Simulation.port)
    #expect(simulation.stack.tcp.flowCount == 0)
  }

  @Test func `what nobody takes is given up, with a reset`() throws {
    let (simulation, socket) = try upload(room: 50_000)
    leave(simulation)
    #expect(simulation.run(for: 300 * Self.second) { _ in socket.isClosed })
    #expect(socket.wasReset)
    expectNothingLeft(simulation)
  }

  @Test func `a network that stops keeps no orphans`() throws {
    let (simulation, socket) = try upload(room: 50_000)
    leave(simulation)
    simulation.stack.shutDown()
    #expect(socket.isClosed && socket.wasReset)
    expectNothingLeft(simulation)
  }
}
