// SPDX-License-Identifier: Apache-2.0
//
// ARP probes whether an address is in use (RFC 2131 §2.2; as RFC 5227 §2.1, but one probe, because a guest's link
// loses no frames), and their results. A value without side effects; time is an argument. Bounded: the oldest result
// is dropped first.

import Wire

struct AddressProbes {
  /// How long an answer is awaited, and how long a result is valid, nanoseconds.
  static let wait: UInt64 = 200_000_000
  private static let validity: UInt64 = 5_000_000_000
  private static let limit = 256

  private struct Probe {
    var sent: UInt64
    var user: MACAddress?
    /// Probed before a client needed the address: it may have been taken since.
    var isAhead: Bool
  }

  private var probes: [IPAddress: Probe] = [:]

  var isEmpty: Bool { probes.isEmpty }

  /// The result for an address; nil when it must be probed.
  /// - Parameter trustsAhead: an early probe without an answer counts, too: for a caller that cannot wait.
  func outcome(
    of address: IPAddress, for client: MACAddress, now: UInt64, trustsAhead: Bool
  ) -> DHCPProof? {
    guard let probe = probes[address], now &- probe.sent < Self.validity else { return nil }
    if let user = probe.user { return user == client ? .unused : .used }
    if probe.isAhead, !trustsAhead { return nil }
    return now &- probe.sent < Self.wait ? .pending : .unused
  }

  mutating func asked(_ address: IPAddress, now: UInt64, isAhead: Bool) {
    probes = probes.filter { now &- $0.value.sent < Self.validity }
    if probes.count >= Self.limit, let oldest = probes.min(by: { $0.value.sent < $1.value.sent }) {
      probes[oldest.key] = nil
    }
    probes[address] = Probe(sent: now, isAhead: isAhead)
  }

  /// A station has used an address.
  mutating func heard(_ address: IPAddress, from mac: MACAddress) {
    guard probes[address] != nil else { return }
    probes[address]?.user = mac
  }

  /// Stations are gone: the addresses that they used must be probed again.
  mutating func forget(_ stations: Set<MACAddress>) {
    probes = probes.filter { probe in
      guard let user = probe.value.user else { return true }
      return !stations.contains(user)
    }
  }
}
