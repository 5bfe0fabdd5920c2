// SPDX-License-Identifier: Apache-2.0
//
// ThreadUse: state, CPU time and page faults of a process's first thread (proc_pid_stat(5)).

package struct ThreadUse: Sendable, Equatable {
  /// "R" runs or is runnable, "S" and "D" wait, "T" and "t" are stopped, "Z" has ended.
  package var state: Character
  /// ns of CPU time so far; nil where the kernel does not report it.
  package var runTime: UInt64?
  /// Page faults that had to be read from a disk.
  package var majorFaults: UInt64

  /// Nil where the system does not report it.
  package init?(firstThreadOf pid: Int32) {
    #if os(Linux)
      guard let bytes = try? Files.read("/proc/\(pid)/task/\(pid)/stat", limit: 4096) else {
        return nil
      }
      let use = try? Files.read("/proc/\(pid)/task/\(pid)/schedstat", limit: 256)
      self.init(stat: bytes, schedstat: use)
    #else
      return nil
    #endif
  }

  /// - Parameters:
  ///   - stat: the file's bytes. The name, in parentheses, may have any byte in it.
  ///   - schedstat: "ns of CPU, ns of waiting for one, time slices"
  init?(stat: [UInt8], schedstat: [UInt8]?) {
    guard let name = stat.lastIndex(of: UInt8(ascii: ")")) else { return nil }
    let fields = String(decoding: stat[(name + 1)...], as: UTF8.self).split(separator: " ")
    // From field 3 on: state, ppid, pgrp, session, tty, tpgid, flags, minflt, cminflt, majflt.
    guard fields.count > 9, let state = fields[0].first, let faults = UInt64(fields[9]) else {
      return nil
    }
    self.state = state
    majorFaults = faults
    runTime = schedstat.flatMap {
      String(decoding: $0, as: UTF8.self).split(separator: " ").first.flatMap { UInt64($0) }
    }
  }
}
