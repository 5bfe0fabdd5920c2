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

  package init(state: Character, runTime: UInt64?, majorFaults: UInt64) {
    self.state = state
    self.runTime = runTime
    self.majorFaults = majorFaults
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

extension ThreadUse {
  /// Why a thread makes no progress.
  package enum Cause: Sendable, Equatable {
    case busy
    case stopped
    case traced
    /// It is runnable without a CPU, or waits for its memory to be read in.
    case starved
  }

  /// How much of the time between two checks counts against the limit of a thread that has not finished. A runnable
  /// thread is charged four times the CPU time that it got, because everything takes longer on a loaded machine. A
  /// thread that waits for its memory to be read in, or that a debugger has stopped, is not charged.
  /// - Parameters:
  ///   - passed: ns since the previous check.
  ///   - before: nil: no previous check.
  ///   - after: nil: unknown; the whole time counts.
  package static func charge(
    _ passed: UInt64, from before: ThreadUse?, to after: ThreadUse?
  ) -> (time: UInt64, cause: Cause) {
    guard let after else { return (passed, .busy) }
    switch after.state {
    case "T": return (passed, .stopped)
    case "t": return (0, .traced)
    // It has ended, which is about to be reported.
    case "Z", "X": return (0, .busy)
    case "R":
      guard let earlier = before?.runTime, let now = after.runTime else { return (0, .busy) }
      let share = (now &- earlier).multipliedReportingOverflow(by: 4)
      guard !share.overflow else { return (passed, .busy) }
      let isStarved = share.partialValue < passed / 4
      return (min(passed, share.partialValue), isStarved ? .starved : .busy)
    case "D":
      if let before, before.majorFaults != after.majorFaults { return (0, .starved) }
      return (passed, .busy)
    default: return (passed, .busy)
    }
  }
}
