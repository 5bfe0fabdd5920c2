// SPDX-License-Identifier: Apache-2.0
//
// GuardedMemory: bytes that end at an unmapped page, so that a read past their end crashes. They can be unmapped, or made
// read-only.

import LibC

final class GuardedMemory {
  /// Aligned to 8 bytes if `count` is a multiple of 8.
  let bytes: UnsafeMutableRawBufferPointer
  private let region: UnsafeMutableRawPointer
  private let usable: Int
  private static let page = Int(sysconf(Int32(_SC_PAGESIZE)))

  /// Nil if the kernel has no memory.
  init?(count: Int) {
    usable = (count + Self.page - 1) / Self.page * Self.page
    let flags = MAP_PRIVATE | MAP_ANON
    guard
      let region = mmap(nil, usable + Self.page, PROT_READ | PROT_WRITE, flags, -1, 0),
      region != MAP_FAILED, mprotect(region + usable, Self.page, PROT_NONE) == 0
    else { return nil }
    self.region = region
    bytes = UnsafeMutableRawBufferPointer(start: region + usable - count, count: count)
  }

  convenience init?(_ content: [UInt8]) {
    self.init(count: content.count)
    bytes.copyBytes(from: content)
  }

  /// A value that ends at the unmapped page.
  convenience init?<Value: BitwiseCopyable>(value: Value, size: Int = MemoryLayout<Value>.size) {
    self.init(count: size)
    withUnsafeBytes(of: value) { bytes.copyBytes(from: $0.prefix(size)) }
  }

  func makeReadOnly() { mprotect(region, max(usable, 1), PROT_READ) }
  /// Makes all further accesses crash.
  func takeAway() { mprotect(region, max(usable, 1), PROT_NONE) }

  deinit { munmap(region, usable + Self.page) }
}
