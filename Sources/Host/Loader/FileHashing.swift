// SPDX-License-Identifier: Apache-2.0
//
// FileHashing: the SHA-256 of plugin files, computed on a thread while the loop serves guests: a file of 20 MB takes
// tens of milliseconds, and the disk may add any time.

import Platform

/// Thread: loop only, except what the worker runs.
final class FileHashing<Purpose> {
  /// Maximum waiting files.
  private static var maximumWaiting: Int { 64 }

  private let pool: WorkerPool<String, Result<String, SystemError>>
  private var purposes: [UInt64: Purpose] = [:]
  private var lastID: UInt64 = 0

  init(waker: Waker) {
    pool = WorkerPool(
      threads: 1, queue: Self.maximumWaiting,
      work: { path in Result { () throws(SystemError) in try SHA256.of(file: path) } },
      notify: { waker.wake() })
  }

  /// False when too many wait.
  func begin(_ path: String, for purpose: Purpose) -> Bool {
    lastID &+= 1
    guard pool.submit(lastID, path) else { return false }
    purposes[lastID] = purpose
    return true
  }

  /// The finished hashes, in the order in which they were begun.
  func take() -> [(purpose: Purpose, hash: Result<String, SystemError>)] {
    guard !purposes.isEmpty else { return [] }
    return pool.take().compactMap { id, hash in
      purposes.removeValue(forKey: id).map { ($0, hash) }
    }
  }
}
