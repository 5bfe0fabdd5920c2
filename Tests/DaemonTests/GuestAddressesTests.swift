// SPDX-License-Identifier: Apache-2.0
//
// Ethernet addresses of guests that did not tell theirs.

import Testing

@testable import Daemon

@Suite(.serialized, .ownThread, .timeLimit(.minutes(1))) struct GuestAddressesTests {
  @Test func `stations come first, leases by name after them, and what a guest told stays`() throws
  {
    var report = try Fixture().network().report(registry: nil)
    func guest(_ id: UInt64, _ mac: String? = nil) -> GuestReport {
      GuestReport(id: id, name: "guest-\(id)", transport: "stream", mac: mac, since: "")
    }
    report.guests = [guest(1, "told"), guest(2), guest(3), guest(4)]
    report.take(stations: ["b": 2, "a": 2, "c": 1, "d": 9])
    report.take(leases: [
      LeaseReport(network: "lab", address: "10.0.0.3", mac: "e", name: "guest-3"),
      LeaseReport(network: "lab", address: "10.0.0.2", mac: "f", name: "guest-2"),
    ])
    #expect(report.guests.map(\.mac) == ["told", "a", "e", nil])
  }
}
