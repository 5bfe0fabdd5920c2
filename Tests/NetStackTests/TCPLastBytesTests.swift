// SPDX-License-Identifier: Apache-2.0
//
// Bytes sent before a reset, in either direction, arrive as over a direct connection: a reset is processed after the bytes
// before it (RFC 9293 §3.10.7.4), and a receiver may still read those.

import LibC
import Testing
import Wire

@testable import NetStack

@Suite(.timeLimit(.minutes(1))) struct TCPLastBytesTests {
  private func opened(
    _ seed: UInt64, scale: UInt8 = 7, configure: (inout StackConfig) -> Void = { _ in }
  ) throws -> (ScriptedGuest, FakeKernel.Socket) {
    let guest = ScriptedGuest(Simulation(seed: seed, configure: configure))
    try #require(guest.open(scale: scale))
    return (guest, try #require(guest.socket))
  }

  private func isLeft(_ guest: ScriptedGuest) -> Bool {
    guest.simulation.stack.tcp.flows.count > 0
  }

  /// The contiguous payload of segments from `start` on.
  private func bytes(_ segments: [Frames.Segment], from start: UInt32) -> [UInt8] {
    var out: [UInt8] = []
    for segment in segments where segment.header.sequence == start &+ UInt32(out.count) {
      out += segment.payload
    }
    return out
  }

  // MARK: Guest to host

  @Test func `data and a reset in one batch: the host gets the data first`() throws {
    let (guest, socket) = try opened(1)
    let data = pattern(1000, seed: 1)
    guest.exchange(
      guest.segment([.psh, .ack], data),
      guest.segment([.rst, .ack], sequence: guest.next &+ 1000))
    #expect(socket.received == data)
    #expect(socket.isClosed && socket.wasReset)
    #expect(!isLeft(guest))
  }

  @Test func `data, the end and a reset in one batch are taken in this order`() throws {
    let (guest, socket) = try opened(2)
    let data = pattern(1000, seed: 2)
    let answers = guest.exchange(
      guest.segment([.psh, .ack, .fin], data),
      guest.segment([.rst, .ack], sequence: guest.next &+ 1001))
    #expect(socket.received == data)
    #expect(socket.isClosed && socket.wasReset)
    #expect(answers.allSatisfy { !$0.header.flags.contains(.rst) })
    #expect(!isLeft(guest))
  }

  @Test func `a reset that is not next is challenged, and what came before it is not lost`() throws
  {
    let (guest, socket) = try opened(3)
    let data = pattern(1000, seed: 3)
    let answers = guest.exchange(
      guest.segment([.psh, .ack], data),
      guest.segment([.rst, .ack], sequence: guest.next &+ 1001))
    #expect(socket.received == data)
    #expect(!socket.isClosed)
    #expect(answers.map(\.header.acknowledgement) == [guest.next &+ 1000])
  }

  @Test func `what the host did not take before the guest's reset is still offered to it`() throws {
    let (guest, socket) = try opened(4)
    socket.sendRoom = 300
    let data = pattern(5000, seed: 4)
    let first = guest.exchange(guest.segment([.psh, .ack], data))
    #expect(first.last?.header.acknowledgement == guest.next &+ 5000)
    guest.next &+= 5000
    guest.exchange(guest.segment([.rst, .ack]))
    #expect(!socket.isClosed)
    #expect(guest.simulation.stack.tcp.flowCount == 0, "the guest may use its port again")
    socket.sendRoom = .max
    guest.poll()
    #expect(socket.received == data)
    #expect(socket.isClosed && socket.wasReset)
    #expect(guest.simulation.stack.chunks.used == 0 && !isLeft(guest))
  }

  @Test func `the guest's port is free at once, even while its last bytes wait`() throws {
    let (guest, socket) = try opened(5)
    socket.sendRoom = 0
    guest.exchange(guest.segment([.psh, .ack], [1, 2, 3]))
    guest.next &+= 3
    let again = ScriptedGuest(guest.simulation, iss: 77)
    let answers = guest.exchange(
      guest.segment([.rst, .ack]), again.segment(.syn, acknowledgement: 0))
    #expect(answers.map(\.header.flags) == [[.syn, .ack]])
    #expect(answers.first?.header.acknowledgement == 78)
    socket.sendRoom = .max
    guest.poll()
    #expect(socket.received == [1, 2, 3] && socket.wasReset)
    #expect(guest.simulation.stack.tcp.flowCount == 1)
  }

  @Test func `the reset waits for what the kernel has taken and not sent`() throws {
    let (guest, socket) = try opened(6)
    socket.unsent = 10_000
    guest.exchange(
      guest.segment([.psh, .ack], [1, 2, 3]),
      guest.segment([.rst, .ack], sequence: guest.next &+ 3))
    guest.simulation.wait(1_000_000_000)
    #expect(!socket.isClosed)
    socket.unsent = 0
    guest.simulation.wait(1_000_000_000)
    #expect(socket.isClosed && socket.wasReset && !isLeft(guest))
  }

  @Test func `a host that never takes the last bytes is given up`() throws {
    let (guest, socket) = try opened(7)
    socket.sendRoom = 0
    guest.exchange(guest.segment([.psh, .ack], pattern(5000, seed: 7)))
    guest.next &+= 5000
    guest.exchange(guest.segment([.rst, .ack]))
    guest.simulation.wait(120_000_000_000)
    #expect(socket.isClosed && socket.wasReset)
    #expect(guest.simulation.stack.chunks.used == 0 && !isLeft(guest))
    #expect(guest.simulation.host.watches.isEmpty)
  }

  @Test(arguments: [false, true])
  func `a link that goes away leaves the host what the guest had sent`(finished: Bool) throws {
    let (guest, socket) = try opened(8)
    socket.sendRoom = 300
    let data = pattern(5000, seed: 8)
    guest.exchange(guest.segment(finished ? [.psh, .ack, .fin] : [.psh, .ack], data))
    guest.simulation.stack.portDown(Simulation.port)
    #expect(!socket.isClosed)
    socket.sendRoom = .max
    guest.poll()
    #expect(socket.received == data)
    // A partial transfer must not appear complete, nor a complete one partial.
    #expect(socket.isClosed && socket.wasReset == !finished)
    #expect(guest.simulation.stack.chunks.used == 0 && !isLeft(guest))
  }

  @Test func `a link that goes away with bytes for the guest resets the host's side`() throws {
    let (guest, socket) = try opened(9)
    guest.exchange(guest.segment([.ack, .fin]))
    guest.next &+= 1
    socket.incoming = pattern(5000, seed: 9)
    guest.poll()
    guest.simulation.stack.portDown(Simulation.port)
    #expect(socket.isClosed && socket.wasReset)
  }

  // MARK: Host to guest

  @Test(arguments: [1, 3000, 64 << 10, 300_000])
  func `all that came before a reset reaches the guest, then the reset`(count: Int) throws {
    for upload in [false, true] {
      let (guest, socket) = try opened(UInt64(count), scale: 10)
      let answer = pattern(count, seed: UInt64(count))
      socket.incoming = answer
      socket.error = ECONNRESET
      var segments: [Frames.Segment] = []
      if upload {
        // A send is told of the error before anything is read, and while the link brings more.
        segments += guest.exchange(guest.segment([.psh, .ack], pattern(1000, seed: 1)))
        guest.next &+= 1000
      }
      for _ in 0..<40 {
        guest.poll()
        segments += guest.answers()
      }
      #expect(bytes(segments, from: guest.acknowledged) == answer)
      let last = try #require(segments.last?.header)
      #expect(last.flags == [.rst, .ack])
      #expect(last.sequence == guest.acknowledged &+ UInt32(count))
      #expect(segments.count { $0.header.flags.contains(.rst) } == 1)
      #expect(socket.isClosed && !isLeft(guest))
      #expect(guest.simulation.stack.chunks.used == 0)
      #expect(guest.simulation.stack.tcp.counters.resetByHost == 1)
    }
  }

  @Test func `an error told to SO_ERROR or a send is no end in order`() throws {
    let (guest, socket) = try opened(22)
    socket.sendRoom = 0
    guest.exchange(guest.segment([.psh, .ack], pattern(1000, seed: 1)))
    guest.next &+= 1000
    socket.incoming = [1, 2, 3]
    socket.error = ECONNRESET
    var segments: [Frames.Segment] = []
    for _ in 0..<3 {
      guest.poll()
      segments += guest.answers()
    }
    #expect(bytes(segments, from: guest.acknowledged) == [1, 2, 3])
    #expect(segments.last?.header.flags == [.rst, .ack])
    #expect(segments.allSatisfy { !$0.header.flags.contains(.fin) })
  }

  @Test func `the reset comes after what the guest's window holds back`() throws {
    let guest = ScriptedGuest(Simulation(seed: 23))
    try #require(guest.open(scale: nil, window: 2000))
    let socket = try #require(guest.socket)
    let answer = pattern(5000, seed: 23)
    socket.incoming = answer
    socket.error = ECONNRESET
    guest.poll()
    guest.poll()
    var segments = guest.answers()
    #expect(segments.allSatisfy { !$0.header.flags.contains(.rst) })
    let start = guest.acknowledged
    for _ in 0..<6 where isLeft(guest) {
      guest.acknowledged = start &+ UInt32(bytes(segments, from: start).count)
      segments += guest.exchange(guest.segment(.ack))
    }
    #expect(bytes(segments, from: start) == answer)
    #expect(segments.last?.header.flags == [.rst, .ack])
    #expect(!isLeft(guest))
  }

  @Test(arguments: [false, true])
  func `a guest that never takes the last bytes gets its reset all the same`(isThere: Bool) throws {
    let guest = ScriptedGuest(Simulation(seed: 24))
    try #require(guest.open(scale: nil, window: 2000))
    let socket = try #require(guest.socket)
    socket.incoming = pattern(5000, seed: 24)
    socket.error = ECONNRESET
    guest.poll()
    guest.poll()
    if isThere {
      guest.acknowledged &+= UInt32(bytes(guest.answers(), from: guest.acknowledged).count)
      guest.exchange(guest.segment(.ack, window: 0))
    }
    guest.simulation.stepEvery = 1_000_000_000
    guest.simulation.wait(300_000_000_000)
    #expect(!isLeft(guest))
    #expect(guest.simulation.stack.chunks.used == 0)
  }

  @Test func `a reset of the host's side in the handshake follows it, with the data between`()
    throws
  {
    let simulation = Simulation(seed: 25)
    let guest = ScriptedGuest(simulation)
    simulation.deliver([guest.segment(.syn, acknowledgement: 0)])
    let socket = try #require(simulation.socket)
    socket.incoming = [1, 2, 3]
    socket.error = ECONNRESET
    for _ in 0..<3 { guest.poll() }
    let answers = guest.answers()
    #expect(answers.map(\.header.flags) == [[.syn, .ack]])
    guest.next &+= 1
    guest.acknowledged = try #require(answers.first).header.sequence &+ 1
    var segments = guest.exchange(guest.segment(.ack))
    segments += guest.answers()
    #expect(bytes(segments, from: guest.acknowledged) == [1, 2, 3])
    #expect(segments.last?.header.flags == [.rst, .ack])
  }

  @Test func `a client's bytes before its reset reach the guest of a forward`() throws {
    let simulation = Simulation(seed: 26)
    let (fd, socket) = simulation.kernel.makeConnected()
    socket.incoming = Array("last words".utf8)
    socket.error = ECONNRESET
    var guest = GuestTCP(
      local: Endpoint(Simulation.guestAddress, port: 22),
      remote: Endpoint(Simulation.gateway, port: 50000), iss: 99)
    guest.state = .listening
    simulation.guests = [guest]
    simulation.send(
      Frames.ipv4(
        proto: 255, transport: [0], source: Simulation.guestAddress,
        destination: Simulation.gateway))
    simulation.wait(1_000_000)
    #expect(
      simulation.stack.tcp.openTowardGuest(
        socket: fd, link: 1, guest: guest.local, source: guest.remote, owner: 0))
    simulation.stack.endOfIteration()
    #expect(simulation.run(until: { $0.guests[0].state == .reset }))
    #expect(simulation.guests[0].received == Array("last words".utf8))
  }
}
