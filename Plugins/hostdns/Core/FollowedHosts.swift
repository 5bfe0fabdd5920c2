// SPDX-License-Identifier: Apache-2.0

import Platform

/// The hosts file, followed as by `FollowedFile`. A short one is read at once; a long one on a worker thread, so that
/// the loop does not block. While it is being read every name counts as possibly listed and is left to the C library,
/// so that no stale answer is given and no new entry missed.
///
/// Loop thread. One file is read at a time.
final class FollowedHosts {
  /// Octets up to which a file is parsed on the loop: at most a millisecond.
  static let shortLength = 32 << 10
  /// Milliseconds that `stop` waits for the thread.
  private static let patience = 200

  private(set) var content = HostsFile.unread
  private let path: String
  private var stamp: FileStamp?
  /// The thread for long files; nil: they are read on the loop.
  private var pool: WorkerPool<String, HostsFile>?
  /// The read under way, and the last one begun.
  private var reading: UInt64?
  private var lastReading: UInt64 = 0
  /// The file has changed again since the read began.
  private var isStale = false

  init(path: String) {
    self.path = path
  }

  deinit { pool?.stop(within: Self.patience) }

  /// From now on long files are read on a thread, which calls `notify` when it is done; `finish` then takes the
  /// result.
  func readInBackground(notify: @escaping @Sendable () -> Void) {
    pool = WorkerPool(
      threads: 1, queue: 1,
      work: { HostsFile(parsing: HostDNSSyscalls.read($0, limit: HostsFile.maximumLength)) },
      notify: notify)
  }

  /// Checks whether the file has changed; true when it has, or with `force`.
  func refresh(force: Bool) -> Bool {
    let current = FileStamp(of: path)
    guard force || current != stamp else { return false }
    // This change is already being read.
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

  /// Takes the thread's result; true when there is a new one.
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

  /// Stops the thread.
  func stop(within milliseconds: Int) { pool?.stop(within: milliseconds) }
}
