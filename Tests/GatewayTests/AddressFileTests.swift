// SPDX-License-Identifier: Apache-2.0
//
// The file of guests' IPv6 addresses.

import NetStack
import Testing
import Wire

@testable import Gateway

@Suite(.timeLimit(.minutes(1))) struct AddressFileTests {
  private let mac = MACAddress(0x52, 0x55, 0x55, 0, 0, 1)

  @Test func `what is written is read, without claims`() {
    var table = GuestAddresses()
    let never = { (_: MACAddress) in false }
    let address = IPAddress(high: 0xfd00_0000_0000_0001, low: 0x1000)
    let claimed = IPAddress(high: 0xfd00_0000_0000_0001, low: 0x2000)
    let spoke = table.heard(address, from: mac, guest: 1, now: 0, mayReplace: never)
    #expect(spoke)
    table.probed(claimed, by: mac, guest: 1, now: 0, mayReplace: never)
    let text = AddressFile.text(table.all)
    #expect(text == "fd00:0:0:1::1000 52:55:55:00:00:01\n")
    #expect(AddressFile.parse(text) == [AddressFile.Line(address: address, mac: mac)])
  }

  @Test func `what makes no sense is passed over`() {
    let text = """
      fd00::1 52:55:55:00:00:01

      192.0.2.1 52:55:55:00:00:01
      fd00::2 01:00:5e:00:00:01
      fd00::3
      banana 52:55:55:00:00:01
      """
    #expect(AddressFile.parse(text).map(\.address) == [IPAddress(high: 0xfd00 << 48, low: 1)])
    let many = String(repeating: "fd00::1 52:55:55:00:00:01\n", count: 10_000)
    #expect(AddressFile.parse(many).count == GuestAddresses.perLink)
  }
}
