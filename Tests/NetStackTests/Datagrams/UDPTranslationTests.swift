// SPDX-License-Identifier: Apache-2.0
//
// UDP translation with a scripted kernel: the requirements of RFC 4787.

import LibC
import Testing
import Wire

@testable import NetStack

@Suite(.timeLimit(.minutes(5))) struct UDPTranslationTests {
  let server = DatagramWorld.server
  let other = Endpoint(IPAddress(10, 9, 9, 9), port: 4444)

  @Test func `a mapping is independent of the remote endpoint`() throws {
    let world = try DatagramWorld()
    world.send(
      world.udp(from: 4000, to: server, [1]), world.udp(from: 4000, to: other, [2]),
      world.udp(from: 4001, to: server, [3]))
    #expect(world.kernel.open.count == 2)
    #expect(world.kernel.sent.count == 3)
    let fds = Set(world.kernel.sent.filter { $0.payload != [3] }.map(\.fd))
    #expect(fds.count == 1)
  }

  @Test func `only addresses that were spoken to may answer`() throws {
    let world = try DatagramWorld()
    world.send(world.udp(from: 4000, to: server, [1]))
    let fd = try #require(world.kernel.open.first)
    world.kernel.sockets[fd]?.incoming = [
      .init(source: other, payload: [9]),
      .init(source: server, payload: [2]),
      .init(source: Endpoint(server.address, port: 1), payload: [3]),
      .init(source: other, payload: [9]),
    ]
    world.poll()
    #expect(
      world.datagrams() == [
        .init(source: server, port: 4000, payload: [2]),
        .init(source: Endpoint(server.address, port: 1), port: 4000, payload: [3]),
      ])
    #expect(world.stack.udp.counters.filtered == 2)
  }

  @Test func `an idle mapping ends after five minutes, a used one does not`() throws {
    let world = try DatagramWorld()
    world.send(world.udp(from: 4000, to: server, [1]), world.udp(from: 4001, to: server, [1]))
    world.wait(seconds: 200)
    world.send(world.udp(from: 4001, to: server, [1]))
    world.wait(seconds: 101)
    #expect(world.kernel.open.count == 1)
    let fd = try #require(world.kernel.open.first)
    // What comes in keeps it, too.
    world.kernel.sockets[fd]?.incoming = [.init(source: server, payload: [2])]
    world.poll()
    world.wait(seconds: 290)
    #expect(world.kernel.open.count == 1)
    world.wait(seconds: 20)
    #expect(world.kernel.open.isEmpty && world.host.watches.isEmpty)
    #expect(world.stack.udp.flowCount == 0)
  }

  @Test func `a DNS client's mapping ends soon after its answer`() throws {
    let world = try DatagramWorld()
    let dns = Endpoint(IPAddress(10, 0, 0, 53), port: 53)
    world.send(world.udp(from: 4000, to: dns, [1]))
    world.wait(seconds: 60)
    let fd = try #require(world.kernel.open.first)
    world.kernel.sockets[fd]?.incoming = [.init(source: dns, payload: [2])]
    world.poll()
    // Another question: not over yet.
    world.send(world.udp(from: 4000, to: dns, [1]))
    world.wait(seconds: 20)
    #expect(world.kernel.open.count == 1)
    world.kernel.sockets[fd]?.incoming = [.init(source: dns, payload: [2])]
    world.poll()
    world.wait(seconds: 12)
    #expect(world.kernel.open.isEmpty)
  }

  @Test func `datagrams of interleaved flows leave with one call a socket`() throws {
    let world = try DatagramWorld()
    let batch = (0..<60).map { world.udp(from: 4000 + UInt16($0 % 3), to: server, [UInt8($0)]) }
    world.send(batch: batch)
    #expect(world.kernel.batches.count == 3)
    for port in 0..<3 {
      let fd = world.kernel.open[port]
      #expect(
        world.kernel.sent.filter { $0.fd == fd }.map(\.payload)
          == (0..<60).filter { $0 % 3 == port }.map { [UInt8($0)] })
    }
  }

  @Test func `equal datagrams in a row are one message, unlike ones are not joined`() throws {
    let world = try DatagramWorld()
    let sizes = [100, 100, 100, 50, 100, 0, 100, 200]
    world.send(
      batch: sizes.map { world.udp(from: 4000, to: server, [UInt8](repeating: 7, count: $0)) })
    #expect(world.kernel.sent.map(\.payload.count) == sizes)
    // 100 100 100 50 | 100 | 0 | 100 | 200
    #expect(world.kernel.batches == [5])
  }

  @Test func `where the path refuses trains, datagrams go one by one and none is lost`() throws {
    let world = try DatagramWorld()
    world.kernel.refusesSegmentation = true
    for _ in 0..<2 {
      world.send(batch: (0..<10).map { world.udp(from: 4000, to: server, [UInt8($0)]) })
    }
    #expect(world.kernel.sent.map(\.payload) == (0..<20).map { [UInt8($0 % 10)] })
  }

  @Test func `a train from the host is cut for the guest`() throws {
    let world = try DatagramWorld()
    world.send(world.udp(from: 4000, to: server, [1]))
    let fd = try #require(world.kernel.open.first)
    let bytes = (0..<2500).map { UInt8(truncatingIfNeeded: $0) }
    world.kernel.sockets[fd]?.incoming = [.init(source: server, payload: bytes, segment: 1000)]
    world.poll()
    let got = world.datagrams()
    #expect(got.map(\.payload.count) == [1000, 1000, 500])
    #expect(got.flatMap(\.payload) == bytes)
  }

  @Test func `datagrams that are alike go to the guest as one super-frame`() throws {
    let world = try DatagramWorld(offloads: [.checksum, .udp])
    world.send(world.udp(from: 4000, to: server, [1]), world.udp(from: 4000, to: other, [1]))
    let fd = try #require(world.kernel.open.first)
    // 100 100 60 | 100 100 | another's | 100 | with a traffic class | 20 20, which are too small
    let shapes: [(source: Endpoint, count: Int, trafficClass: UInt8)] = [
      (server, 100, 0), (server, 100, 0), (server, 60, 0), (server, 100, 0), (server, 100, 0),
      (other, 100, 0), (server, 100, 0), (server, 100, 4), (server, 20, 0), (server, 20, 0),
      (server, 0, 0), (server, 1472, 0), (server, 1472, 0), (server, 1473, 0), (server, 1473, 0),
    ]
    let payloads = shapes.enumerated().map { [UInt8](repeating: UInt8($0), count: $1.count) }
    world.kernel.sockets[fd]?.incoming = zip(shapes, payloads).map {
      .init(source: $0.source, payload: $1, trafficClass: $0.trafficClass)
    }
    world.host.rawFrames = 0
    world.poll()
    // The two that are too long for the link come as two fragments each.
    let whole = world.host.frames.filter { frame in
      frame.withByteView { view in
        EthernetPacket(checking: view).flatMap { IPv4Packet(checking: $0.payload) }?.isFragment
          == false
      }
    }
    #expect(world.host.rawFrames == 9 + 4)
    world.host.frames = whole
    let got = world.datagrams()
    #expect(got.map(\.payload) == Array(payloads.dropLast(2)))
    #expect(got.map(\.source) == shapes.dropLast(2).map(\.source))
  }

  @Test func `super-frames of the host's and single datagrams keep their order`() throws {
    let world = try DatagramWorld(offloads: [.checksum, .udp])
    world.send(world.udp(from: 4000, to: server, [1]))
    let fd = try #require(world.kernel.open.first)
    let bytes = (0..<250).map { UInt8($0) }
    world.kernel.sockets[fd]?.incoming = [
      .init(source: server, payload: bytes, segment: 100),
      .init(source: server, payload: Array(bytes.prefix(100))),
      .init(source: server, payload: bytes, segment: 100),
    ]
    world.poll()
    #expect(world.datagrams().map(\.payload.count) == [100, 100, 50, 100, 100, 100, 50])
  }

  @Test func `a super-frame of the guest is so many datagrams`() throws {
    let world = try DatagramWorld()
    let bytes = (0..<2500).map { UInt8(truncatingIfNeeded: $0) }
    world.send(train: world.udp(from: 4000, to: server, bytes), segment: 1000)
    #expect(world.kernel.sent.map(\.payload.count) == [1000, 1000, 500])
    #expect(world.kernel.sent.flatMap(\.payload) == bytes)
    #expect(world.kernel.batches == [1])
    // One that no kernel would make.
    world.send(train: world.udp(from: 4000, to: server, bytes), segment: 1)
    #expect(world.kernel.sent.count == 3)
  }

  @Test func `the guest's hop limit goes on, one less`() throws {
    let world = try DatagramWorld()
    world.send(
      world.udp(from: 4000, to: server, [1], ttl: 64),
      world.udp(from: 4000, to: server, [2], ttl: 5),
      world.udp(from: 4000, to: server, [3], ttl: 64))
    let fd = try #require(world.kernel.open.first)
    #expect(
      world.kernel.sockets[fd]?.options[
        "\(SocketConstant.levelIP)/\(SocketConstant.timeToLive)"] == 63)
    #expect(world.kernel.sent.map(\.hopLimit) == [0, 4, 0])
  }

  @Test func `a router's time exceeded reaches the guest in the router's name`() throws {
    let world = try DatagramWorld()
    world.send(world.udp(from: 4000, to: server, [1, 2, 3], ttl: 3))
    let fd = try #require(world.kernel.open.first)
    world.kernel.sockets[fd]?.errors = [
      .init(
        destination: server, payload: [1, 2, 3], errno: EHOSTUNREACH,
        type: ICMPv4Type.timeExceeded, offender: IPAddress(10, 0, 0, 1))
    ]
    world.poll()
    let message = try #require(world.messages().first)
    #expect(message.source == IPAddress(10, 0, 0, 1))
    #expect(message.header.type == ICMPv4Type.timeExceeded)
    try message.payload.withByteView { bytes in
      let ip = try #require(IPv4Packet(checking: bytes))
      #expect(ip.source == DatagramWorld.guest && ip.destination == server.address)
      let udp = try #require(UDPPacket(checking: ip.payload))
      #expect(udp.sourcePort == 4000 && udp.destinationPort == server.port)
      #expect(udp.payload.bytes == [1, 2, 3])
    }
  }

  @Test func `fragmentation needed carries the MTU`() throws {
    let world = try DatagramWorld()
    world.send(world.udp(from: 4000, to: server, [UInt8](repeating: 0, count: 1400)))
    let fd = try #require(world.kernel.open.first)
    world.kernel.sockets[fd]?.errors = [
      .init(
        destination: server, payload: [UInt8](repeating: 0, count: 520), errno: EMSGSIZE,
        type: 3, code: ICMPv4Unreachable.fragmentationNeeded, info: 1280,
        offender: IPAddress(10, 0, 0, 1))
    ]
    world.poll()
    let message = try #require(world.messages().first)
    #expect(message.header.code == ICMPv4Unreachable.fragmentationNeeded)
    #expect(message.header.rest == 1280)
  }

  @Test func `an error about somebody else's datagram is not passed on`() throws {
    let world = try DatagramWorld()
    world.send(world.udp(from: 4000, to: server, [1]))
    let fd = try #require(world.kernel.open.first)
    world.kernel.sockets[fd]?.errors = [
      .init(destination: other, payload: [1], errno: ECONNREFUSED, type: 3, code: 3)
    ]
    world.poll()
    #expect(world.messages().isEmpty)
  }

  @Test(arguments: [
    (ENETUNREACH, ICMPv4Unreachable.network), (EHOSTUNREACH, ICMPv4Unreachable.host),
    (ECONNREFUSED, ICMPv4Unreachable.port), (EPERM, ICMPv4Unreachable.prohibited),
  ])
  func `what the host refuses at once is an ICMP error`(code: Int32, reason: UInt8) throws {
    let world = try DatagramWorld()
    // Twice: the first may be an earlier datagram's.
    world.kernel.sendErrors = [code, code]
    world.send(world.udp(from: 4000, to: server, [1]), world.udp(from: 4000, to: other, [2]))
    let messages = world.messages()
    #expect(messages.map(\.header.code) == [reason])
    #expect(messages.first?.source == DatagramWorld.gateway)
    #expect(world.kernel.sent.map(\.payload) == [[2]])
  }

  @Test func `a full socket drops and says nothing`() throws {
    let world = try DatagramWorld()
    world.kernel.sendErrors = [EAGAIN]
    world.send(world.udp(from: 4000, to: server, [1]))
    world.send(world.udp(from: 4000, to: server, [2]))
    #expect(world.kernel.sent.map(\.payload) == [[2]])
    #expect(world.messages().isEmpty)
  }

  @Test func `when the process is out of fds the oldest flow makes room`() throws {
    let world = try DatagramWorld()
    world.kernel.maximumOpen = 3
    for port in 0..<UInt16(6) {
      world.send(world.udp(from: 4000 + port, to: server, [UInt8(port)]))
    }
    #expect(world.kernel.sent.map(\.payload) == (0..<6).map { [UInt8($0)] })
    #expect(world.kernel.open.count == 3 && world.host.watches.count == 3)
    #expect(world.stack.udp.counters.evicted == 3)
  }

  @Test func `a flow forgets the remote that was silent longest`() throws {
    let world = try DatagramWorld { $0.udp.maximumPeersPerFlow = 4 }
    func remote(_ index: Int) -> Endpoint { Endpoint(IPAddress(10, 2, 0, UInt8(index)), port: 9) }
    for index in 1...4 { world.send(world.udp(from: 4000, to: remote(index), [1])) }
    world.send(world.udp(from: 4000, to: remote(1), [1]))
    world.send(world.udp(from: 4000, to: remote(5), [1]))
    let fd = try #require(world.kernel.open.first)
    world.kernel.sockets[fd]?.incoming = (1...5).map {
      .init(source: remote($0), payload: [UInt8($0)])
    }
    world.poll()
    #expect(world.datagrams().map(\.payload) == [[1], [3], [4], [5]])
  }

  @Test func `ten thousand flows come and go and leave nothing`() throws {
    let world = try DatagramWorld { $0.udp.maximumFlows = 128 }
    for index in 0..<10_000 {
      let remote = Endpoint(IPAddress(10, 3, UInt8(index >> 8), UInt8(index & 0xff)), port: 9)
      world.send(world.udp(from: UInt16(1024 + index % 3000), to: remote, [1]))
    }
    #expect(world.kernel.sent.count == 10_000)
    #expect(world.stack.udp.flowCount == 128)
    world.wait(seconds: 400)
    #expect(world.stack.udp.flowCount == 0)
    #expect(world.kernel.open.isEmpty && world.host.watches.isEmpty)
    #expect(world.stack.core.timers.count == 0)
  }
}
