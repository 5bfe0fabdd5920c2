// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import NetStack

@Suite(.timeLimit(.minutes(5))) struct DHCPSleepTests {
  @Test func `a lease ages while the host sleeps, though timers stand still`() throws {
    let world = try DatagramWorld()
    let core = world.stack.core
    var slept: UInt64 = 5 * seconds
    core.slept = { slept }
    let service = DHCPService(
      stack: core, configuration: server().state.configuration, policy: pool(10))
    let client = DHCPClient(mac: Client(1).mac)
    service.restore(
      [
        DHCPLease(
          address: guestIP, client: client, hostname: "vm", state: .bound,
          expiry: core.elapsed + 3600 * seconds)
      ], port: DatagramWorld.port)
    let now = core.now
    #expect(service.leases().map(\.lease.address) == [guestIP])
    slept += 3599 * seconds
    #expect(service.leases().count == 1)
    // Another guest is not given the address of one that may come back.
    let other = service.reserve(port: DatagramWorld.port, mac: Client(2).mac, name: "b")
    #expect(other != nil && other != guestIP)
    slept += 2 * seconds
    #expect(service.leases().map(\.lease.address) == [other])
    #expect(core.now == now)
  }
}
