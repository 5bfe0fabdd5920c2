// SPDX-License-Identifier: Apache-2.0
//
// Telling threads apart, for assertions of "only on the loop thread".

import CPlatform

package struct ThreadID: Hashable, Sendable {
  private let raw: UInt64

  /// The calling thread's.
  package static var current: ThreadID { ThreadID(raw: plat_thread_id()) }
}
