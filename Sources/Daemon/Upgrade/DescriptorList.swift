// SPDX-License-Identifier: Apache-2.0
//
// DescriptorList: descriptors that are handed over, collected by those who have them, and claimed by those who go on with
// them: each once.

import Platform

final class DescriptorList {
  private(set) var all: [Int32] = []

  /// It stays the giver's, should the handover not come about.
  /// - Returns: the same.
  func give(_ fd: Int32) -> Int32 {
    if fd >= 0, !all.contains(fd) { all.append(fd) }
    return fd
  }

  func give(_ entry: HandedSockets.Entry?) -> HandedSockets.Entry? {
    if let entry { _ = give(entry.fd) }
    return entry
  }
}
