// SPDX-License-Identifier: Apache-2.0
//
// Waiting in tests.
//
// A test that needs several conditions waits for all of them in one call: an assertion right after waiting for something
// else fails on a busy machine. The limit only keeps a failing test from hanging, so it is long. Scripts/lint requires a
// reason for any other sleep in a test.

import LibC
import Platform

/// Default time limit, seconds.
package let patience = 30.0

/// Waits until a condition holds, evaluating it every 2 ms; false if it does not within `seconds`.
package func eventually(within seconds: Double = patience, _ condition: () throws -> Bool) rethrows
  -> Bool
{
  let deadline = MonotonicClock.now() + UInt64(seconds * 1e9)
  while true {
    // Read before the condition: a thread that slept past the deadline evaluates it once more.
    let isLate = MonotonicClock.now() >= deadline
    if try condition() { return true }
    if isLate { return false }
    usleep(2000)
  }
}

/// Waits while something must not happen. On a busy machine such a test can only miss an error.
package func quietly(milliseconds: UInt32) { usleep(milliseconds * 1000) }
