// SPDX-License-Identifier: Apache-2.0
//
// HandoverMemory: bytes in memory without a file (memfd_create(2)), for a program that takes this one's place, or a child. Linux.

#if os(Linux)
  import LibC

  package enum HandoverMemory {
    private static let name = "lima-netd-handover"
    /// Bytes.
    package static let limit = 64 << 20

    /// The caller owns the descriptor.
    package static func make(_ bytes: [UInt8]) throws(SystemError) -> Int32 {
      let fd = try SharedMemory.create(name: name, size: 0)
      do throws(SystemError) {
        try Files.writeAll(fd, bytes)
        return fd
      } catch {
        Descriptor.close(fd)
        throw error
      }
    }

    /// Whether it is the memory of `make`, by whatever process.
    package static func isOne(_ fd: Int32) -> Bool {
      ChildProcess.link("/proc/self/fd/\(fd)")?.hasPrefix("/memfd:\(name)") == true
    }

    /// All of it, wherever its offset is.
    /// - Throws: EFBIG beyond the limit.
    package static func read(_ fd: Int32) throws(SystemError) -> [UInt8] {
      var info = stat()
      guard fstat(fd, &info) == 0 else { throw SystemError("fstat", .current) }
      guard (0...limit).contains(Int(info.st_size)) else {
        throw SystemError("read", Errno(EFBIG), subject: name)
      }
      var bytes = [UInt8](repeating: 0, count: Int(info.st_size))
      var filled = 0
      while filled < bytes.count {
        let count = bytes.withUnsafeMutableBytes {
          pread(fd, $0.baseAddress?.advanced(by: filled), $0.count - filled, off_t(filled))
        }
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else { throw SystemError("pread", .current, subject: name) }
        filled += count
      }
      return bytes
    }
  }
#endif
