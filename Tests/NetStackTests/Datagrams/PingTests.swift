// SPDX-License-Identifier: Apache-2.0
//
// Ping to other hosts through scripted ping sockets (RFC 792, RFC 5508).

import LibC
import Testing
import Wire

@testable import NetStack

@Suite(.timeLimit(.minutes(5))) struct PingTests {
  let target = IPAddress(10, 1, 2, 3)

  private func reply(_ bytes: [UInt8], id: UInt16) -> [UInt8] {
    bytes.withByteView { view in
      guard let request = ICMPv4Packet(checking: view) else { return [] }
      return [UInt8](capacity: bytes.count) { out in
        out.store(request.payload, at: 8)
        ICMPHeader(
          type: ICMPv4Type.echoReply, identifier: id, sequence: request.echoSequence
        ).emit(into: out, payload: request.payload)
        return bytes.count
      }
    }
  }

  @Test func `a reply comes back under the guest's identifier`() throws {
    let world = try DatagramWorld()
    world.send(world.echo(77, 1, to: target), world.echo(77, 2, to: target))
    #expect(world.kernel.open.count == 1)
    let fd = try #require(world.kernel.open.first)
    #expect(world.kernel.sockets[fd]?.proto == Int32(IPPROTO_ICMP))
    world.kernel.sockets[fd]?.incoming = world.kernel.sent.map {
      .init(source: Endpoint(target, port: 0), payload: reply($0.payload, id: 999), hopLimit: 60)
    }
    world.poll()
    let messages = world.messages()
    #expect(
      messages.map(\.header)
        == [1, 2].map {
          ICMPHeader(type: ICMPv4Type.echoReply, identifier: 77, sequence: $0)
        })
    #expect(messages.allSatisfy { $0.source == target && $0.payload == [1, 2, 3, 4] })
    #expect(messages.allSatisfy { $0.ttl == 59 })
  }

  @Test func `where the kernel gives no ping socket nobody answers, and the log says how`() throws {
    let world = try DatagramWorld()
    world.kernel.socketError = EACCES
    for sequence in 0..<UInt16(5) { world.send(world.echo(77, sequence, to: target)) }
    #expect(world.host.frames.isEmpty)
    #expect(world.host.log.count == 1)
    #expect(
      world.host.log.first?.contains("sudo sysctl -w net.ipv4.ping_group_range='0 2147483647'")
        == true)
  }

  @Test func `a router's time exceeded reaches the guest with its own request in it`() throws {
    let world = try DatagramWorld()
    world.send(world.echo(77, 5, to: target, ttl: 2))
    let fd = try #require(world.kernel.open.first)
    #expect(
      world.kernel.sockets[fd]?.options[
        "\(SocketConstant.levelIP)/\(SocketConstant.timeToLive)"] == 1)
    var onWire = try #require(world.kernel.sent.first).payload
    // As the kernel numbered it.
    onWire[4] = 0x30
    onWire[5] = 0x39
    world.kernel.sockets[fd]?.errors = [
      .init(
        destination: Endpoint(target, port: 0), payload: onWire, errno: EHOSTUNREACH,
        type: ICMPv4Type.timeExceeded, offender: IPAddress(10, 0, 0, 1))
    ]
    world.poll()
    let message = try #require(world.messages().first)
    #expect(message.source == IPAddress(10, 0, 0, 1))
    try message.payload.withByteView { bytes in
      let ip = try #require(IPv4Packet(checking: bytes))
      #expect(ip.destination == target)
      let request = try #require(ICMPv4Packet(checking: ip.payload))
      #expect(request.echoIdentifier == 77 && request.echoSequence == 5)
    }
  }

  @Test func `the first hop is the gateway`() throws {
    let world = try DatagramWorld()
    world.send(world.echo(77, 1, to: target, ttl: 1))
    let message = try #require(world.messages().first)
    #expect(message.header.type == ICMPv4Type.timeExceeded)
    #expect(message.source == DatagramWorld.gateway)
    #expect(world.kernel.open.isEmpty)
  }

  @Test func `ping sockets are bounded and end when idle`() throws {
    let world = try DatagramWorld { $0.icmp.maximumFlows = 8 }
    for id in 0..<UInt16(20) {
      world.wait(seconds: 1)
      world.send(world.echo(id, 1, to: target))
    }
    #expect(world.kernel.open.count == 8)
    world.wait(seconds: 70)
    #expect(world.kernel.open.isEmpty && world.host.watches.isEmpty)
  }

  @Test func `what cannot be reached is unreachable`() throws {
    let world = try DatagramWorld()
    world.kernel.sendErrors = [EHOSTUNREACH, EHOSTUNREACH]
    world.send(world.echo(77, 1, to: target))
    #expect(world.messages().first?.header.code == ICMPv4Unreachable.host)
  }

  @Test func `multicast, broadcast and the host's loopback get no answer`() throws {
    let world = try DatagramWorld()
    for address in [
      IPAddress(224, 0, 0, 1), IPAddress(255, 255, 255, 255), IPAddress(192, 168, 5, 255),
    ] { world.send(world.echo(77, 1, to: address)) }
    #expect(world.host.frames.isEmpty && world.kernel.open.isEmpty)
    world.send(world.echo(77, 1, to: IPAddress(127, 0, 0, 1)))
    #expect(world.kernel.open.isEmpty)
  }
}
