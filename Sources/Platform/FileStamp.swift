// SPDX-License-Identifier: Apache-2.0

import LibC

/// Identifies a version of a file: device, inode, size and modification time.
package struct FileStamp: Equatable, Sendable {
  private var device: UInt64 = 0
  private var inode: UInt64 = 0
  private var size: Int64 = -1
  private var seconds: Int64 = 0
  private var nanoseconds: Int64 = 0

  /// Of the file at `path`, links followed; equal for all paths where no file is.
  package init(of path: String) {
    var info = stat()
    guard stat(path, &info) == 0 else { return }
    #if canImport(Glibc)
      let time = info.st_mtim
    #else
      let time = info.st_mtimespec
    #endif
    device = UInt64(truncatingIfNeeded: info.st_dev)
    inode = UInt64(truncatingIfNeeded: info.st_ino)
    size = Int64(info.st_size)
    seconds = Int64(time.tv_sec)
    nanoseconds = Int64(time.tv_nsec)
  }
}
