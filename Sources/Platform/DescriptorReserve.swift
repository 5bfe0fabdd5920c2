// SPDX-License-Identifier: Apache-2.0
//
// DescriptorReserve: how the descriptors of a network's process (RLIMIT_NOFILE) are divided between the flows of its guests,
// the guests' links, and what all of them need to go on: the DNS plugin's sockets, files, requests. A link is held as long
// as its guest lives; nothing makes room for one more, so that there is a bound, and the one beyond it is turned away.

package enum DescriptorReserve {
  /// Descriptors of `limit` that are not for flows: a quarter, up to 1280.
  package static func size(of limit: Int) -> Int { min(1280, max(64, limit / 4)) }

  /// Those of the reserve that guests' links may have: all but a fifth, or but 32; at most as many as a network has guests.
  package static func links(of limit: Int) -> Int {
    let size = size(of: limit)
    return min(1024, size - max(32, size / 5))
  }

  /// Links that the supervisor keeps of all networks together: it has no flows, but sockets, files and processes.
  package static func supervisedLinks(of limit: Int) -> Int { max(16, limit - max(96, limit / 4)) }

  /// What a user can do who needs more; the process has taken all that it may have (its hard limit) by itself.
  package static let remedy =
    "start lima-netd with a higher hard limit of open files (`ulimit -n`, LimitNOFILE= of a unit; see `lima-netd doctor`)"
}
