// SPDX-License-Identifier: Apache-2.0
//
// NetworkLog: the file that takes what a network's process and its plugins print. Bounded: a file beyond 8 MiB is put
// aside as NAME.log.1, in place of the one before, at a start and, with a process that runs, within 10 s.

import Platform

enum NetworkLog {
  private static let limit: Int64 = 8 << 20
  /// Nanoseconds between two looks at how large it is.
  static let interval: UInt64 = 10_000_000_000

  static func isFull(_ path: String) -> Bool {
    (try? Files.info(path, followLinks: false)).map { $0.kind == .file && $0.size > limit } ?? false
  }

  /// A descriptor for appending, the caller's to close.
  static func open(_ path: String) throws(SystemError) -> Int32 {
    if isFull(path) { try Files.rename(path, to: path + ".1") }
    return try Files.openForAppending(path, mode: 0o600)
  }

  /// The last lines, for the report of a process that died.
  static func tail(_ path: String, lines: Int = 20) -> [String] {
    guard let bytes = try? Files.tail(path, limit: 8192) else { return [] }
    return String(decoding: bytes, as: UTF8.self)
      .split(separator: "\n").suffix(lines).map { String($0.prefix(400)) }
  }
}
