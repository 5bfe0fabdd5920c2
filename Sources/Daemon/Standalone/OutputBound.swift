// SPDX-License-Identifier: Apache-2.0
//
// OutputBound: whether standard error, if it is a file, has reached its maximum length. Only the creator of the file can
// rotate it: output beyond the maximum is dropped until the file was truncated. A value, checked periodically.

import Platform

struct OutputBound {
  enum Change: Equatable {
    case none
    case full
    case hasRoomAgain
  }

  static let limit: Int64 = 8 << 20
  /// Interval of checks, ns.
  static let interval: UInt64 = 1_000_000_000

  let fd: Int32
  let limit: Int64
  private(set) var isFull = false

  init(fd: Int32 = 2, limit: Int64 = OutputBound.limit) {
    self.fd = fd
    self.limit = limit
  }

  /// The change since the last check. Terminals, pipes and sockets never change.
  mutating func look() -> Change {
    guard let size = Files.size(ofFile: fd) else { return .none }
    if !isFull, size >= limit {
      isFull = true
      return .full
    }
    if isFull, size < limit / 2 {
      isFull = false
      return .hasRoomAgain
    }
    return .none
  }
}
