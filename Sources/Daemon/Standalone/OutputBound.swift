// SPDX-License-Identifier: Apache-2.0
//
// OutputBound: whether standard error, where it is a file, is as long as it may be. Nobody but who made the file may put it
// aside: what comes then is left out, until the file was emptied. A value; looked at now and then.

import Platform

struct OutputBound {
  enum Change: Equatable {
    case none
    case full
    case hasRoomAgain
  }

  static let limit: Int64 = 8 << 20
  /// ns from one look to the next.
  static let interval: UInt64 = 1_000_000_000

  let fd: Int32
  let limit: Int64
  private(set) var isFull = false

  init(fd: Int32 = 2, limit: Int64 = OutputBound.limit) {
    self.fd = fd
    self.limit = limit
  }

  /// What has changed since the last look. Nothing ever does of a terminal, a pipe or a socket.
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
