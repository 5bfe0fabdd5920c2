// SPDX-License-Identifier: Apache-2.0
//
// The memory of all buffers of a stack: chunks of 64 KiB out of one bounded pool.
//
// A flow takes a chunk when bytes have to wait and gives it back when they are gone, so
// the bound of the pool is the bound of all flows together. The free list is a
// stack: the chunk used last is in the cache and is taken first. Chunks that stay
// free are handed back to the kernel by `trim`. Loop thread only.

/// A pool of fixed-size chunks, known by index; 0 means none.
package struct ChunkPool: ~Copyable {
  package static var chunkSize: Int { 65536 }
  package static var chunkShift: UInt32 { 16 }

  private let region: MappedRegion
  private let freeStorage: MappedRegion
  private let free: UnsafeMutablePointer<UInt32>
  private var freeCount = 0
  private var highWater = 0
  /// Free chunks at the bottom of the stack below this have no memory behind them.
  private var trimmed = 0
  /// The fewest free chunks since the last trim: so many were not needed.
  private var leastFree = 0

  /// How many chunks there can be.
  package let capacity: Int

  /// - Parameter byteLimit: bytes of all chunks together; at least one chunk.
  package init(byteLimit: Int) {
    capacity = max(1, min(byteLimit / Self.chunkSize, Int(Int32.max) / 2))
    region = MappedRegion(byteCount: (capacity + 1) * Self.chunkSize)
    freeStorage = MappedRegion(byteCount: capacity * MemoryLayout<UInt32>.stride)
    free = freeStorage.base.bindMemory(to: UInt32.self, capacity: capacity)
  }

  /// How many chunks are out.
  package var used: Int { highWater &- freeCount }
  /// How many more can be taken.
  package var available: Int { capacity &- used }

  /// Takes a chunk; its bytes are undefined. 0 when the pool is exhausted.
  @inline(__always)
  package mutating func take() -> UInt32 {
    if freeCount > 0 {
      freeCount &-= 1
      if freeCount < leastFree { leastFree = freeCount }
      if trimmed > freeCount { trimmed = freeCount }
      return free[freeCount]
    }
    guard highWater < capacity else { return 0 }
    highWater &+= 1
    return UInt32(truncatingIfNeeded: highWater)
  }

  /// Gives a chunk back. The index must be one `take` returned, once.
  @inline(__always)
  package mutating func give(_ chunk: UInt32) {
    guard chunk != 0, freeCount < capacity else { return }
    free[freeCount] = chunk
    freeCount &+= 1
  }

  /// The first byte of a chunk.
  @inline(__always)
  package func address(_ chunk: UInt32) -> UnsafeMutableRawPointer {
    region.base + Int(chunk) &* Self.chunkSize
  }

  /// Hands the memory of chunks that were free ever since the last call back to the kernel.
  /// Returns how many.
  @discardableResult
  package mutating func trim() -> Int {
    let idle = min(leastFree, freeCount)
    var released = 0
    while trimmed < idle {
      region.discard(offset: Int(free[trimmed]) * Self.chunkSize, count: Self.chunkSize)
      trimmed &+= 1
      released &+= 1
    }
    leastFree = freeCount
    return released
  }

  /// Whether `trim` may have something to do, now or next time.
  package var mayTrim: Bool { freeCount > trimmed }
}
