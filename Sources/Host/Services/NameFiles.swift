// SPDX-License-Identifier: Apache-2.0
//
// The files that say how the host finds names. When one of them changes, what a network has kept
// is of yesterday: the cache is dropped and the DNS plugin told, whichever it is.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Looks at files no more often than once a second, and only when somebody asks: an idle network
/// wakes for nothing. Links are followed, so that a new target counts, too. Loop thread.
struct NameFiles {
  /// Nanoseconds between two looks.
  static let interval: UInt64 = 1_000_000_000

  private struct Stamp: Equatable {
    var device: UInt64 = 0
    var inode: UInt64 = 0
    var size: Int64 = -1
    var seconds: Int64 = 0
    var nanoseconds: Int64 = 0
  }

  private let paths: [String]
  private var stamps: [Stamp]
  private var next: UInt64 = 0

  init(_ paths: [String] = ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"]) {
    self.paths = paths
    stamps = paths.map(Self.stamp)
  }

  /// Whether one of them is another than at the last look; false, too, when it is not time to look.
  mutating func changed(now: UInt64) -> Bool {
    guard now >= next else { return false }
    next = now &+ Self.interval
    var changed = false
    for index in paths.indices {
      let current = Self.stamp(paths[index])
      if current != stamps[index] {
        stamps[index] = current
        changed = true
      }
    }
    return changed
  }

  /// The default one when there is no such file.
  private static func stamp(_ path: String) -> Stamp {
    var info = stat()
    guard stat(path, &info) == 0 else { return Stamp() }
    #if canImport(Glibc)
      let time = info.st_mtim
    #else
      let time = info.st_mtimespec
    #endif
    return Stamp(
      device: UInt64(truncatingIfNeeded: info.st_dev),
      inode: UInt64(truncatingIfNeeded: info.st_ino), size: Int64(info.st_size),
      seconds: Int64(time.tv_sec), nanoseconds: Int64(time.tv_nsec))
  }
}
