// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import NetStack

/// Windows, back-pressure, batching, and the data of a batch that is kept.
@Suite(.timeLimit(.minutes(5)))
struct TCPFlowControlTests {
  private func opened(_ simulation: Simulation) throws -> FakeKernel.Socket {
    #expect(TCPTransferTests.open(simulation))
    simulation.wait(1_000_000)
    return try #require(simulation.socket)
  }

  private func data(
    _ guest: GuestTCP, at offset: UInt32, _ payload: [UInt8], flags: TCPFlags = .ack
  ) -> [UInt8] {
    Frames.tcp(
      TCPHeader(
        sourcePort: guest.local.port, destinationPort: guest.remote.port,
        sequence: guest.iss &+ 1 &+ offset, acknowledgement: guest.rcvNext, flags: flags,
        window: 2000),
      payload: payload, source: guest.local.address, destination: guest.remote.address)
  }

  /// `bytes` as segments of `size`.
  private func segments(_ guest: GuestTCP, _ bytes: [UInt8], size: Int) -> [[UInt8]] {
    var frames: [[UInt8]] = []
    var at = 0
    while at < bytes.count {
      let end = min(bytes.count, at + size)
      frames.append(data(guest, at: UInt32(at), Array(bytes[at..<end])))
      at = end
    }
    return frames
  }

  @Test func `a batch of segments is one sendmsg and one ACK`() throws {
    let simulation = Simulation(seed: 1)
    let socket = try opened(simulation)
    let guest = simulation.guests[0]
    let bytes = pattern(60 * 1000, seed: 1)
    let frames = segments(guest, bytes, size: 1000)
    let calls = socket.sendCalls
    simulation.host.frames.removeAll()
    simulation.deliver(frames)
    #expect(socket.sendCalls == calls + 1)
    #expect(socket.received.elementsEqual(bytes))
    #expect(simulation.host.frames.count == 1)
    let ack = Frames.tcp(in: simulation.host.frames[0], to: guest.local, from: guest.remote)
    #expect(ack?.header.acknowledgement == guest.iss &+ 1 &+ 60_000)
  }

  @Test func `a batch longer than the list of slices loses nothing`() throws {
    let simulation = Simulation(seed: 2)
    let socket = try opened(simulation)
    let guest = simulation.guests[0]
    let bytes = pattern(600 * 100, seed: 2)
    simulation.deliver(segments(guest, bytes, size: 100))
    simulation.wait(1_000_000)
    #expect(socket.received.elementsEqual(bytes))
  }

  @Test func `what the kernel does not take waits, and the window shows it`() throws {
    let simulation = Simulation(seed: 3) { $0.receiveWindow = 128 << 10 }
    let socket = try opened(simulation)
    socket.sendRoom = 1000
    let bytes = pattern(400_000, seed: 3)
    simulation.guests[0].out = bytes
    simulation.guests[0].pump(now: simulation.host.now)
    simulation.wait(50_000_000)
    socket.sendRoom = 0
    simulation.wait(200_000_000)
    // The guest was stopped by the window, not by loss.
    #expect(socket.received == Array(bytes[..<1000]))
    #expect(simulation.guests[0].peerWindow < 128)
    let stored = simulation.stack.chunks.used
    #expect(stored > 0 && stored <= 3)
    socket.sendRoom = .max
    #expect(simulation.run(until: { _ in socket.received.count == bytes.count }))
    #expect(socket.received.elementsEqual(bytes))
    simulation.wait(10_000_000)
    #expect(simulation.stack.chunks.used == 0)
  }

  @Test func `a window that opened again is announced without being asked`() throws {
    let simulation = Simulation(seed: 4) { $0.receiveWindow = 128 << 10 }
    let socket = try opened(simulation)
    socket.sendRoom = 0
    simulation.guests[0].rto = 3_600_000_000_000
    let bytes = pattern(300_000, seed: 4)
    simulation.guests[0].out = bytes
    simulation.guests[0].pump(now: simulation.host.now)
    simulation.wait(50_000_000)
    socket.sendRoom = .max
    #expect(simulation.run(for: 100_000_000, until: { _ in socket.received.count == bytes.count }))
  }

  @Test func `a guest that does not read stops the host's reading, and probes find it again`()
    throws
  {
    let simulation = Simulation(seed: 5) { $0.sendBuffer = 256 << 10 }
    let socket = try opened(simulation)
    simulation.guests[0].readsAtOnce = false
    simulation.guests[0].receiveRoom = 20_000
    let bytes = pattern(600_000, seed: 5)
    socket.incoming = bytes
    simulation.wait(5_000_000_000)
    #expect(simulation.guests[0].received.count <= 20_000)
    #expect(socket.incomingAt <= 256 << 10)
    #expect(simulation.stack.chunks.used <= 6)
    simulation.onStep = { $0.guests[0].read(4000) }
    #expect(simulation.run(until: { $0.guests[0].received.count == bytes.count }))
    #expect(simulation.guests[0].received == bytes)
    simulation.wait(10_000_000)
    #expect(simulation.stack.chunks.used == 0)
  }

  @Test func `a closed window is probed even if its opening was lost`() throws {
    let simulation = Simulation(seed: 6)
    let socket = try opened(simulation)
    simulation.guests[0].readsAtOnce = false
    simulation.guests[0].receiveRoom = 10_000
    socket.incoming = pattern(40_000, seed: 6)
    simulation.wait(1_000_000_000)
    // Reads without saying so.
    simulation.guests[0].unread = 0
    simulation.guests[0].readsAtOnce = true
    simulation.guests[0].receiveRoom = 100_000
    #expect(simulation.run(until: { $0.guests[0].received.count == 40_000 }))
  }

  @Test func `out of order data is kept and reported by SACK`() throws {
    let simulation = Simulation(seed: 7)
    let socket = try opened(simulation)
    let guest = simulation.guests[0]
    let bytes = pattern(5000, seed: 7)
    simulation.host.frames.removeAll()
    simulation.deliver([data(guest, at: 2000, Array(bytes[2000..<3000]))])
    simulation.deliver([data(guest, at: 4000, Array(bytes[4000..<5000]))])
    let last = try #require(
      Frames.tcp(in: simulation.host.frames[1], to: guest.local, from: guest.remote))
    let start = guest.iss &+ 1
    #expect(last.header.acknowledgement == start)
    #expect(last.header.options.sackBlocks.count == 2)
    #expect(
      last.header.options.sackBlocks[0] == SACKBlock(start: start &+ 4000, end: start &+ 5000))
    #expect(
      last.header.options.sackBlocks[1] == SACKBlock(start: start &+ 2000, end: start &+ 3000))
    simulation.deliver([data(guest, at: 0, Array(bytes[..<2500]))])
    #expect(socket.received == Array(bytes[..<3000]))
    simulation.deliver([data(guest, at: 2900, Array(bytes[2900..<4100]))])
    #expect(socket.received.elementsEqual(bytes))
    #expect(simulation.stack.chunks.used == 0)
  }

  @Test func `a FIN that came too early counts when the gap is filled`() throws {
    let simulation = Simulation(seed: 8)
    let socket = try opened(simulation)
    let guest = simulation.guests[0]
    simulation.deliver([data(guest, at: 3, [4, 5], flags: [.ack, .fin])])
    #expect(!socket.isShut)
    simulation.deliver([data(guest, at: 0, [1, 2, 3])])
    #expect(socket.received == [1, 2, 3, 4, 5])
    #expect(socket.isShut)
  }

  @Test func `frames the host did not take go out again, in order`() throws {
    let simulation = Simulation(seed: 9, mtu: 1500)
    let socket = try opened(simulation)
    let bytes = pattern(700_000, seed: 9)
    simulation.host.sendRoom = 1
    socket.incoming = bytes
    simulation.onStep = { simulation in
      guard simulation.host.sendRoom == 0 else { return }
      simulation.host.sendRoom = 2
      simulation.stack.txReady(Simulation.port)
    }
    #expect(simulation.run(until: { $0.guests[0].received.count == bytes.count }))
    #expect(simulation.guests[0].received == bytes)
  }

  @Test func `data to the guest goes as super-frames`() throws {
    let simulation = Simulation(seed: 10)
    let socket = try opened(simulation)
    simulation.guests[0].peerWindow = 0
    simulation.guests[0].receiveRoom = 1 << 20
    simulation.guests[0].ack()
    simulation.wait(1_000_000)
    let before = simulation.host.rawFrames
    socket.incoming = pattern(200_000, seed: 10)
    #expect(simulation.run(until: { $0.guests[0].received.count == 200_000 }))
    // Acknowledgements of the guest bring none; the first read is one chunk.
    #expect(simulation.host.rawFrames - before <= 8)
  }

  @Test func `buffers of all flows together stay within the pool`() throws {
    let simulation = Simulation(seed: 11) {
      $0.bufferLimit = 1 << 20
      $0.receiveWindow = 512 << 10
    }
    for port in 0..<8 as Range<UInt16> {
      var guest = GuestTCP(
        local: Endpoint(Simulation.guestAddress, port: 41000 + port), remote: Simulation.server,
        iss: UInt32(port) &* 77_777)
      guest.connect(now: simulation.host.now)
      simulation.guests.append(guest)
    }
    simulation.kernel.configure = { $0.sendRoom = 0 }
    #expect(simulation.run(until: { $0.guests.allSatisfy { $0.state == .open } }))
    let bytes = pattern(400_000, seed: 11)
    for index in simulation.guests.indices {
      simulation.guests[index].out = bytes
      simulation.guests[index].pump(now: simulation.host.now)
    }
    simulation.wait(3_000_000_000)
    #expect(simulation.stack.chunks.used <= 16)
    for socket in simulation.kernel.sockets.values { socket.sendRoom = .max }
    #expect(
      simulation.run(
        for: 600_000_000_000,
        until: { $0.kernel.sockets.values.allSatisfy { $0.received.count == bytes.count } }))
    for socket in simulation.kernel.sockets.values { #expect(socket.received.elementsEqual(bytes)) }
  }
}
