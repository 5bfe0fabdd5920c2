// SPDX-License-Identifier: Apache-2.0
//
// Reassembly with any order, overlap, gap and number of fragments.

import TestSupport
import Testing
import Wire

@testable import NetStack

private let guest = IPAddress(192, 168, 5, 15)
private let peer = IPAddress(10, 0, 0, 1)
private let mac = MACAddress(0x52, 0x55, 0x55, 0, 0, 1)
private let second: UInt64 = 1_000_000_000

/// A packet of a fragment with this payload.
private func packet(
  _ payload: [UInt8], at offset: Int, more: Bool, id: UInt16 = 1, proto: UInt8 = 17
) -> [UInt8] {
  [UInt8](capacity: 20 + payload.count) { out in
    IPv4Header(
      source: guest, destination: peer, protocolNumber: proto, payloadLength: payload.count,
      identification: id, moreFragments: more, fragmentOffset: offset, timeToLive: 61,
      trafficClass: 4
    ).emit(into: out)
    payload.withByteView { out.store($0, at: 20) }
    return 20 + payload.count
  }
}

/// The fragments of a datagram at a given MTU.
private func fragments(_ payload: [UInt8], mtu: Int, id: UInt16 = 1) -> [[UInt8]] {
  let header = IPv4Header(
    source: guest, destination: peer, protocolNumber: 17, payloadLength: payload.count,
    identification: id)
  guard var fragmenter = Fragmenter(header, mtu: mtu) else { return [] }
  var packets: [[UInt8]] = []
  while let (header, range) = fragmenter.next() {
    packets.append(
      packet(Array(payload[range]), at: header.fragmentOffset, more: header.moreFragments, id: id))
  }
  return packets
}

private enum Result: Equatable {
  case incomplete, refused, malformed
  case complete([UInt8])
}

extension Reassembler {
  /// The result for a packet; the payload of a complete one, whose header is checked.
  fileprivate func take(_ bytes: [UInt8], now: UInt64 = 0) -> Result {
    bytes.withByteView { view in
      guard let packet = IPv4Packet(checking: view) else { return .malformed }
      switch add(Fragment(packet, from: mac), now: now) {
      case .incomplete: return .incomplete
      case .refused: return .refused
      case .complete(let whole):
        guard let packet = IPv4Packet(checking: whole), packet.isHeaderChecksumValid,
          !packet.isFragment, packet.bytes.count == whole.count
        else { return .malformed }
        return .complete(packet.payload.bytes)
      }
    }
  }
}

@Suite("Reassembly", .timeLimit(.minutes(5)))
struct ReassemblerTests {
  @Test("a datagram comes together in any order of its fragments")
  func anyOrder() {
    var random = SeededGenerator(seed: 30)
    for round in 0..<300 {
      let payload = random.bytes(
        Int.random(in: 100...(round % 10 == 0 ? 65515 : 4000), using: &random))
      let pieces = fragments(payload, mtu: [68, 576, 1500].randomElement(using: &random) ?? 0)
        .shuffled(using: &random)
      let reassembler = Reassembler()
      for piece in pieces.dropLast() { #expect(reassembler.take(piece) == .incomplete) }
      #expect(reassembler.take(pieces.last ?? []) == .complete(payload))
      #expect(reassembler.pending == (0, 0))
      reassembler.releaseDelivered()
    }
  }

  @Test("datagrams that come mixed are kept apart by addresses, protocol and identification")
  func mixed() {
    var random = SeededGenerator(seed: 31)
    let datagrams = (0..<10).map { _ in random.bytes(3000) }
    var pieces = datagrams.indices.flatMap { index in
      fragments(datagrams[index], mtu: 576, id: UInt16(index)).map { (index, $0) }
    }
    pieces.shuffle(using: &random)
    let reassembler = Reassembler()
    var complete: [Int: [UInt8]] = [:]
    for (index, piece) in pieces {
      if case .complete(let payload) = reassembler.take(piece) { complete[index] = payload }
    }
    for index in datagrams.indices { #expect(complete[index] == datagrams[index]) }
    #expect(
      reassembler.take(packet([UInt8](repeating: 0, count: 8), at: 0, more: true)) == .incomplete)
    #expect(
      reassembler.take(packet([1], at: 8, more: false, proto: 6)) == .incomplete)
  }

  @Test("the header of the first fragment becomes the datagram's")
  func header() throws {
    let reassembler = Reassembler()
    _ = reassembler.take(packet([9], at: 8, more: false))
    let first = packet([UInt8](1...8), at: 0, more: true)
    try first.withByteView { view in
      let fragment = Fragment(try #require(IPv4Packet(checking: view)), from: mac)
      guard case .complete(let whole) = reassembler.add(fragment, now: 0) else {
        Issue.record("not complete")
        return
      }
      let packet = try #require(IPv4Packet(checking: whole))
      #expect(packet.source == guest && packet.destination == peer)
      #expect(packet.timeToLive == 61 && packet.trafficClass == 4)
      #expect(packet.payload.bytes == [1, 2, 3, 4, 5, 6, 7, 8, 9])
    }
  }

  @Test("a hole stays a hole")
  func holes() {
    let reassembler = Reassembler()
    var pieces = fragments([UInt8](repeating: 7, count: 5000), mtu: 576)
    pieces.remove(at: 3)
    for piece in pieces { #expect(reassembler.take(piece) == .incomplete) }
    #expect(reassembler.pending.datagrams == 1)
  }

  @Test("an exact duplicate changes nothing (RFC 8200 §4.5)")
  func duplicates() {
    let payload = [UInt8](repeating: 7, count: 3000)
    let pieces = fragments(payload, mtu: 576)
    let reassembler = Reassembler()
    for piece in pieces.dropLast() {
      #expect(reassembler.take(piece) == .incomplete)
      #expect(reassembler.take(piece) == .incomplete)
    }
    #expect(reassembler.take(pieces.last ?? []) == .complete(payload))
  }

  @Test(
    "an overlap condemns the datagram and all that follows (RFC 5722 §4)",
    arguments: [
      (0, 16, true), (8, 24, true), (8, 16, true), (0, 8, true), (16, 3, false), (8, 12, false),
    ])
  func overlaps(offset: Int, count: Int, more: Bool) {
    let reassembler = Reassembler()
    // 8..<24 of a datagram, then something else over it or ending inside it.
    #expect(
      reassembler.take(packet([UInt8](repeating: 1, count: 16), at: 8, more: true)) == .incomplete)
    let other = packet([UInt8](repeating: 2, count: count), at: offset, more: more)
    let expected: Result = offset + count <= 8 ? .incomplete : .refused
    #expect(reassembler.take(other) == expected)
    guard expected == .refused else { return }
    #expect(
      reassembler.take(packet([UInt8](repeating: 1, count: 8), at: 0, more: true)) == .refused)
    #expect(reassembler.take(packet([1], at: 24, more: false)) == .refused)
    // After its time the identification is free again.
    reassembler.expire(now: 30 * second) { _ in Issue.record("no error about an overlap") }
    for piece in fragments([UInt8](repeating: 3, count: 600), mtu: 576).dropLast() {
      #expect(reassembler.take(piece, now: 30 * second) == .incomplete)
    }
  }

  @Test("two ends, or bytes beyond the end, condemn the datagram")
  func contradictions() {
    let eight = [UInt8](repeating: 1, count: 8)
    for (first, next) in [
      (packet([1], at: 16, more: false), packet([1], at: 32, more: false)),
      (packet([1], at: 16, more: false), packet(eight, at: 32, more: true)),
      (packet(eight, at: 32, more: true), packet([1], at: 16, more: false)),
      (packet([1], at: 16, more: false), packet([1, 1], at: 16, more: false)),
    ] {
      let reassembler = Reassembler()
      #expect(reassembler.take(first) == .incomplete)
      #expect(reassembler.take(next) == .refused)
    }
  }

  @Test("fragments that no datagram can have are refused")
  func insane() {
    let reassembler = Reassembler()
    #expect(reassembler.take(packet([1, 2, 3], at: 0, more: true)) == .refused)
    #expect(reassembler.take(packet([], at: 8, more: false)) == .refused)
    #expect(
      reassembler.take(packet([UInt8](repeating: 0, count: 100), at: 65504, more: false))
        == .refused)
    #expect(reassembler.pending == (0, 0))
  }

  @Test("after 30 s a datagram is dropped; its sender hears of it if its first fragment came")
  func expiry() {
    let reassembler = Reassembler()
    #expect(reassembler.nextDeadline == nil)
    let first = packet([UInt8](repeating: 5, count: 64), at: 0, more: true, id: 1)
    _ = reassembler.take(packet([1], at: 64, more: false, id: 2), now: 1 * second)
    _ = reassembler.take(first, now: 2 * second)
    _ = reassembler.take(
      packet([UInt8](repeating: 6, count: 8), at: 80, more: true, id: 1), now: 20 * second)
    #expect(reassembler.nextDeadline == 31 * second)
    var quoted: [[UInt8]] = []
    reassembler.expire(now: 31 * second) { quoted.append($0.firstFragment.bytes) }
    #expect(quoted.isEmpty)
    reassembler.expire(now: 32 * second) {
      quoted.append($0.firstFragment.bytes)
      #expect($0.sourceMAC == mac)
    }
    #expect(quoted == [first])
    #expect(reassembler.pending == (0, 0))
  }

  @Test("a flood of first fragments stays within its bounds, and the newest datagram gets through")
  func flood() {
    var limits = Reassembler.Limits()
    limits.datagrams = 8
    limits.bytes = 256 << 10
    let reassembler = Reassembler(limits: limits)
    for id in UInt16(0)..<2000 {
      let offset = Int(id % 8) * 8184
      _ = reassembler.take(packet([UInt8](repeating: 0, count: 8), at: offset, more: true, id: id))
      #expect(reassembler.pending.datagrams <= 8)
      #expect(reassembler.pending.bytes <= 256 << 10)
    }
    let payload = [UInt8](repeating: 9, count: 60_000)
    let pieces = fragments(payload, mtu: 1500, id: 5000)
    for piece in pieces.dropLast() { #expect(reassembler.take(piece) == .incomplete) }
    #expect(reassembler.take(pieces.last ?? []) == .complete(payload))
  }

  @Test("whatever comes, bounds hold and nothing traps")
  func garbage() {
    var random = SeededGenerator(seed: 32)
    var limits = Reassembler.Limits()
    limits.datagrams = 4
    limits.bytes = 160 << 10
    let reassembler = Reassembler(limits: limits)
    for round in 0..<30_000 {
      let now = UInt64(round) * second / 50
      reassembler.expire(now: now) { #expect(IPv4Packet(checking: $0.firstFragment) != nil) }
      let count = Int.random(in: 0...64, using: &random)
      let blocks = Bool.random(using: &random) ? 12 : 8191
      let bytes = packet(
        random.bytes(count), at: Int.random(in: 0...blocks, using: &random) * 8,
        more: Bool.random(using: &random), id: UInt16.random(in: 0...5, using: &random))
      #expect(reassembler.take(bytes, now: now) != .malformed)
      if round % 16 == 0 { reassembler.releaseDelivered() }
      #expect(reassembler.pending.datagrams <= 4 && reassembler.pending.bytes <= 160 << 10)
    }
  }

  @Test("guests share a budget, and none can take another's")
  func sharedBudget() {
    let budget = FragmentBudget(limit: 64 << 10)
    let greedy = Reassembler(budget: budget)
    let modest = Reassembler(budget: budget)
    #expect(modest.take(packet([1, 2, 3, 4, 5, 6, 7, 8], at: 0, more: true)) == .incomplete)
    for id in 1...40 as ClosedRange<UInt16> {
      _ = greedy.take(packet([1, 2, 3, 4, 5, 6, 7, 8], at: 4000, more: true, id: id))
      #expect(budget.used <= budget.limit)
    }
    // One that cannot fit beside the others', whatever this guest gives up.
    #expect(greedy.take(packet([9], at: 64_000, more: false, id: 40)) == .refused)
    #expect(modest.take(packet([9], at: 8, more: false)) == .complete([1, 2, 3, 4, 5, 6, 7, 8, 9]))
    greedy.expire(now: 31 * second) { _ in }
    #expect(budget.used == 0)
  }
}
