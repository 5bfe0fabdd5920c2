// SPDX-License-Identifier: Apache-2.0
//
// DescriptorReserve: how the descriptors of a network process (RLIMIT_NOFILE) are divided between the guests' flows,
// the guests' links, and what all guests share: the DNS plugin's sockets, files, control requests. A link lives as
// long as its guest and is never evicted, so their number is bounded and a guest beyond the bound is refused.

package enum DescriptorReserve {
  /// Descriptors of `limit` that flows may not use: a quarter, up to 1280.
  package static func size(of limit: Int) -> Int { min(1280, max(64, limit / 4)) }

  /// How many of the reserve guests' links may use: all but a fifth or all but 32; at most a network's maximum of
  /// guests.
  package static func links(of limit: Int) -> Int {
    let size = size(of: limit)
    return min(1024, size - max(32, size / 5))
  }

  /// Links that the supervisor keeps for all networks together. It has no flows, but sockets, files and processes.
  package static func supervisedLinks(of limit: Int) -> Int { max(16, limit - max(96, limit / 4)) }

  /// What a user who needs more can do; the process has already raised its soft limit to the hard limit.
  package static let remedy =
    "start lima-netd with a higher hard limit of open files (`ulimit -n`, LimitNOFILE= of a unit; see `lima-netd doctor`)"
}
