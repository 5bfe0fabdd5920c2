// SPDX-License-Identifier: Apache-2.0
//
// An idle process needs a tenth of the code pages that its start or a user's request touched: the rest is released,
// and the kernel maps a page again from its page cache on the next access.

import CPlatform

package enum RestingMemory {
  /// Delay after a start or a request, nanoseconds.
  package static let delay: UInt64 = 1_000_000_000

  /// Takes about a millisecond, and as much again to map the pages still needed. Any thread.
  package static func release() { plat_release_code() }
}
