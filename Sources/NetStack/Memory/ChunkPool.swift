// SPDX-License-Identifier: Apache-2.0
//
// The memory of all buffers of a stack: chunks of 64 KiB from one bounded pool.
//
// A flow takes a chunk when it must buffer bytes and returns it when they are consumed, so the bound of the pool is
// the bound of all flows together. The free list is a stack: the chunk used last is likely in the CPU cache and is
// taken first. `trim` returns chunks that stay free to the kernel. Loop thread only.

/// A pool of fixed-size chunks, identified by index; 0: none.
package struct ChunkPool: ~Copyable {
  package static var chunkSize: Int { 65536 }
  package static var chunkShift: UInt32 { 16 }

  private let region: MappedRegion
  private let freeStorage: MappedRegion
  private let free: UnsafeMutablePointer<UInt32>
  private var freeCount = 0
  private var highWater = 0
  /// The free chunks at the bottom of the stack below this index have no physical memory.
  private var trimmed = 0
  /// Minimum of free chunks since the last trim: that many were not needed.
  private var leastFree = 0

  /// Maximum number of chunks.
  package let capacity: Int

  /// - Parameter byteLimit: bytes of all chunks together; at least one chunk.
  package init(byteLimit: Int) {
    capacity = max(1, min(byteLimit / Self.chunkSize, Int(Int32.max) / 2))
    region = MappedRegion(byteCount: (capacity + 1) * Self.chunkSize)
    freeStorage = MappedRegion(byteCount: capacity * MemoryLayout<UInt32>.stride)
    free = freeStorage.base.bindMemory(to: UInt32.self, capacity: capacity)
  }

  /// Number of chunks in use.
  package var used: Int { highWater &- freeCount }
  /// Number of chunks that can still be taken.
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

  /// Returns a chunk. Precondition: `take` returned the index, and it is still in use.
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

  /// Returns the memory of chunks that were free since the last call to the kernel. Returns their number.
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

  /// Whether `trim` may have work, now or next time.
  package var mayTrim: Bool { freeCount > trimmed }
}
