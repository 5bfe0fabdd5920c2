// SPDX-License-Identifier: Apache-2.0
//
// ResourceLimit: a lower soft limit of the test's process for a moment (getrlimit(2)). Tests that use it are serialized:
// the limit is every thread's.

import LibC

package enum ResourceLimit {
  /// Open files (RLIMIT_NOFILE): numbers of descriptors.
  case descriptors
  /// A file's size (RLIMIT_FSIZE), octets: a write stops in its middle, as on a full disk.
  case fileSize

  /// - Returns: nil: the system did not take the limit, and `body` was not called.
  package func lowered<Value>(to value: Int, _ body: () -> Value) -> Value? {
    if case .fileSize = self { signal(SIGXFSZ, SIG_IGN) }
    var before = rlimit()
    guard getrlimit(kind, &before) == 0 else { return nil }
    var now = before
    now.rlim_cur = rlim_t(value)
    guard setrlimit(kind, &now) == 0 else { return nil }
    defer { _ = setrlimit(kind, &before) }
    return body()
  }

  #if canImport(Glibc)
    private var kind: __rlimit_resource_t {
      switch self {
      case .descriptors: __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
      case .fileSize: __rlimit_resource_t(RLIMIT_FSIZE.rawValue)
      }
    }
  #else
    private var kind: Int32 {
      switch self {
      case .descriptors: RLIMIT_NOFILE
      case .fileSize: RLIMIT_FSIZE
      }
    }
  #endif
}
