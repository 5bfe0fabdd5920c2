// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import NetStack

/// Invalid frames. A trap would end the test run.
@Suite(.timeLimit(.minutes(5)))
struct GarbageTests {
  private static func dns(_ random: inout RandomSource) -> [UInt8] {
    let transport = [UInt8](capacity: 40) { out in
      UDPHeader(sourcePort: 4000, destinationPort: 53, payloadLength: 32).emit(into: out)
      for at in 8..<40 { out.store(UInt8(truncatingIfNeeded: random.next()), at: at) }
      return 40
    }
    return Frames.ipv4(
      proto: 17, transport: transport, source: Simulation.guestAddress,
      destination: IPAddress(192, 168, 5, 3))
  }

  private static func echo() -> [UInt8] {
    let transport = [UInt8](capacity: 16) { out in
      ICMPHeader(type: ICMPv4Type.echoRequest, identifier: 7, sequence: 1)
        .emit(into: out, payload: ByteView(out.base + 8, count: 8))
      return 16
    }
    return Frames.ipv4(
      proto: 1, transport: transport, source: Simulation.guestAddress,
      destination: Simulation.gateway)
  }

  private static func segment(_ guest: GuestTCP, _ random: inout RandomSource) -> [UInt8] {
    var options = TCPOptions()
    options.windowScale = UInt8(truncatingIfNeeded: random.next())
    options.maximumSegmentSize = UInt16(truncatingIfNeeded: random.next())
    options.sackPermitted = true
    for _ in 0..<(random.next() % 4) {
      let start = guest.rcvNext &+ UInt32(truncatingIfNeeded: random.next() % 5000)
      options.sackBlocks.append(SACKBlock(start: start, end: start &+ 100))
    }
    let spread = UInt32(truncatingIfNeeded: random.next() % 200_000)
    return Frames.tcp(
      TCPHeader(
        sourcePort: guest.local.port, destinationPort: guest.remote.port,
        sequence: guest.next &- 70_000 &+ spread,
        acknowledgement: guest.rcvNext &+ UInt32(truncatingIfNeeded: random.next() % 3000),
        flags: TCPFlags(rawValue: UInt8(truncatingIfNeeded: random.next() & random.next() | 0x10)),
        window: UInt16(truncatingIfNeeded: random.next()), options: options),
      payload: pattern(Int(random.next() % 1400), seed: random.next()),
      source: guest.local.address, destination: guest.remote.address)
  }

  /// Flips bits, truncates and lengthens.
  private static func mutate(_ frame: [UInt8], _ random: inout RandomSource) -> [UInt8] {
    var frame = frame
    for _ in 0..<(random.next() % 6) where !frame.isEmpty {
      // Headers more often than payload.
      let range = random.next() % 2 == 0 ? min(frame.count, 60) : frame.count
      frame[Int(random.next() % UInt64(range))] = UInt8(truncatingIfNeeded: random.next())
    }
    switch random.next() % 8 {
    case 0: frame = Array(frame.prefix(Int(random.next() % UInt64(frame.count + 1))))
    case 1: frame += pattern(Int(random.next() % 200), seed: random.next())
    default: break
    }
    // The ABI promises the Ethernet header.
    return frame.count >= 14 ? frame : frame + [UInt8](repeating: 0, count: 14 - frame.count)
  }

  @Test(arguments: Array(1...10) as [UInt64])
  func `ten thousand mutated frames leave nothing behind`(seed: UInt64) {
    let simulation = Simulation(seed: seed) { $0.bufferLimit = 4 << 20 }
    var random = RandomSource(seed: seed)
    simulation.kernel.configure = {
      $0.sendRoom = 5000
      $0.incoming = pattern(3000, seed: seed)
    }
    var guest = GuestTCP(
      local: Endpoint(Simulation.guestAddress, port: 40000), remote: Simulation.server, iss: 1)
    guest.connect(now: simulation.host.now)
    let syn = guest.outbox[0]
    simulation.guests = [guest]
    simulation.wait(2_000_000)
    for round in 0..<100 {
      var batch: [[UInt8]] = []
      for _ in 0..<100 {
        let frame: [UInt8]
        switch random.next() % 8 {
        case 0: frame = syn
        case 1: frame = Self.dns(&random)
        case 2: frame = Self.echo()
        case 3: frame = pattern(Int(14 + random.next() % 1500), seed: random.next())
        default: frame = Self.segment(simulation.guests[0], &random)
        }
        batch.append(random.next() % 10 == 0 ? frame : Self.mutate(frame, &random))
      }
      simulation.deliver(batch)
      // Time goes on: timers of all kinds.
      simulation.host.frames.removeAll()
      if round % 10 == 9 { simulation.wait(random.next() % 5_000_000_000) }
      #expect(simulation.stack.chunks.used <= 64)
    }
    simulation.stack.portDown(Simulation.port)
    #expect(simulation.stack.tcp.flowCount == 0)
    #expect(simulation.stack.chunks.used == 0)
    simulation.stack.shutDown()
    #expect(simulation.kernel.openCount == 0)
    #expect(simulation.host.watches.isEmpty)
  }
}
