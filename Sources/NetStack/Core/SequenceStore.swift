// SPDX-License-Identifier: Apache-2.0
//
// Buffered bytes of TCP streams, indexed by sequence number.
//
// The chunk of a sequence number is `table[(sequence / 64 KiB) % 64]`, its offset in the chunk the low 16 bits:
// appending, filling a hole, retransmitting and releasing are all O(1), without lists. A stream may span up to 63
// chunks. A table exists only while the stream holds bytes; an idle flow has 4 bytes of buffer state. Loop thread
// only.

import Wire

/// The chunks of one stream.
struct ChunkTable: BitwiseCopyable {
  static let slotCount = 64

  var used: UInt32 = 0
  /// The share to which the chunks are charged (ShareTable).
  let share: UInt32
  private var slots:
    (
      UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64,
      UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64,
      UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64,
      UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64
    ) = (
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    )

  init(share: UInt32) { self.share = share }
}

/// All streams of a stack. A stream is identified by its table's slot, 0 for one without bytes.
final class SequenceStore {
  /// Maximum bytes between a stream's first and last byte.
  static let maximumSpan = (ChunkTable.slotCount - 1) * ChunkPool.chunkSize

  private let stack: StackCore
  private var tables: Slab<ChunkTable>
  private let shares: ShareTable

  init(stack: StackCore, capacity: Int) {
    self.stack = stack
    shares = stack.shares
    tables = Slab(capacity: capacity)
  }

  /// Number of streams that hold bytes.
  var streamCount: Int { tables.count }

  @inline(__always)
  private func slot(_ table: UInt32, _ sequence: UInt32) -> UnsafeMutablePointer<UInt32> {
    // Two UInt32 come before the slots; slots are read as 64 UInt32.
    (UnsafeMutableRawPointer(tables.pointer(table)) + 8).assumingMemoryBound(to: UInt32.self)
      + Int((sequence >> ChunkPool.chunkShift) & UInt32(ChunkTable.slotCount - 1))
  }

  /// The memory of `sequence`; taken from the pool if necessary. Nil when the pool, or the guest's share of it, is
  /// exhausted. Valid up to the end of the chunk: `room(at:)` bytes.
  @inline(__always)
  func reserve(
    _ table: inout UInt32, at sequence: UInt32, share: UInt32
  ) -> UnsafeMutableRawPointer? {
    if table == 0 {
      table = tables.insert(ChunkTable(share: share))
      guard table != 0 else { return nil }
    }
    let place = slot(table, sequence)
    if place.pointee == 0 {
      let isFree = shares.chunksLeft(share, available: stack.chunks.available) > 0
      let chunk = isFree ? stack.chunks.take() : 0
      guard chunk != 0 else {
        dropIfEmpty(&table)
        return nil
      }
      shares.tookChunk(share)
      place.pointee = chunk
      tables.pointer(table).pointee.used &+= 1
    }
    return stack.chunks.address(place.pointee) + Int(sequence & 0xFFFF)
  }

  /// Bytes from `sequence` to the end of its chunk.
  @inline(__always)
  static func room(at sequence: UInt32) -> Int {
    ChunkPool.chunkSize &- Int(sequence & 0xFFFF)
  }

  /// Copies bytes to their position; returns how many were copied before the pool was exhausted.
  func write(
    _ table: inout UInt32, at sequence: UInt32, _ bytes: ByteView, share: UInt32
  ) -> Int {
    var done = 0
    while done < bytes.count {
      let at = sequence &+ UInt32(truncatingIfNeeded: done)
      guard let memory = reserve(&table, at: at, share: share) else { return done }
      let count = min(Self.room(at: at), bytes.count &- done)
      memory.copyMemory(from: bytes.base + done, byteCount: count)
      done &+= count
    }
    return done
  }

  /// A contiguous part of the bytes from `sequence` on, at most `count` (> 0). Nil when the stream does not hold
  /// them.
  @inline(__always)
  func slice(_ table: UInt32, at sequence: UInt32, count: Int) -> FrameSlice? {
    guard table != 0 else { return nil }
    let chunk = slot(table, sequence).pointee
    guard chunk != 0 else { return nil }
    let address = stack.chunks.address(chunk) + Int(sequence & 0xFFFF)
    return FrameSlice(
      data: UnsafePointer(address.assumingMemoryBound(to: UInt8.self)),
      length: UInt64(min(Self.room(at: sequence), count)))
  }

  /// Releases the chunks of [start, end), where `start` is the stream's first byte: all chunks before the one with
  /// `end`, and that one, too, with `isLast`, which means that the stream has no bytes at or after `end`.
  func release(_ table: inout UInt32, from start: UInt32, to end: UInt32, isLast: Bool) {
    guard table != 0, start != end || isLast else { return }
    let first = start >> ChunkPool.chunkShift
    var count = (end >> ChunkPool.chunkShift) &- first
    // Sequence numbers wrap at 2^32, chunk numbers at 2^16.
    count &= 0xFFFF
    if isLast { count &+= 1 }
    if count > UInt32(ChunkTable.slotCount) { count = UInt32(ChunkTable.slotCount) }
    for step in 0..<count {
      let place = slot(table, (first &+ step) << ChunkPool.chunkShift)
      if place.pointee != 0 {
        stack.chunks.give(place.pointee)
        shares.gaveChunk(tables.pointer(table).pointee.share)
        place.pointee = 0
        tables.pointer(table).pointee.used &-= 1
      }
    }
    dropIfEmpty(&table)
    stack.noteChunksFreed()
  }

  /// Releases all chunks of the stream.
  func releaseAll(_ table: inout UInt32) {
    guard table != 0 else { return }
    release(&table, from: 0, to: UInt32(ChunkTable.slotCount - 1) << 16, isLast: true)
    table = 0
  }

  @inline(__always)
  private func dropIfEmpty(_ table: inout UInt32) {
    guard tables.pointer(table).pointee.used == 0 else { return }
    tables.remove(table)
    table = 0
  }
}
