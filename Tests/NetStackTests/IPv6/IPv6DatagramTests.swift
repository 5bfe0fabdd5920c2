// SPDX-License-Identifier: Apache-2.0

import LibC
import Testing
import Wire

@testable import NetStack

/// UDP and echo over IPv6 with scripted sockets.
@Suite(.timeLimit(.minutes(1)))
struct IPv6DatagramTests {
  private typealias World = DatagramWorld
  let server = World.server6

  @Test
  func `a datagram leaves by a socket of IPv6, as the guest sent it, and its answer comes back`()
    throws
  {
    let world = try DatagramWorld()
    world.send(world.udp6(from: 4000, to: server, [1, 2], hopLimit: 9, trafficClass: 0xb8))
    let fd = try #require(world.kernel.open.first)
    let socket = try #require(world.kernel.sockets[fd])
    #expect(socket.family == AF_INET6)
    #expect(socket.options["\(SocketConstant.levelIPv6)/\(IPV6_V6ONLY)"] == 1)
    #expect(socket.options["\(SocketConstant.levelIPv6)/\(SocketConstant.unicastHopsV6)"] == 8)
    #expect(socket.options["\(SocketConstant.levelIPv6)/\(SocketConstant.trafficClassV6)"] == 0xb8)
    #expect(world.kernel.sent.map(\.destination) == [server])
    world.kernel.sockets[fd]?.incoming = [
      .init(source: server, payload: [3], trafficClass: 0x20),
      .init(source: Endpoint(World.gateway6, port: 9), payload: [4]),
    ]
    world.poll()
    let packets = world.host.frames
    #expect(world.datagrams6() == [.init(source: server, port: 4000, payload: [3])])
    #expect(packets.count == 1)
    #expect(world.stack.udp.counters.filtered == 1)
  }

  @Test func `two datagrams of one endpoint have a hop limit and a traffic class each`() throws {
    let world = try DatagramWorld()
    world.send(
      world.udp6(from: 4000, to: server, [1], hopLimit: 9),
      world.udp6(from: 4000, to: server, [2], hopLimit: 5, trafficClass: 3))
    #expect(world.kernel.sent.map(\.hopLimit) == [0, 4])
    #expect(world.kernel.sent.map(\.trafficClass) == [nil, 3])
  }

  @Test func `a datagram without a checksum is refused, whatever vouches for it (RFC 8200 §8.1)`()
    throws
  {
    let world = try DatagramWorld()
    var frame = world.udp6(from: 4000, to: server, [1])
    frame[54 + 6] = 0
    frame[54 + 7] = 0
    world.send(frame)
    frame.withUnsafeBufferPointer { bytes in
      var item = Frame(
        data: bytes.baseAddress, length: UInt32(bytes.count), flags: .checksumValid)
      world.stack.rx(World.port, &item, 1)
    }
    #expect(world.kernel.sent.isEmpty)
    #expect(world.stack.links.pointer(1).pointee.counters.malformed == 2)
  }

  @Test(arguments: [
    (ENETUNREACH, ICMPv6Unreachable.noRoute), (EADDRNOTAVAIL, ICMPv6Unreachable.noRoute),
    (EHOSTUNREACH, ICMPv6Unreachable.address), (ECONNREFUSED, ICMPv6Unreachable.port),
    (EPERM, ICMPv6Unreachable.prohibited),
  ])
  func `what the host refuses is an error at once (RFC 4443 §3.1)`(code: Int32, reason: UInt8)
    throws
  {
    let world = try DatagramWorld()
    world.kernel.sendErrors = [code, code]
    world.send(world.udp6(from: 4000, to: server, [1]))
    let message = try #require(world.messages6().first)
    #expect(message.header == ICMPHeader(type: 1, code: reason))
    #expect(message.source == World.gateway6)
    // The guest's own packet, which its kernel finds the socket by.
    try message.payload.withByteView { bytes in
      let ip = try #require(IPv6Packet(checking: bytes))
      #expect(ip.source == World.guest6 && ip.destination == server.address)
      #expect(UDPPacket(checking: ip.payload)?.sourcePort == 4000)
    }
  }

  @Test func `a host without IPv6 has no route, for UDP and for echo`() throws {
    let world = try DatagramWorld()
    world.kernel.lacksIPv6 = true
    world.send(
      world.udp6(from: 4000, to: server, [1]), world.echo6(1, 1, to: server.address))
    #expect(
      world.messages6().map(\.header)
        == [ICMPHeader(type: 1, code: 0), ICMPHeader(type: 1, code: 0)])
    #expect(world.host.log.isEmpty)
  }

  struct Told: CustomTestStringConvertible, Sendable {
    var rule: String
    var type: UInt8
    var code: UInt8
    var info: UInt32 = 0
    var expected: ICMPHeader?
    var testDescription: String { rule }
  }

  static let told: [Told] = [
    Told(rule: "RFC 4443 §3.1: no route", type: 1, code: 0, expected: ICMPHeader(type: 1, code: 0)),
    Told(rule: "§3.1: prohibited", type: 1, code: 1, expected: ICMPHeader(type: 1, code: 1)),
    Told(rule: "§3.1: port", type: 1, code: 4, expected: ICMPHeader(type: 1, code: 4)),
    Told(rule: "§3.1: policy", type: 1, code: 5, expected: ICMPHeader(type: 1, code: 5)),
    Told(
      rule: "§3.2: too big", type: 2, code: 0, info: 1400,
      expected: ICMPHeader(type: 2, rest: 1400)),
    Told(
      rule: "RFC 8200 §5: no link is narrower than 1,280", type: 2, code: 0, info: 600,
      expected: ICMPHeader(type: 2, rest: 1280)),
    Told(rule: "§3.3: hop limit", type: 3, code: 0, expected: ICMPHeader(type: 3)),
    Told(
      rule: "§3.4: parameter problem", type: 4, code: 1, info: 40,
      expected: ICMPHeader(type: 4, code: 1, rest: 40)),
    Told(rule: "§2.1: not an error", type: 129, code: 0, expected: nil),
  ]

  @Test(arguments: told)
  func `what the network says reaches the guest in its router's name`(_ told: Told) throws {
    let world = try DatagramWorld()
    world.send(world.udp6(from: 4000, to: server, [1]))
    let fd = try #require(world.kernel.open.first)
    let router = IPAddress(high: 0x2001_0db8 << 32, low: 0xff)
    world.kernel.sockets[fd]?.errors = [
      .init(
        destination: server, payload: [1], errno: EHOSTUNREACH, origin: 3, type: told.type,
        code: told.code, info: told.info, offender: router)
    ]
    world.poll()
    let messages = world.messages6()
    #expect(messages.map(\.header) == (told.expected.map { [$0] } ?? []))
    #expect(messages.allSatisfy { $0.source == router })
  }

  @Test func `the path's MTU comes from the host's kernel (RFC 8201 §4)`() throws {
    let world = try DatagramWorld(mtu: 9000)
    world.kernel.localMTU = 1400
    world.kernel.sendErrors = [EMSGSIZE, EMSGSIZE]
    world.send(world.udp6(from: 4000, to: server, [UInt8](repeating: 1, count: 3000)))
    #expect(world.messages6().map(\.header) == [ICMPHeader(type: 2, rest: 1400)])
    // What the guest has cut itself may be cut again.
    #expect(world.kernel.sent.isEmpty)
    world.send(world.udp6(from: 4000, to: server, [1]))
    #expect(world.kernel.discoveries.last == 2)
  }

  @Test func `a hop limit of one ends here (RFC 8200 §3)`() throws {
    let world = try DatagramWorld()
    world.send(
      world.udp6(from: 4000, to: server, [1], hopLimit: 1),
      world.echo6(1, 1, to: server.address, hopLimit: 1))
    #expect(world.messages6().map(\.header) == [ICMPHeader(type: 3), ICMPHeader(type: 3)])
    #expect(world.kernel.sent.isEmpty)
  }

  @Test(arguments: [true, false])
  func `so does TCP's, but for what is the gateway's own (RFC 8200 §3, RFC 1812 §5.3.1)`(isV4: Bool)
    throws
  {
    let world = try DatagramWorld()
    let source = isV4 ? World.guest : World.guest6
    func segment(_ flags: TCPFlags, to remote: IPAddress) -> [UInt8] {
      let bytes = [UInt8](capacity: 20) { out in
        ByteView.empty.bytes.withByteView {
          TCPHeader(
            sourcePort: 4000, destinationPort: 80, sequence: 7, acknowledgement: 1, flags: flags,
            window: 1000
          ).emit(into: out, payload: $0, source: source, destination: remote)
        }
      }
      return isV4
        ? world.ip(6, bytes, to: remote, ttl: 1)
        : World.ipv6(6, bytes, to: remote, hopLimit: 1)
    }
    let outside = isV4 ? IPAddress(93, 184, 216, 34) : server.address
    world.send(segment(.syn, to: outside), segment(.ack, to: outside))
    let types = isV4 ? world.messages().map(\.header.type) : world.messages6().map(\.header.type)
    #expect(types == (isV4 ? [11, 11] : [3, 3]))
    #expect(world.kernel.open.isEmpty)
    // Delivered, which nobody is connected to.
    world.send(segment(.ack, to: isV4 ? World.gateway : World.gateway6))
    #expect(isV4 ? world.messages().isEmpty : world.messages6().isEmpty)
    #expect(world.stack.tcp.counters.segmentsIn == 3)
  }

  // MARK: Echo

  private func reply(_ request: [UInt8], id: UInt16) -> [UInt8] {
    var bytes = request
    bytes[0] = ICMPv6Type.echoReply
    bytes[4] = UInt8(id >> 8)
    bytes[5] = UInt8(id & 0xff)
    return bytes
  }

  @Test
  func `an echo goes through a ping socket of IPv6 and comes back under the guest's identifier`()
    throws
  {
    let world = try DatagramWorld()
    world.send(world.echo6(77, 1, to: server.address), world.echo6(77, 2, to: server.address))
    #expect(world.kernel.open.count == 1)
    let fd = try #require(world.kernel.open.first)
    #expect(world.kernel.sockets[fd]?.family == AF_INET6)
    #expect(world.kernel.sockets[fd]?.proto == 58)
    world.kernel.sockets[fd]?.incoming = world.kernel.sent.map {
      .init(
        source: Endpoint(server.address, port: 0), payload: reply($0.payload, id: 999), hopLimit: 60
      )
    }
    world.poll()
    let messages = world.messages6()
    #expect(
      messages.map(\.header)
        == [1, 2].map {
          ICMPHeader(type: ICMPv6Type.echoReply, identifier: 77, sequence: $0)
        })
    #expect(messages.allSatisfy { $0.source == server.address && $0.payload == [1, 2, 3, 4] })
    #expect(messages.allSatisfy { $0.ttl == 59 })
  }

  @Test func `a router's time exceeded has the guest's own request in it`() throws {
    let world = try DatagramWorld()
    world.send(world.echo6(77, 5, to: server.address, hopLimit: 2))
    let fd = try #require(world.kernel.open.first)
    let router = IPAddress(high: 0x2001_0db8 << 32, low: 0xff)
    world.kernel.sockets[fd]?.errors = [
      .init(
        destination: Endpoint(server.address, port: 0),
        payload: reply(try #require(world.kernel.sent.first).payload, id: 9), errno: EHOSTUNREACH,
        origin: 3, type: 3, offender: router)
    ]
    world.poll()
    let message = try #require(world.messages6().first)
    #expect(message.source == router && message.header.type == 3)
    try message.payload.withByteView { bytes in
      let ip = try #require(IPv6Packet(checking: bytes))
      let request = try #require(ICMPv6Packet(checking: ip.payload))
      #expect(request.type == ICMPv6Type.echoRequest && request.echoIdentifier == 77)
      #expect(request.echoSequence == 5)
      #expect(request.isChecksumValid(source: ip.source, destination: ip.destination))
    }
  }

  // MARK: The host's loopback

  private let local6 = Endpoint(.loopbackV6, port: 53_000)
  private let local4 = Endpoint(.loopbackV4, port: 53_000)

  private func refusal(_ destination: Endpoint, _ payload: [UInt8]) -> DatagramKernel.Failure {
    destination.address.isV4
      ? .init(
        destination: destination, payload: payload, errno: ECONNREFUSED, origin: 2, type: 3,
        code: 3, offender: .loopbackV4)
      : .init(
        destination: destination, payload: payload, errno: ECONNREFUSED, origin: 3, type: 1,
        code: 4, offender: .loopbackV6)
  }

  @Test(arguments: [true, false])
  func `a service on the other family's loopback is found, and answers as the gateway`(isV4: Bool)
    throws
  {
    let world = try DatagramWorld()
    let gateway = Endpoint(isV4 ? World.gateway : World.gateway6, port: 53_000)
    let (first, second) = isV4 ? (local4, local6) : (local6, local4)
    func ask(_ payload: [UInt8]) {
      world.send(
        isV4
          ? world.udp(from: 4000, to: gateway, payload)
          : world.udp6(from: 4000, to: gateway, payload))
    }
    func answers() -> [World.Datagram] { isV4 ? world.datagrams() : world.datagrams6() }
    ask([1])
    #expect(world.kernel.sent.map(\.destination) == [first])
    let fd = try #require(world.kernel.open.first)
    world.kernel.sockets[fd]?.errors = [refusal(first, [1])]
    world.poll()
    // The refused datagram is sent again, by a socket of the other family.
    #expect(world.kernel.sent.map(\.destination) == [first, second])
    #expect(world.kernel.sent.last?.payload == [1])
    let other = try #require(world.kernel.open.last)
    #expect(world.kernel.sockets[other]?.family == (isV4 ? AF_INET6 : AF_INET))
    world.kernel.sockets[other]?.incoming = [.init(source: second, payload: [2])]
    world.poll()
    #expect(answers() == [.init(source: gateway, port: 4000, payload: [2])])
    ask([3])
    #expect(world.kernel.sent.map(\.destination) == [first, second, second])
    // Refused there, too: the guest gets the error, and the next datagram starts over.
    world.kernel.sockets[other]?.errors = [refusal(second, [3])]
    world.poll()
    let messages = isV4 ? world.messages() : world.messages6()
    #expect(
      messages.map(\.header)
        == [isV4 ? ICMPHeader(type: 3, code: 3) : ICMPHeader(type: 1, code: 4)])
    ask([4])
    #expect(world.kernel.sent.last?.destination == first)
  }

  @Test func `a host without IPv6 has its services on the other loopback`() throws {
    let world = try DatagramWorld()
    world.kernel.lacksIPv6 = true
    world.send(world.udp6(from: 4000, to: Endpoint(World.gateway6, port: 53_000), [1]))
    #expect(world.kernel.sent.map(\.destination) == [local4])
    #expect(world.host.frames.isEmpty)
  }

  // MARK: DNS and forwards

  @Test func `the network's DNS answers over IPv6`() throws {
    let world = try DatagramWorld()
    world.stack.dns.resolver = world.host
    let dns = Endpoint(Simulation.dns6, port: 53)
    let question = [UInt8](repeating: 9, count: 12)
    world.send(world.udp6(from: 4000, to: dns, question))
    let asked = try #require(world.host.questions.first)
    #expect(asked.message == question)
    [UInt8](repeating: 8, count: 3000).withByteView { world.stack.onAnswer(asked.op, $0) }
    // Longer than the link: in fragments.
    #expect(world.packets6().map(\.header.nextHeader) == [44, 44, 44])
  }

  @Test func `a client of a UDP forward reaches a guest's IPv6 address, once it is found`() throws {
    let world = try DatagramWorld()
    let listening = Endpoint(.loopbackV6, port: 5353)
    try world.stack.forwards.expose(
      ForwardRule(kind: .udp(listening), guest: Endpoint(World.guest6, port: 53)))
    let fd = try #require(world.kernel.open.first)
    world.kernel.sockets[fd]?.incoming = [
      .init(source: Endpoint(.loopbackV6, port: 999), payload: [5], local: .loopbackV6)
    ]
    world.poll()
    // A neighbour solicitation (RFC 4861 §4.3).
    let asked = try #require(world.packets6().first)
    #expect(asked.header.destination == World.guest6.solicitedNode && asked.header.hopLimit == 255)
    #expect(asked.payload[0] == ICMPv6Type.neighborSolicitation)
    #expect(Array(asked.payload[8..<24]) == World.bytes(World.guest6))
    #expect(Array(asked.payload[24...]) == [1, 1, 0x5a, 0x94, 0xef, 0xe4, 0x0c, 0xdd])
    world.send(world.echo6(1, 1, to: World.gateway6))
    let got = try #require(world.datagrams6().first)
    #expect(got.source == Endpoint(World.gateway6, port: 999) && got.port == 53)
    world.send(world.udp6(from: 53, to: got.source, [6]))
    let answer = try #require(world.kernel.sent.last)
    #expect(answer.payload == [6] && answer.destination == Endpoint(.loopbackV6, port: 999))
    #expect(answer.source == .loopbackV6)
  }
}

extension DatagramWorld {
  static func bytes(_ address: IPAddress) -> [UInt8] {
    [UInt8](capacity: 16) { out in
      out.storeV6(address, at: 0)
      return 16
    }
  }
}
