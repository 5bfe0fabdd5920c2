// SPDX-License-Identifier: Apache-2.0

import Platform

/// A file that is followed: read anew when it is another one, or its time or its size changed.
/// Looking costs one stat, so it is done for the questions that get here, and no change is ever
/// missed for long. Links are followed, so that a new target counts, too. Loop thread.
struct FollowedFile<Content> {
  let path: String
  private(set) var content: Content
  private let limit: Int
  private let parse: ([UInt8]) -> Content
  private var stamp: FileStamp?

  /// Not read before the first `refresh`.
  init(path: String, limit: Int, parse: @escaping ([UInt8]) -> Content) {
    self.path = path
    self.limit = limit
    self.parse = parse
    content = parse([])
  }

  /// Looks whether the file changed; true when it did, or with `force`.
  mutating func refresh(force: Bool = false) -> Bool {
    let current = FileStamp(of: path)
    guard force || current != stamp else { return false }
    stamp = current
    content = parse(HostDNSSyscalls.read(path, limit: limit))
    return true
  }
}
