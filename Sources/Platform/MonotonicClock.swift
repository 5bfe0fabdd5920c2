// SPDX-License-Identifier: Apache-2.0
//
// The clocks, and what each is for:
//
//   MonotonicClock  deadlines, timers and durations of work: TCP's timers, query timeouts, retries, back-off.
//                   It stops while the host sleeps, as the kernel's timers do: a resume does not make every timer due.
//   + SleepClock    lifetimes that others measure, too: TTLs of the DNS cache, leases and the names that follow them.
//                   `now + SleepClock.slept()` includes the sleep. A timer for such an end uses MonotonicClock and,
//                   since the end may fall into a sleep, is at most a minute ahead.
//   WallClock       logs, and times written to files: it may be set, forwards and back.
//
// Linux: CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME. Darwin, whose CLOCK_MONOTONIC counts sleep:
// CLOCK_UPTIME_RAW, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME. Protocol logic does not read clocks: its callers pass the
// time and the sleep.

import CPlatform

package enum MonotonicClock {
  /// Nanoseconds since an arbitrary start, without the host's sleep; never goes back. Any thread.
  @inline(__always)
  package static func now() -> UInt64 { plat_now_ns() }
}

package enum SleepClock {
  /// Nanoseconds that the host was asleep since it booted. Any thread.
  package static func slept() -> UInt64 { plat_slept_ns() }
}

package enum WallClock {
  /// Nanoseconds since 1970-01-01T00:00:00Z. Any thread.
  package static func now() -> UInt64 { plat_wall_ns() }

  /// "2026-01-31T12:34:56.789Z"
  package static func timestamp(_ nanoseconds: UInt64 = now()) -> String {
    let seconds = nanoseconds / 1_000_000_000
    let (year, month, day) = civil(days: Int(seconds / 86400))
    let second = Int(seconds % 86400)
    let milli = Int(nanoseconds / 1_000_000 % 1000)
    return "\(pad(year, 4))-\(pad(month, 2))-\(pad(day, 2))T"
      + "\(pad(second / 3600, 2)):\(pad(second / 60 % 60, 2)):\(pad(second % 60, 2))"
      + ".\(pad(milli, 3))Z"
  }

  private static func pad(_ value: Int, _ width: Int) -> String {
    let digits = String(value)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }

  /// Days since 1970 to a date of the proleptic Gregorian calendar. Years are
  /// counted from 1 March of year 0, so that the leap day is a year's last day.
  private static func civil(days: Int) -> (Int, Int, Int) {
    let shifted = days + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra =
      (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let month = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * month + 2) / 5 + 1
    let calendarMonth = month < 10 ? month + 3 : month - 9
    return (yearOfEra + era * 400 + (calendarMonth <= 2 ? 1 : 0), calendarMonth, day)
  }
}
