// SPDX-License-Identifier: Apache-2.0
//
// The division of the process's descriptors (RLIMIT_NOFILE). A reserve is kept for the guests' links, the DNS plugin, logs
// and requests, which cannot work without descriptors. Each kind of flow has its own limit, so that connections cannot take
// the descriptors of UDP and DNS.

import Platform

extension StackConfig {
  /// Uses the limit of this process.
  package mutating func limitDescriptors() { descriptorLimit = CurrentProcess.descriptorLimit }
}

/// Maximum number of sockets per engine.
package struct DescriptorBudget: Equatable, Sendable {
  /// Includes the listeners of forwards.
  package let tcp: Int
  /// The part of `tcp` available to forwards' listeners and their clients' connections. The rest is for connections opened
  /// by guests.
  package let listeners: Int
  package let forwarded: Int
  package let udp: Int
  package let pings: Int
  /// Connections to the network's DNS; each needs another descriptor at the DNS's end.
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

  /// Advice for the user on raising the limit. The process has already raised its soft limit to the hard limit.
  static let remedy = DescriptorReserve.remedy

  /// Number of descriptors reserved for other uses, of `limit`.
  package static func reserve(of limit: Int) -> Int { DescriptorReserve.size(of: limit) }
}
