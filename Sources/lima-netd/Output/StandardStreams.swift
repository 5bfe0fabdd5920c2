// SPDX-License-Identifier: Apache-2.0
//
// StandardOutput, StandardError: what a command says, and notes beside it. Unbuffered: a line is out when print
// returns, also when the process then waits for hours.

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

enum StandardOutput {
  static func print(_ text: String) {
    _ = write(Array((text + "\n").utf8)[...])
  }

  /// - Returns: false when the reader has gone.
  static func write(_ bytes: ArraySlice<UInt8>) -> Bool {
    writeAll(1, bytes)
  }
}

enum StandardError {
  static func print(_ text: String) {
    _ = writeAll(2, Array((text + "\n").utf8)[...])
  }
}

private func writeAll(_ fd: Int32, _ bytes: ArraySlice<UInt8>) -> Bool {
  var rest = bytes
  while !rest.isEmpty {
    let result = rest.withUnsafeBytes { write(fd, $0.baseAddress, $0.count) }
    if result < 0, errno == EINTR { continue }
    guard result > 0 else { return false }
    rest = rest.dropFirst(result)
  }
  return true
}
