// SPDX-License-Identifier: Apache-2.0
//
// A whole stack: frames of guests, what the kernel says about sockets, forwards, answers
// of the DNS and time, in any order. At the end every socket is closed, every watch gone
// and every buffer back.

import LibC
import NetStack
import Wire

extension FuzzTarget {
  /// A list of steps (see `Scene.step`).
  static let frames = FuzzTarget(
    "frames",
    seeds: [
      frame(SeedPackets.arp), frame(SeedPackets.echo), frame(SeedPackets.udp(payload: [1])),
      frame(SeedPackets.udp(to: SeedPackets.dns, 53, payload: SeedPackets.question)) + [7, 0, 20]
        + SeedPackets.question,
      frame(SeedPackets.udp(from: 68, to: .broadcastV4, 67, payload: SeedPackets.dhcp(1))),
      frame(SeedPackets.echo(to: SeedPackets.server)) + [3, 0, 2],
      frame(SeedPackets.echo(to: SeedPackets.server, ttl: 1)),
      // A connection that opens, sends, is sent to, and ends.
      frame(SeedPackets.syn) + [3, 0, 2] + segment(0x10, []) + segment(0x18, [1, 2, 3])
        + [4, 0, 1, 0, 3, 7, 8, 9] + [3, 0, 1] + segment(0x11, []) + [2, 200],
      frame(SeedPackets.syn) + [4, 0, 4, 111] + [3, 0, 6],
      frame(SeedPackets.syn) + [3, 0, 2] + segment(0x10, []) + segment(0x04, []),
      // Fragments; an error queue; a forward; a link that is full, and one that goes.
      frame(
        SeedPackets.ipv4(IPProtocol.udp, [UInt8](repeating: 1, count: 16), more: true))
        + frame(SeedPackets.ipv4(IPProtocol.udp, [1, 2, 3], offset: 16)) + [2, 255],
      frame(SeedPackets.udp(payload: [1, 2])) + [4, 0, 3, 0, 48]
        + [48, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11, 0, 0, 0]
        + [111, 0, 0, 0, 2, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        + [2, 0, 0, 0, 10, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0] + [3, 0, 4],
      [6, 0] + frame(SeedPackets.arp) + [4, 0, 1, 0, 1, 5, 3, 0, 1] + segment(0x12, []),
      [6, 1] + frame(SeedPackets.arp) + [4, 0, 1, 0, 1, 5, 3, 0, 1],
      // The same over IPv6, and extension headers in front of it.
      frame(SeedPackets.echo6), frame(SeedPackets.syn6) + [3, 0, 2],
      frame(SeedPackets.syn6) + [4, 0, 4, 111],
      frame(SeedPackets.udp6(payload: [1, 2])) + [3, 0, 1],
      frame(SeedPackets.udp6(to: SeedPackets.gateway6, 9, payload: [1])) + [3, 0, 4],
      frame(SeedPackets.udp6(to: SeedPackets.dns6, 53, payload: SeedPackets.question)) + [7, 0, 20]
        + SeedPackets.question,
      frame(
        SeedPackets.ipv6(
          60, [17, 0, 1, 4, 0, 0, 0, 0] + [UInt8](repeating: 9, count: 12), to: SeedPackets.server6)
      ),
      frame(SeedPackets.ipv6(200, [1, 2, 3], to: SeedPackets.gateway6)),
      frame(
        SeedPackets.ipv6(
          44, [17, 0, 0, 1, 0, 0, 0, 9] + [UInt8](repeating: 1, count: 16), to: SeedPackets.server6)
      )
        + frame(SeedPackets.ipv6(44, [17, 0, 0, 16, 0, 0, 0, 9, 1, 2], to: SeedPackets.server6)) + [
          2, 255,
        ],
      frame(SeedPackets.neighborSolicitation),
      [5, 0] + frame(SeedPackets.syn) + [3, 0, 2, 5, 255], frame(SeedPackets.syn) + [8, 0],
    ]
  ) { bytes in
    var input = FuzzInput(bytes)
    guard let scene = Scene() else { return }
    while !input.isAtEnd { scene.step(&input) }
    scene.finish()
  }

  static func frame(_ bytes: [UInt8]) -> [UInt8] {
    [0, 0, UInt8(bytes.count >> 8), UInt8(bytes.count & 255)] + bytes
  }

  /// A segment of the connection that SeedPackets.syn began.
  static func segment(_ flags: UInt8, _ payload: [UInt8]) -> [UInt8] {
    [1, flags, 0, 1, 0, 0, UInt8(payload.count)] + payload
  }
}

/// A stack with two links over a FuzzKernel.
private final class Scene {
  let kernel = FuzzKernel()
  let stack: Stack

  init?() {
    guard let subnet = CIDR(SeedPackets.gateway, prefixLength: 24) else { return nil }
    var config = StackConfig(
      subnet: subnet, gateway: SeedPackets.gateway, dns: SeedPackets.dns)
    guard let prefix = CIDR(SeedPackets.gateway6, prefixLength: 64) else { return nil }
    config.ipv6 = IPv6Config(
      prefix: prefix, gateway: SeedPackets.gateway6, dns: SeedPackets.dns6,
      gatewayMAC: SeedPackets.gatewayMAC)
    config.ipv6?.nat64 = .wellKnown
    config.maximumFlows = 8
    config.bufferLimit = 1 << 20
    config.udp.maximumFlows = 4
    config.udp.maximumPeers = 8
    config.icmp.maximumFlows = 2
    stack = Stack(host: kernel.table, calls: kernel.calls, config: config, seed: 1)
    stack.dns.resolver = kernel
    stack.udp.dhcp = DHCPService(
      stack: stack.core,
      configuration: DHCPServer.Configuration(
        serverAddress: SeedPackets.gateway, subnet: subnet),
      policy: .single(SeedPackets.guest))
    up(1)
    up(2)
  }

  private func up(_ port: PortID) {
    _ = stack.portUp(
      LinkInfo(
        port: port, mtu: port == 1 ? 1500 : 65_520,
        offloads: port == 1 ? [] : [.checksum, .tcpV4, .tcpV6, .udp]))
  }

  /// Steps: 0 a frame; 1 a segment of the connection; 2 time; 3 a socket is ready; 4 what a socket
  /// has to say; 5 room on the link; 6 a forward; 7 an answer of the DNS; 8 a link
  /// goes; 9 no more sockets; 10 a UDP GSO frame.
  func step(_ input: inout FuzzInput) {
    switch input.byte() % 11 {
    case 0:
      let port = PortID(1 + input.byte() % 2)
      deliver(input.chunk(), to: port)
    case 1: segment(&input)
    case 2:
      let amount = UInt64(input.byte())
      kernel.now += amount * amount * 10_000_000
      fireTimers()
    case 3:
      let watches = kernel.watches.sorted { $0.key < $1.key }
      let index = Int(input.byte())
      let events = FDEvents(rawValue: input.byte() & 7)
      guard !watches.isEmpty else { return }
      let watch = watches[index % watches.count].value
      stack.onFDs([FDEvent(token: watch.user, events: events)], 1)
    case 4: socket(&input)
    case 5:
      let room = Int(input.byte())
      kernel.frameRoom = room == 255 ? .max : room
      if room > 0 {
        stack.txReady(1)
        stack.txReady(2)
      }
    case 6: expose(input.byte())
    case 7:
      let answer = input.chunk()
      guard let query = kernel.queries.min() else { return }
      kernel.queries.remove(query)
      answer.withByteView { stack.onAnswer(query, answer.isEmpty ? nil : $0) }
    case 8:
      let port = PortID(1 + input.byte() % 2)
      stack.portDown(port)
      up(port)
    case 9:
      kernel.socketErrno = [EMFILE, EACCES, ENOBUFS, EAFNOSUPPORT][Int(input.byte() % 4)]
    default:
      let size = input.uint16()
      deliver(input.chunk(), to: 2, segment: size)
    }
  }

  /// A frame with correct lengths and checksums in the places where one would have them: random
  /// bytes alone would never get beyond those checks.
  private func deliver(_ bytes: [UInt8], to port: PortID, segment: UInt16 = 0) {
    guard bytes.count >= 14, bytes.count <= Frame.maximumLength else { return }
    var frame = Frame()
    frame.length = UInt32(bytes.count)
    // As a port of this machine would say.
    frame.flags = .checksumValid
    if segment > 0 {
      frame.gsoType = .udp
      frame.gsoSize = segment
    }
    bytes.withUnsafeBufferPointer {
      frame.data = $0.baseAddress
      stack.rx(port, [frame], 1)
    }
  }

  /// Flags, differences of sequence and acknowledgement, the window, a payload.
  private func segment(_ input: inout FuzzInput) {
    let flags = TCPFlags(rawValue: input.byte())
    let sequence = 1000 &+ UInt32(bitPattern: Int32(Int16(bitPattern: input.uint16())))
    let behind = UInt32(input.byte())
    let window = UInt16(input.byte()) << 8
    let payload = input.take(Int(input.byte()))
    deliver(
      SeedPackets.tcp(
        flags, sequence: sequence, acknowledgement: kernel.lastSequence &- behind,
        window: window == 0 ? 65535 : window, payload: payload), to: 1)
  }

  private func socket(_ input: inout FuzzInput) {
    let fds = kernel.sockets.keys.sorted()
    let index = Int(input.byte())
    let kind = input.byte() % 7
    guard !fds.isEmpty else { return }
    let fd = fds[index % fds.count]
    switch kind {
    case 0: kernel.sockets[fd]?.room = Int(input.byte()) * 100
    case 1: kernel.sockets[fd]?.incoming.append(input.chunk())
    case 2: kernel.sockets[fd]?.isOver = true
    case 3: kernel.sockets[fd]?.errors.append(input.chunk())
    case 4: kernel.sockets[fd]?.errno = Int32(input.byte() % 134)
    case 5:
      kernel.sockets[fd]?.source = Endpoint(IPAddress(v4: input.uint32()), port: input.uint16())
    default:
      kernel.sockets[fd]?.source = Endpoint(
        IPAddress(high: UInt64(input.uint32()), low: UInt64(input.uint32())), port: 1)
    }
  }

  private func expose(_ which: UInt8) {
    let host = Endpoint(.loopbackV4, port: 8080)
    let kind: ForwardKind = which & 1 == 0 ? .tcp(host) : .udp(host)
    if which & 2 != 0 {
      stack.forwards.unexpose(kind)
    } else {
      _ = try? stack.forwards.expose(
        ForwardRule(kind: kind, guest: Endpoint(SeedPackets.guest, port: 80)))
    }
    stack.endOfIteration()
  }

  private func fireTimers() {
    for _ in 0..<100 {
      guard
        let (handle, deadline) = kernel.timers.min(by: { ($0.value, $0.key) < ($1.value, $1.key) }),
        deadline <= kernel.now
      else { return }
      kernel.timers[handle] = nil
      stack.onTimer(handle)
    }
  }

  func finish() {
    expectFuzz(kernel.sockets.count <= 64, "sockets are bounded: \(kernel.sockets.count)")
    stack.shutDown()
    expectFuzz(kernel.sockets.isEmpty, "open sockets at the end: \(kernel.sockets.count)")
    expectFuzz(kernel.watches.isEmpty, "watches at the end")
    expectFuzz(stack.chunks.used == 0, "chunks at the end: \(stack.chunks.used)")
  }
}
