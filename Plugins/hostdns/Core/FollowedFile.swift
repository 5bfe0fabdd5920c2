// SPDX-License-Identifier: Apache-2.0

import Platform

/// A file that is read again when its inode, time or size has changed. The check costs one stat and is made for each
/// query that gets here, so that a change is found soon. Links are followed, so that a new target counts, too. Loop
/// thread.
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

  /// Checks whether the file has changed; true when it has, or with `force`.
  mutating func refresh(force: Bool = false) -> Bool {
    let current = FileStamp(of: path)
    guard force || current != stamp else { return false }
    stamp = current
    content = parse(HostDNSSyscalls.read(path, limit: limit))
    return true
  }
}
