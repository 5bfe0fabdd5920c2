// SPDX-License-Identifier: Apache-2.0
//
// ThreadUse: what the first thread of a process does, and what it has had of the machine (proc_pid_stat(5)).

package struct ThreadUse: Sendable, Equatable {
  /// "R" runs or could, "S" and "D" wait, "T" and "t" are stopped, "Z" has ended.
  package var state: Character
  /// ns of CPU since it began; nil where the kernel does not tell.
  package var runTime: UInt64?
  /// Page faults that had to be read from a disk.
  package var majorFaults: UInt64

  /// Nil where the system does not tell.
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
  /// What a thread that makes no progress waits for.
  package enum Cause: Sendable, Equatable {
    case busy
    case stopped
    case traced
    /// It could run, and gets no CPU, or waits for its memory.
    case starved
  }

  /// How much of the time between two looks is to be held against a thread that did not come to an end meanwhile. One that
  /// could run and got no CPU is charged four times the CPU time that it got: on a loaded machine everything takes longer.
  /// One that waits for its memory to be read in is not charged, nor one that a debugger has stopped.
  /// - Parameters:
  ///   - passed: ns since the look before.
  ///   - before: nil: there was no look.
  ///   - after: nil: not known; all of the time counts.
  package static func charge(
    _ passed: UInt64, from before: ThreadUse?, to after: ThreadUse?
  ) -> (time: UInt64, cause: Cause) {
    guard let after else { return (passed, .busy) }
    switch after.state {
    case "T": return (passed, .stopped)
    case "t": return (0, .traced)
    // Its end is about to be told.
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
