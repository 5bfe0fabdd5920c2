// SPDX-License-Identifier: Apache-2.0
//
// Thread identifiers, for assertions that code runs on the loop thread.

import CPlatform

package struct ThreadID: Hashable, Sendable {
  private let raw: UInt64

  /// The calling thread's.
  package static var current: ThreadID { ThreadID(raw: plat_thread_id()) }
}
