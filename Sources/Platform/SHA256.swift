// SPDX-License-Identifier: Apache-2.0
//
// SHA-256 of bytes and of files (CPlatform/sha256.c says why it is not a library's).

import LibC
import CPlatform

package struct SHA256 {
  private var state = plat_sha256()

  /// - Parameter portable: without the CPU's SHA instructions, for tests.
  package init(portable: Bool = false) { plat_sha256_start(&state, portable ? 1 : 0) }

  package mutating func add(_ bytes: UnsafeRawBufferPointer) {
    plat_sha256_add(&state, bytes.baseAddress, UInt64(bytes.count))
  }

  /// Finishes the hash; 64 lower-case hexadecimal digits.
  package mutating func hexadecimal() -> String {
    var digest = [UInt8](repeating: 0, count: 32)
    plat_sha256_end(&state, &digest)
    let digits = Array("0123456789abcdef")
    return String(digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
  }

  package static func of(_ bytes: [UInt8]) -> String {
    var hash = SHA256()
    bytes.withUnsafeBytes { hash.add($0) }
    return hash.hexadecimal()
  }

  package static func of(file path: String) throws(SystemError) -> String {
    let fd = try Files.openForReading(path)
    defer { Descriptor.close(fd) }
    var hash = SHA256()
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = buffer.withUnsafeMutableBytes { read(fd, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw SystemError("read", .current, subject: path) }
      guard count > 0 else { return hash.hexadecimal() }
      buffer.withUnsafeBytes { hash.add(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    }
  }
}
