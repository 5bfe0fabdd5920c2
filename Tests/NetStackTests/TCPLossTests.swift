// SPDX-License-Identifier: Apache-2.0
//
// Loss recovery to the guest by segment, and eviction at the limits of memory and descriptors.

import Testing
import Wire

@testable import NetStack

@Suite(.timeLimit(.minutes(5)))
struct TCPLossTests {
  /// A guest's connection with `count` bytes in flight to it.
  private func sending(_ count: Int, seed: UInt64) throws -> (ScriptedGuest, [Frames.Segment]) {
    let guest = ScriptedGuest(Simulation(seed: seed))
    #expect(guest.open(mss: 1000))
    let socket = try #require(guest.socket)
    // A round trip, for the RTT estimator.
    socket.incoming = [1]
    guest.poll()
    #expect(guest.answers().count == 1)
    guest.acknowledged &+= 1
    guest.simulation.host.now += 100_000
    guest.exchange(guest.segment(.ack))
    socket.incoming += pattern(count, seed: seed)
    for _ in 0..<8 { guest.poll() }
    return (guest, guest.answers())
  }

  /// A SACK report, a round trip after the data that it reports.
  private func reported(_ guest: ScriptedGuest, _ first: Int, _ last: Int) -> [UInt8] {
    guest.simulation.host.now += 100_000
    var options = TCPOptions()
    options.sackBlocks.append(
      SACKBlock(
        start: guest.acknowledged &+ UInt32(first), end: guest.acknowledged &+ UInt32(last)))
    return guest.segment(.ack, options: options)
  }

  /// Fires the stack's timers until it sends something with payload.
  private func sentLater(_ guest: ScriptedGuest, within limit: UInt64) -> [Frames.Segment] {
    let end = guest.simulation.host.now + limit
    while guest.simulation.host.now < end {
      let host = guest.simulation.host
      host.now += 1_000_000
      for (handle, deadline) in host.timers where deadline <= host.now {
        host.timers[handle] = nil
        guest.simulation.stack.onTimer(handle)
      }
      let sent = guest.answers().filter { !$0.payload.isEmpty }
      if !sent.isEmpty { return sent }
    }
    return []
  }

  @Test func `only the holes are sent again`() throws {
    let (guest, sent) = try sending(20_000, seed: 1)
    #expect(sent.count == 20)
    let again = guest.exchange(reported(guest, 1000, 5000))
      .filter { !$0.payload.isEmpty && $0.header.sequence == guest.acknowledged }
    #expect(again.count == 1)
    #expect(again.first?.payload.count == 1000)
    // Another report of what was sent before that is no news: the hole was filled already.
    let third = guest.exchange(reported(guest, 1000, 6000)).filter { !$0.payload.isEmpty }
    #expect(third.allSatisfy { $0.header.sequence != guest.acknowledged })
  }

  @Test func `what arrived after a hole tells that it is lost (RFC 6675 §4)`() throws {
    // Two segments' worth is not more than DupThresh - 1 of them; a byte more is.
    let (guest, _) = try sending(20_000, seed: 8)
    #expect(guest.exchange(reported(guest, 1000, 3000)).filter { !$0.payload.isEmpty }.isEmpty)
    let again = guest.exchange(reported(guest, 1000, 3001)).filter { !$0.payload.isEmpty }
    #expect(again.first?.header.sequence == guest.acknowledged)
    // Three ranges do, however short.
    let (other, _) = try sending(20_000, seed: 9)
    #expect(other.exchange(reported(other, 1000, 1001)).filter { !$0.payload.isEmpty }.isEmpty)
    // Two of them with one duplicate ACK: two duplicates are not three.
    var options = TCPOptions()
    for start in [2000, 3000] as [UInt32] {
      options.sackBlocks.append(
        SACKBlock(start: other.acknowledged &+ start, end: other.acknowledged &+ start &+ 1))
    }
    let second = other.exchange(other.segment(.ack, options: options))
    #expect(second.first { !$0.payload.isEmpty }?.header.sequence == other.acknowledged)
  }

  @Test func `the loss of the last segments is found before the timeout`() throws {
    let (guest, sent) = try sending(10_000, seed: 2)
    #expect(sent.count == 10)
    // The first seven arrive, the last three are lost.
    guest.acknowledged &+= 7000
    guest.exchange(guest.segment(.ack))
    let probe = sentLater(guest, within: 100_000_000)
    #expect(probe.count == 1)
    #expect(probe.first?.header.sequence == guest.acknowledged &+ 2000)
    let again = guest.exchange(reported(guest, 2000, 3000)).filter { !$0.payload.isEmpty }
    #expect(again.first?.header.sequence == guest.acknowledged)
    #expect(guest.simulation.stack.tcp.counters.timeouts == 0)
  }

  @Test
  func `one segment in flight may wait for a delayed ACK, and is probed when that is overdue`()
    throws
  {
    let (guest, sent) = try sending(500, seed: 3)
    #expect(sent.count == 1)
    // Linux holds it back for 40 ms.
    #expect(sentLater(guest, within: 45_000_000).isEmpty)
    let probe = sentLater(guest, within: 10_000_000)
    #expect(probe.count == 1 && probe.first?.header.sequence == guest.acknowledged)
    #expect(guest.simulation.stack.tcp.counters.timeouts == 0)
  }

  @Test func `after a timeout one segment goes out, then two`() throws {
    let (guest, sent) = try sending(20_000, seed: 4)
    #expect(sent.count == 20)
    #expect(sentLater(guest, within: 100_000_000).count == 1)
    let first = sentLater(guest, within: 2_000_000_000)
    #expect(first.count == 1 && first.first?.header.sequence == guest.acknowledged)
    guest.acknowledged &+= 1000
    let next = guest.exchange(guest.segment(.ack)).filter { !$0.payload.isEmpty }
    #expect(next.count == 2)
  }

  @Test func `a queue that overflows is not overrun for ever`() throws {
    let simulation = Simulation(seed: 5, weather: LinkWeather(delay: 500_000, queue: 100))
    #expect(TCPTransferTests.open(simulation))
    let socket = try #require(simulation.socket)
    simulation.guests[0].receiveRoom = 1 << 20
    let bytes = pattern(4_000_000, seed: 5)
    socket.incoming = bytes
    #expect(simulation.run(until: { $0.guests[0].received.count == bytes.count }))
    #expect(simulation.guests[0].received == bytes)
    // The guest's window alone would lose two bytes of three; one window is lost before it is known.
    #expect(simulation.bytesLost < bytes.count / 2)
    // What goes again is what was lost, and little else.
    #expect(simulation.bytesToGuest - simulation.bytesLost < bytes.count * 11 / 10)
  }

  @Test func `one guest's stuck connections leave memory to the others`() throws {
    let simulation = Simulation(seed: 6, kind: .switch) { $0.bufferLimit = 2 << 20 }
    func guest(
      _ address: IPAddress, _ port: UInt16, _ station: MACAddress = GuestTCP.mac
    ) -> GuestTCP {
      var guest = GuestTCP(
        local: Endpoint(address, port: port), remote: Simulation.server,
        iss: UInt32(port) &* 77_777)
      guest.station = station
      guest.connect(now: simulation.host.now)
      return guest
    }
    simulation.kernel.configure = { $0.sendRoom = 0 }
    for port in 0..<40 as Range<UInt16> {
      simulation.guests.append(guest(Simulation.guestAddress, 41000 + port))
    }
    #expect(simulation.run(until: { $0.guests.allSatisfy { $0.state == .open } }))
    for index in simulation.guests.indices {
      simulation.guests[index].out = pattern(100_000, seed: 6)
      simulation.guests[index].pump(now: simulation.host.now)
    }
    simulation.wait(1_000_000_000)
    #expect(simulation.stack.chunks.used == simulation.stack.chunks.capacity / 2)
    // Another one comes, and is served.
    simulation.kernel.configure = { _ in }
    simulation.guests.append(
      guest(IPAddress(192, 168, 5, 16), 50000, MACAddress(0x52, 0x55, 0x55, 0, 0, 2)))
    let last = simulation.guests.count - 1
    #expect(simulation.run(until: { $0.guests[last].state == .open }))
    let socket = try #require(simulation.socket)
    let bytes = pattern(500_000, seed: 7)
    socket.incoming = bytes
    #expect(
      simulation.run(
        for: 3_000_000_000, until: { $0.guests[last].received.count == bytes.count }))
  }

  @Test func `initial sequence numbers are SipHash-2-4 of the connection`() {
    var words = SipHash(
      key: SipHash.Key(low: 0x0706_0504_0302_0100, high: 0x0f0e_0d0c_0b0a_0908))
    var copy = words
    #expect(copy.finish() == 0x726f_db47_dd0e_0e31)
    words.absorb(0x0706_0504_0302_0100)
    copy = words
    #expect(copy.finish() == 0x93f5_f579_9a93_2462)
    words.absorb(0x0f0e_0d0c_0b0a_0908)
    #expect(words.finish() == 0x3f2a_cc7f_57c2_9bdb)
  }
}
