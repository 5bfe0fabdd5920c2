// SPDX-License-Identifier: Apache-2.0
//
// HostProtocolVersion: which messages a network's process and its supervisor understand. A process outlives its supervisor's
// upgrade, so the two may be of different versions of lima-netd. The process tells its version in the heartbeat's page.

package enum HostProtocolVersion {
  /// Raised when a message of an older process, or to one, would be misunderstood; not for members and cases that are added.
  package static let current: UInt64 = 1
  /// Of processes that this supervisor goes on with.
  package static let understood: ClosedRange<UInt64> = 1...current
}
