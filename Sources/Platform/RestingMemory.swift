// SPDX-License-Identifier: Apache-2.0
//
// A process at rest needs a tenth of the code that its start, or a request of its user, went through: the
// rest of the pages is given back, and the kernel maps a page again, from its cache of the file, when it
// is touched.

import CPlatform

package enum RestingMemory {
  /// How long after a start or a request it is over, nanoseconds.
  package static let delay: UInt64 = 1_000_000_000

  /// Takes about a millisecond, and as much again for code that is needed after all. Any thread.
  package static func release() { plat_release_code() }
}
