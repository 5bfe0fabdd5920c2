// SPDX-License-Identifier: Apache-2.0
//
// Reserved address space that becomes memory when it is touched.
//
// Pools of the data path live in such regions: their base never moves, so a
// pointer to a slot stays good while the pool grows, and what was never used
// costs address space only. A region is owned by one pool on the loop thread.

import Platform

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A private anonymous mapping; unmapped when its owner goes.
struct MappedRegion: ~Copyable {
  let base: UnsafeMutableRawPointer
  let byteCount: Int

  /// Reserves `byteCount` bytes (rounded up to pages), all zero.
  /// Stops the process when there is no address space: nothing can run without its pools, and
  /// this happens at start only.
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
      // Reason: no address space at start-up; there is nobody to report to yet.
      fatalError("cannot reserve \(rounded) bytes of address space")
    }
    base = address
    self.byteCount = rounded
  }

  deinit {
    munmap(base, byteCount)
  }

  /// Gives the memory behind whole pages of a range back to the kernel; it reads as zero after.
  func discard(offset: Int, count: Int) {
    guard offset >= 0, count > 0, offset <= byteCount - count else { return }
    #if os(Linux)
      _ = madvise(base + offset, count, MADV_DONTNEED)
    #else
      _ = madvise(base + offset, count, MADV_FREE)
    #endif
  }
}
