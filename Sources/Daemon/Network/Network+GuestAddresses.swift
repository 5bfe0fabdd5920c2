// SPDX-License-Identifier: Apache-2.0
//
// Ethernet addresses of guests that did not tell theirs when they came (QEMU's socket, unixgram): what the network's switch has
// learned, or, where each guest is alone, what its lease says. Loop thread.

import HostProtocol

extension Network {
  /// The report with those addresses, as far as they are known by now.
  func withAddresses(
    _ report: NetworkReport, _ link: HostLink, _ answer: @escaping (NetworkReport) -> Void
  ) {
    guard report.lacksAddresses else { return answer(report) }
    link.request(.listStations) { [weak self] reply in
      var full = report
      if case .success(.json(let value)) = reply,
        let stations = try? JSONText.decode([String: UInt64].self, from: value)
      {
        full.take(stations: stations)
      }
      guard let self, full.lacksAddresses else { return answer(full) }
      leases.list { result in
        if case .success(let leases) = result { full.take(leases: leases) }
        answer(full)
      }
    }
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
