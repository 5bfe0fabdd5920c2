// SPDX-License-Identifier: Apache-2.0
//
// Ethernet addresses of guests that did not tell theirs when they came (QEMU's socket, unixgram): what the network's switch has
// learned, or, where each guest is alone, what its lease says. Loop thread.

import HostProtocol

extension Network {
  /// The report with those addresses, as far as they are known by now.
  func withAddresses(_ report: NetworkReport, _ link: HostLink) async -> NetworkReport {
    guard report.lacksAddresses else { return report }
    var full = report
    full.take(stations: await stations(link))
    guard full.lacksAddresses, let leases = try? await leases.list() else { return full }
    full.take(leases: leases)
    return full
  }

  /// The switch's table: Ethernet addresses and the guests they are behind; empty when the process does not tell.
  func stations(_ link: HostLink) async -> [String: UInt64] {
    guard case .json(let value)? = try? await link.ask(.listStations) else { return [:] }
    return (try? JSONText.decode([String: UInt64].self, from: value)) ?? [:]
  }
}

extension NetworkReport {
  fileprivate var lacksAddresses: Bool { guests.contains { $0.mac == nil } }

  /// - Parameter stations: the numbers of the guests they are behind; of several behind one the lowest is taken.
  mutating func take(stations: [String: UInt64]) {
    let known = Dictionary(
      stations.map { ($0.value, $0.key) }, uniquingKeysWith: { min($0, $1) })
    for index in guests.indices where guests[index].mac == nil {
      guests[index].mac = known[guests[index].id]
    }
  }

  /// Leases name the guest that they are of.
  mutating func take(leases: [LeaseReport]) {
    for index in guests.indices where guests[index].mac == nil {
      guests[index].mac = leases.first { $0.name == guests[index].name }?.mac
    }
  }
}
