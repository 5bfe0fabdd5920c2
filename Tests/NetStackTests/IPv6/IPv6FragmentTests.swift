// SPDX-License-Identifier: Apache-2.0

import LibC
import Testing
import Wire

@testable import NetStack

/// IPv6 fragments in both directions (RFC 8200 §4.5).
@Suite(.timeLimit(.minutes(1)))
struct IPv6FragmentTests {
  private typealias World = DatagramWorld
  private let server = World.server6

  /// A datagram in fragments of `size` bytes.
  private func pieces(_ payload: [UInt8], of size: Int, id: UInt32 = 7) -> [[UInt8]] {
    let whole = World.datagram(from: 4000, to: server, payload)
    return stride(from: 0, to: whole.count, by: size).map { offset in
      let end = min(offset + size, whole.count)
      return piece(Array(whole[offset..<end]), at: offset, more: end < whole.count, id: id)
    }
  }

  private func piece(_ bytes: [UInt8], at offset: Int, more: Bool, id: UInt32) -> [UInt8] {
    let header = [UInt8](capacity: 8) { out in
      IPv6Fragment(offset: offset, moreFragments: more, identification: id)
        .emit(nextHeader: IPProtocol.udp, into: out)
      return 8
    }
    return World.ipv6(IPProtocol.fragment, header + bytes, to: server.address)
  }

  @Test func `a guest's fragments become its datagram, in any order`() throws {
    let world = try DatagramWorld()
    let payload = pattern(5000, seed: 3)
    for frame in pieces(payload, of: 1448).reversed() { world.send(frame) }
    #expect(world.kernel.sent.map(\.payload) == [payload])
    // The kernel may cut it again: the sender has done so.
    #expect(world.kernel.discoveries == [1])
    #expect(world.stack.fragmentBudget.used == 0)
  }

  @Test func `an atomic fragment is a datagram by itself (RFC 6946 §4)`() throws {
    let world = try DatagramWorld()
    world.send(pieces([1, 2], of: 1448)[0], pieces([3], of: 1448)[0])
    #expect(world.kernel.sent.map(\.payload) == [[1, 2], [3]])
  }

  @Test
  func `a datagram whose fragments overlap is dropped, with all that comes of it (RFC 5722 §4)`()
    throws
  {
    let world = try DatagramWorld()
    let frames = pieces(pattern(3000, seed: 3), of: 1448)
    world.send(frames[0])
    world.send(piece([UInt8](repeating: 9, count: 16), at: 1440, more: true, id: 7))
    world.send(frames[1], frames[2])
    #expect(world.kernel.sent.isEmpty)
    // An exact repetition is none (RFC 8200 §4.5).
    let others = pieces([5] + pattern(3000, seed: 4), of: 1448, id: 8)
    world.send(others[0], others[0], others[1], others[2])
    #expect(world.kernel.sent.count == 1)
  }

  @Test
  func `what does not come whole in 60 s is reported with its first fragment (RFC 4443 §3.3)`()
    throws
  {
    let world = try DatagramWorld()
    let frames = pieces(pattern(3000, seed: 3), of: 1448)
    world.send(frames[0])
    world.wait(seconds: 50)
    #expect(world.host.frames.isEmpty)
    world.wait(seconds: 11)
    let message = try #require(world.messages6().first)
    #expect(message.header == ICMPHeader(type: 3, code: 1))
    // What the guest's kernel matches: the fragment header, too.
    #expect(Array(message.payload.prefix(48)).dropFirst(6) == frames[0][20..<62])
    #expect(Array(message.payload.dropFirst(48)) == Array(frames[0].dropFirst(62).prefix(1184)))
    #expect(world.stack.fragmentBudget.used == 0)
  }

  @Test func `a later fragment alone is nobody's fault (RFC 4443 §3.3)`() throws {
    let world = try DatagramWorld()
    world.send(pieces(pattern(3000, seed: 3), of: 1448)[1])
    world.wait(seconds: 70)
    #expect(world.host.frames.isEmpty)
  }

  @Test(arguments: [1280, 1500, 9000] as [UInt32])
  func `a datagram longer than the link comes in fragments that fit it`(mtu: UInt32) throws {
    let world = try DatagramWorld(mtu: mtu)
    world.send(world.udp6(from: 4000, to: server, [1]))
    let fd = try #require(world.kernel.open.first)
    let payload = pattern(20_000, seed: 5)
    world.kernel.sockets[fd]?.incoming = [.init(source: server, payload: payload)]
    world.poll()
    let packets = world.packets6()
    #expect(packets.allSatisfy { 40 + $0.payload.count <= Int(mtu) && $0.header.nextHeader == 44 })
    #expect(Set(packets.map { Array($0.payload[4..<8]) }).count == 1)
    let whole = packets.flatMap { $0.payload.dropFirst(8) }
    whole.withByteView { view in
      let udp = UDPPacket(checking: view)
      #expect(udp?.payload.bytes == payload)
      #expect(udp?.isChecksumValid(source: server.address, destination: World.guest6) == true)
    }
    // Offsets follow each other, and only the last one ends it.
    var offset = 0
    for (index, packet) in packets.enumerated() {
      let word = Int(packet.payload[2]) << 8 | Int(packet.payload[3])
      #expect(word & ~7 == offset && (word & 1 != 0) == (index < packets.count - 1))
      offset += packet.payload.count - 8
    }
  }

  @Test func `a long ping of the gateway is answered in fragments`() throws {
    let world = try DatagramWorld()
    let payload = pattern(4000, seed: 6)
    let whole = World.message(
      ICMPHeader(type: ICMPv6Type.echoRequest, identifier: 5, sequence: 1), payload,
      to: World.gateway6)
    for offset in stride(from: 0, to: whole.count, by: 1448) {
      let end = min(offset + 1448, whole.count)
      let header = [UInt8](capacity: 8) { out in
        IPv6Fragment(offset: offset, moreFragments: end < whole.count, identification: 3)
          .emit(nextHeader: IPProtocol.icmpV6, into: out)
        return 8
      }
      world.send(
        World.ipv6(IPProtocol.fragment, header + whole[offset..<end], to: World.gateway6))
    }
    let packets = world.packets6()
    #expect(packets.count == 3)
    #expect(Array(packets.flatMap { $0.payload.dropFirst(8) }.dropFirst(8)) == payload)
  }
}
