// SPDX-License-Identifier: Apache-2.0
//
// Checks an ELF file's headers before the dynamic linker maps it: a truncated file would kill the process (SIGBUS)
// instead of failing. Its texts are the same on every system, unlike the linker's.

import LibC
import HostProtocol
import Platform

/// Why a file cannot be loaded, in words for users.
package struct LoadError: Error, Equatable {
  package let reason: LoadFailure
  package let detail: String

  package init(_ reason: LoadFailure, _ detail: String) {
    self.reason = reason
    self.detail = detail
  }
}

enum ELFCheck {
  #if arch(x86_64)
    private static let machine: (number: UInt16, name: String) = (62, "x86-64")
  #elseif arch(arm64)
    private static let machine: (number: UInt16, name: String) = (183, "AArch64")
  #else
    private static let machine: (number: UInt16, name: String) = (0, "")
  #endif

  /// Checks that `path` is a complete shared object for this machine.
  static func check(_ path: String) throws(LoadError) {
    var info = stat()
    guard stat(path, &info) == 0 else {
      let errno = Errno.current
      if errno == .noSuchFile { throw LoadError(.missingFile, "there is no file \(path)") }
      throw LoadError(.missingFile, "\(path): \(errno)")
    }
    guard info.st_mode & S_IFMT == S_IFREG else {
      throw LoadError(.notELF, "\(path) is not a regular file")
    }
    let fd: Int32
    do throws(SystemError) { fd = try Files.openForReading(path) } catch {
      throw LoadError(.missingFile, "\(path) cannot be read: \(error.reason)")
    }
    defer { Descriptor.close(fd) }
    #if os(Linux)
      try checkHeaders(fd, Int(info.st_size), path)
    #endif
  }

  /// ELF64 header: e_type 16, e_machine 18, e_phoff 32, e_phentsize 54,
  /// e_phnum 56. Program header: p_type 0, p_offset 8, p_filesz 32.
  private static func checkHeaders(_ fd: Int32, _ size: Int, _ path: String) throws(LoadError) {
    guard let header = read(fd, at: 0, count: 64), header.starts(with: [0x7f, 0x45, 0x4c, 0x46])
    else {
      let start = read(fd, at: 0, count: min(size, 4)) ?? []
      throw LoadError(
        .notELF,
        start.starts(with: [0x7f, 0x45, 0x4c, 0x46])
          ? "the file is truncated: it has \(Plural.text(Int(size), "byte")), less than an ELF header"
          : "it is no ELF file (a shared library of Linux)")
    }
    let isNative = header[4] == 2 && header[5] == 1 && number(header, 18, 2) == machine.number
    guard isNative || machine.number == 0 else {
      throw LoadError(.notELF, "it is built for another machine; this one is \(machine.name)")
    }
    guard number(header, 16, 2) == 3 else {
      throw LoadError(.notELF, "it is an ELF file, but no shared object (link it with -shared)")
    }
    let (offset, entry, count) = (
      number(header, 32, 8), number(header, 54, 2), number(header, 56, 2)
    )
    guard entry >= 56, count > 0, count < 0xffff, offset <= UInt64(Int.max / 2),
      let table = read(fd, at: Int(offset), count: Int(entry * count))
    else {
      throw LoadError(.notELF, "the file is truncated or damaged: its program headers are missing")
    }
    for index in 0..<Int(count) {
      let base = index * Int(entry)
      guard number(table, base, 4) == 1 else { continue }  // PT_LOAD
      let (end, overflow) = number(table, base + 8, 8)
        .addingReportingOverflow(number(table, base + 32, 8))
      guard !overflow, end <= UInt64(size) else {
        throw LoadError(
          .notELF, "the file is truncated: its contents end at byte \(end), the file at \(size)")
      }
    }
  }

  private static func number(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> UInt64 {
    bytes[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private static func read(_ fd: Int32, at offset: Int, count: Int) -> [UInt8]? {
    var buffer = [UInt8](repeating: 0, count: count)
    let got = buffer.withUnsafeMutableBytes { pread(fd, $0.baseAddress, count, off_t(offset)) }
    return got == count ? buffer : nil
  }
}
