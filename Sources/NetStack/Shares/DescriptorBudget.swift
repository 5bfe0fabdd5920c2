// SPDX-License-Identifier: Apache-2.0
//
// How the descriptors of a process are divided (RLIMIT_NOFILE). What is not the stack's is kept for
// the guests' links, the DNS plugin, logs and requests: without a descriptor none of them goes on.
// Each kind of flow has a bound of its own, so that connections leave UDP and DNS theirs.

import Platform

extension StackConfig {
  /// Takes over the bound of this process.
  package mutating func limitDescriptors() { descriptorLimit = CurrentProcess.descriptorLimit }
}

/// Sockets that each engine may have.
package struct DescriptorBudget: Equatable, Sendable {
  /// Listeners of forwards are among them.
  package let tcp: Int
  /// Of those: what forwards may listen at, and the connections that their clients have. The rest is left to what
  /// guests open themselves.
  package let listeners: Int
  package let forwarded: Int
  package let udp: Int
  package let pings: Int
  /// Connections to the network's DNS: each has one descriptor more, at the DNS's end.
  package let streams: Int

  package init(_ config: StackConfig) {
    let available = config.descriptorLimit.map { max(16, $0 &- Self.reserve(of: $0)) } ?? .max
    udp = max(1, min(config.udp.maximumFlows, available / 4))
    pings = max(1, min(config.icmp.maximumFlows, available / 32))
    streams = max(1, min(DNSIntercept.maximumStreams, available / 32))
    tcp = max(1, min(config.maximumFlows, available &- udp &- pings &- streams))
    forwarded = max(1, tcp / 4 &* 3)
    listeners = max(1, min(ForwardEngine.maximumForwards, forwarded / 4))
  }

  /// What a user can do who needs more; the process has taken all that it may have (its hard limit) by itself.
  static let remedy = DescriptorReserve.remedy

  /// Descriptors that are kept for others of `limit`.
  package static func reserve(of limit: Int) -> Int { DescriptorReserve.size(of: limit) }
}
