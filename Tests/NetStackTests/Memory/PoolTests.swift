// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import NetStack

/// Slab, ChunkPool and FlowTable, compared with simple models on random operations.
@Suite(.timeLimit(.minutes(5)))
struct PoolTests {
  struct Element: BitwiseCopyable {
    var key: FlowKey
    var value: UInt64
  }

  private static func key(_ n: UInt64) -> FlowKey {
    FlowKey(
      link: UInt32(n % 3), proto: 6, guest: IPAddress(192, 168, 5, 15),
      guestPort: UInt16(truncatingIfNeeded: n), remote: IPAddress(v4: UInt32(n >> 16 & 0xFF)),
      remotePort: 443)
  }

  @Test func `a slot that was given back is stale under its old generation`() {
    var slab = Slab<UInt64>(capacity: 4)
    let first = slab.insert(1)
    let generation = slab.generation(first)
    expect(first != 0 && slab.isTaken(first, generation: generation))
    slab.remove(first)
    expect(!slab.isTaken(first, generation: generation))
    let again = slab.insert(2)
    expect(again == first && slab.generation(again) != generation)
    expect(!slab.isTaken(again, generation: generation))
    slab.remove(99)
    slab.remove(0)
    expect(slab.count == 1)
  }

  @Test func `a slab hands out no more than its capacity, and every slot once`() {
    var slab = Slab<UInt64>(capacity: 1000)
    var seen: Set<UInt32> = []
    for n in 0..<1000 as Range<UInt64> { seen.insert(slab.insert(n)) }
    #expect(seen.count == 1000 && !seen.contains(0))
    let none = slab.insert(0)
    #expect(none == 0)
    slab.remove(500)
    let again = slab.insert(7)
    #expect(again == 500)
  }

  @Test(arguments: Array(1...20) as [UInt64])
  func `a flow table finds what a dictionary finds`(seed: UInt64) {
    var random = RandomSource(seed: seed)
    var slab = Slab<Element>(capacity: 5000)
    var table = FlowTable(slab: slab, seed: random.next())
    var model: [UInt64: UInt32] = [:]
    for _ in 0..<20_000 {
      let n = random.next() % 3000 &* 7919
      if let index = model[n] {
        expect(table.find(Self.key(n)) == index)
        if random.next() % 2 == 0 {
          table.remove(index)
          slab.remove(index)
          model[n] = nil
        }
      } else {
        guard table.find(Self.key(n)) == 0 else { continue }
        let index = slab.insert(Element(key: Self.key(n), value: n))
        guard index != 0 else { continue }
        table.insert(index)
        model[n] = index
      }
    }
    expect(table.count == model.count)
    for (n, index) in model { expect(table.find(Self.key(n)) == index) }
  }

  @Test func `chunks are bounded, reused, and given back to the kernel when they stay free`() {
    var pool = ChunkPool(byteLimit: 8 * ChunkPool.chunkSize)
    let chunks = (0..<8).map { _ in pool.take() }
    #expect(Set(chunks).count == 8 && !chunks.contains(0))
    let none = pool.take()
    #expect(none == 0)
    expect(pool.available == 0 && pool.used == 8)
    for chunk in chunks {
      pool.address(chunk).storeBytes(of: 0x55, as: UInt8.self)
      pool.give(chunk)
    }
    expect(pool.used == 0)
    // Free since the last call: none yet, then all.
    let early = pool.trim()
    let later = pool.trim()
    #expect(early == 0 && later == 8)
    expect(!pool.mayTrim)
    let another = pool.take()
    #expect(another != 0)
  }

  @Test func `a connection is five cache lines, and what each segment needs is in three`() {
    #expect(MemoryLayout<TCPFlow>.stride == 320)
    #expect(MemoryLayout<TCPFlow>.offset(of: \.receiver) == 64)
    #expect(MemoryLayout<TCPFlow>.offset(of: \.sender) == 128)
    #expect(MemoryLayout<TCPSender>.offset(of: \.congestion) == 56)
    #expect(MemoryLayout<FlowCongestion>.offset(of: \.window) == 0)
  }

  @Test func `a connection costs less than 400 bytes while it is idle`() {
    let place = 2 * MemoryLayout<UInt64>.stride
    let timer = MemoryLayout<TimerNode>.stride + MemoryLayout<UInt64>.stride
    #expect(MemoryLayout<TCPFlow>.stride + MemoryLayout<UInt64>.stride + place + timer <= 400)
  }
}
