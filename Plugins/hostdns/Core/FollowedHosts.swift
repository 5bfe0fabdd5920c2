// SPDX-License-Identifier: Apache-2.0

import Platform

/// The hosts file, followed as `FollowedFile` is. A short one is read at once; a long one on a
/// thread of its own, so that nobody waits for it. While it is being read every name may be in it,
/// which leaves the names to the C library: nothing old is told, nothing new is missed.
///
/// Loop thread. One file is read at a time.
final class FollowedHosts {
  /// Octets that are taken apart on the loop: a millisecond at most.
  static let shortLength = 32 << 10
  /// Milliseconds the end waits for the thread.
  private static let patience = 200

  private(set) var content = HostsFile.unread
  private let path: String
  private var stamp: FileStamp?
  /// Where long files are read; nil: on the loop.
  private var pool: WorkerPool<String, HostsFile>?
  /// The reading under way, and the last one begun.
  private var reading: UInt64?
  private var lastReading: UInt64 = 0
  /// Changed again since it began.
  private var isStale = false

  init(path: String) {
    self.path = path
  }

  deinit { pool?.stop(within: Self.patience) }

  /// From now on long files are read on a thread, which calls `notify` when it is done: then
  /// `finish` takes what it read.
  func readInBackground(notify: @escaping @Sendable () -> Void) {
    pool = WorkerPool(
      threads: 1, queue: 1,
      work: { HostsFile(parsing: HostDNSSyscalls.read($0, limit: HostsFile.maximumLength)) },
      notify: notify)
  }

  /// Looks whether the file changed; true when it did, or with `force`.
  func refresh(force: Bool) -> Bool {
    let current = FileStamp(of: path)
    guard force || current != stamp else { return false }
    // Told of a change that was seen a moment ago.
    if reading != nil, current == stamp { return false }
    stamp = current
    if reading != nil {
      isStale = true
      return true
    }
    read()
    return true
  }

  private func read() {
    let text = HostDNSSyscalls.read(path, limit: Self.shortLength)
    if text.count == Self.shortLength, let pool {
      lastReading += 1
      if pool.submit(lastReading, path) {
        reading = lastReading
        content = .unread
        return
      }
    }
    content = HostsFile(
      parsing: text.count < Self.shortLength
        ? text : HostDNSSyscalls.read(path, limit: HostsFile.maximumLength))
  }

  /// Takes what the thread has read; true when there is something new.
  func finish() -> Bool {
    guard let pool, reading != nil else { return false }
    var isNew = false
    for (id, file) in pool.take() where id == reading {
      reading = nil
      if isStale {
        isStale = false
        read()
      } else {
        content = file
        isNew = true
      }
    }
    return isNew
  }

  /// Ends the thread.
  func stop(within milliseconds: Int) { pool?.stop(within: milliseconds) }
}
