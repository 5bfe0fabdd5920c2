// SPDX-License-Identifier: Apache-2.0
//
// Fragments through the whole stack: a long ping of the gateway and its reply.

import Testing
import Wire

@testable import NetStack

@Suite("Fragments in the stack", .timeLimit(.minutes(5)))
struct StackFragmentTests {
  private let headers = 14 + 20

  /// An echo request with this payload, in frames of the guest's MTU.
  private func ping(_ payload: [UInt8], mtu: Int = 1500) -> [[UInt8]] {
    let message = [UInt8](capacity: 8 + payload.count) { out in
      payload.withByteView { view in
        ICMPHeader(type: ICMPv4Type.echoRequest, identifier: 7, sequence: 1)
          .emit(into: out, payload: view)
        out.store(view, at: 8)
      }
      return 8 + payload.count
    }
    let header = IPv4Header(
      source: Simulation.guestAddress, destination: Simulation.gateway,
      protocolNumber: IPProtocol.icmp, payloadLength: message.count, identification: 99)
    guard var fragments = Fragmenter(header, mtu: mtu) else { return [] }
    var frames: [[UInt8]] = []
    while let (ip, part) = fragments.next() {
      frames.append(
        [UInt8](capacity: headers + part.count) { out in
          EthernetHeader(
            destination: GuestTCP.gatewayMAC, source: GuestTCP.mac, etherType: EtherType.ipv4
          ).emit(into: out)
          ip.emit(into: out.dropFirst(14))
          message.withByteView {
            out.store($0.slice(at: part.lowerBound, count: part.count), at: 34)
          }
          return headers + part.count
        })
    }
    return frames
  }

  /// The reassembled IPv4 payload of frames to the guest.
  private func received(_ frames: [[UInt8]]) -> [UInt8]? {
    let reassembler = Reassembler()
    for frame in frames {
      let payload = frame.withByteView { view -> [UInt8]? in
        guard let ethernet = EthernetPacket(checking: view),
          let ip = IPv4Packet(checking: ethernet.payload), ip.isHeaderChecksumValid
        else { return nil }
        guard ip.isFragment else { return ip.payload.bytes }
        guard case .complete(let whole) = reassembler.add(Fragment(ip, from: .zero), now: 0) else {
          return nil
        }
        return IPv4Packet(checking: whole)?.payload.bytes
      }
      if let payload { return payload }
    }
    return nil
  }

  @Test("a ping longer than the MTU is answered whole, in fragments that fit")
  func longPing() throws {
    for (count, order) in [(1473, false), (4000, true), (65_507, false)] {
      let simulation = Simulation(seed: 1)
      let payload = pattern(count, seed: 5)
      let frames = ping(payload)
      simulation.deliver(order ? frames.reversed() : frames)
      let answer = simulation.host.frames
      #expect(answer.count == frames.count)
      #expect(answer.allSatisfy { $0.count <= 14 + 1500 })
      let message = try #require(received(answer))
      #expect(message[0] == ICMPv4Type.echoReply)
      #expect(message[8...] == payload[...])
      message.withByteView { #expect(Checksum.isValid($0)) }
    }
  }

  @Test("many datagrams may come together in one batch")
  func batch() {
    let simulation = Simulation(seed: 2)
    simulation.deliver((0..<100).flatMap { ping(pattern(2000, seed: $0)) })
    #expect(simulation.host.frames.count == 200)
  }

  @Test("after 30 s without the rest the guest hears that the time is over (RFC 1122 §3.3.2)")
  func timeout() throws {
    let simulation = Simulation(seed: 3)
    let frames = ping(pattern(4000, seed: 6))
    simulation.deliver(Array(frames.dropLast()))
    simulation.wait(29_900_000_000)
    #expect(simulation.seen.isEmpty)
    simulation.wait(200_000_000)
    let errors = simulation.seen.compactMap { Frames.icmp(in: $0) }
    #expect(errors.count == 1)
    let error = try #require(errors.first)
    #expect(error.type == ICMPv4Type.timeExceeded)
    #expect(error.code == ICMPv4TimeExceeded.reassembly)
    // Without its first fragment a datagram ends in silence.
    simulation.deliver(Array(frames.dropFirst()))
    simulation.wait(31_000_000_000)
    #expect(simulation.seen.count == 1)
    #expect(simulation.stack.core.timers.count == 0)
  }

  @Test("a link that goes down takes its fragments and their timer along")
  func linkDown() {
    let simulation = Simulation(seed: 4)
    simulation.deliver(Array(ping(pattern(4000, seed: 6)).dropLast()))
    simulation.stack.portDown(Simulation.port)
    #expect(simulation.stack.core.timers.count == 0)
    simulation.wait(31_000_000_000)
    #expect(simulation.seen.isEmpty)
  }
}
