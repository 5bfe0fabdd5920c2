// SPDX-License-Identifier: Apache-2.0
//
// Waiting in tests, in one place.
//
// A test that needs several things to be so waits for all of them in one condition: what is asserted right after a
// wait for something else fails when the machine is busy. The limit keeps a test that fails from hanging and is no
// claim, so it is long. Scripts/lint lets no test sleep by itself without saying why.

import LibC
import Platform

/// Seconds that a test waits for what has to come.
package let patience = 30.0

/// Waits until a condition holds, looking every 2 ms; false when it does not within `seconds`.
package func eventually(within seconds: Double = patience, _ condition: () throws -> Bool) rethrows
  -> Bool
{
  let deadline = MonotonicClock.now() + UInt64(seconds * 1e9)
  while true {
    // Looked at before the clock: a thread that slept through the deadline looks once more.
    let isLate = MonotonicClock.now() >= deadline
    if try condition() { return true }
    if isLate { return false }
    usleep(2000)
  }
}

/// Lets time pass in which nothing must happen. A busy machine can only make such a test miss a fault.
package func quietly(milliseconds: UInt32) { usleep(milliseconds * 1000) }
