// SPDX-License-Identifier: Apache-2.0
//
// Reserved address space, backed by memory on first access.
//
// Pools of the data path use such regions: the base never moves, so that a pointer to a slot stays valid while the
// pool grows, and unused parts cost address space only. A region is owned by one pool on the loop thread.

import LibC
import Platform

/// A private anonymous mapping; unmapped by deinit.
struct MappedRegion: ~Copyable {
  let base: UnsafeMutableRawPointer
  let byteCount: Int

  /// Reserves `byteCount` bytes (rounded up to pages), all zero. Ends the process when there is no address space:
  /// nothing works without the pools, and this happens only at start.
  init(byteCount: Int) {
    let page = 4096
    let rounded = max(page, (byteCount + page - 1) & ~(page - 1))
    #if os(Linux)
      let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    #else
      let flags = MAP_PRIVATE | MAP_ANON
    #endif
    guard let address = mmap(nil, rounded, PROT_READ | PROT_WRITE, flags, -1, 0),
      address != MAP_FAILED
    else {
      // Reason: no address space at start-up; no error channel exists yet.
      fatalError("cannot reserve \(rounded) bytes of address space")
    }
    base = address
    self.byteCount = rounded
  }

  deinit {
    munmap(base, byteCount)
  }

  /// Returns the memory of whole pages of a range to the kernel; it reads as zero afterwards.
  func discard(offset: Int, count: Int) {
    guard offset >= 0, count > 0, offset <= byteCount - count else { return }
    #if os(Linux)
      _ = madvise(base + offset, count, MADV_DONTNEED)
    #else
      _ = madvise(base + offset, count, MADV_FREE)
    #endif
  }
}
