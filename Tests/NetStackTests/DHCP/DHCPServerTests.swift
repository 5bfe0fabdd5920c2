// SPDX-License-Identifier: Apache-2.0
//
// The server's replies, by sections of RFC 2131.

import Testing
import Wire

@testable import NetStack

@Suite("DHCP server", .timeLimit(.minutes(5)))
struct DHCPServerTests {
  @Test("§3.1: DISCOVER, OFFER, REQUEST, ACK give the guest its address")
  func handshake() throws {
    let server = server()
    let client = Client(1)
    let offer = try #require(server.answer(client.discover()))
    #expect(offer.type == .offer)
    #expect(offer.message.yourAddress == guestIP)
    #expect(server.leases(now: 0).map(\.state) == [.offered])
    let ack = try #require(server.answer(client.select(guestIP)))
    #expect(ack.type == .ack)
    #expect(ack.message.yourAddress == guestIP)
    #expect(ack.message.transactionID == 0x1234_5678)
    #expect(server.leases(now: 0).map(\.state) == [.bound])
  }

  @Test("§4.3.1 table 3: an ACK carries the lease times and the parameters in their order")
  func parameters() throws {
    let server = server()
    var client = Client(1, identifier: [1, 2, 3])
    client.hostname = "lima-vm"
    client.requests = [26, 3, 1, 6, 15, 28, 12, 119, 42]
    let ack = try #require(server.answer(client.select(guestIP))).message
    #expect(
      ack.options.codes == [53, 54, 61, 51, 58, 59, 1, 26, 3, 6, 15, 28, 12, 119])
    #expect(ack.options.address(54) == serverIP)
    #expect(ack.options.uint32(51) == 3600)
    #expect(ack.options.uint32(58) == 1800)
    #expect(ack.options.uint32(59) == 3150)
    #expect(ack.options[1] == [255, 255, 255, 0])
    #expect(ack.options[28] == [192, 168, 5, 255])
    #expect(ack.options[3] == [192, 168, 5, 2])
    #expect(ack.options[6] == [192, 168, 5, 3])
    #expect(ack.options.uint16(26) == 65520)
    #expect(ack.options[12] == Array("lima-vm".utf8))
    #expect(ack.options[15] == Array("lan".utf8))
    #expect(ack.options[61] == [1, 2, 3])
    #expect(ack.serverAddress == .anyV4)
    #expect(server.leases(now: 0).first?.hostname == "lima-vm")
  }

  @Test("§4.3.1: only what was requested is sent, and the usual to those who don't say")
  func requestedParameters() throws {
    let server = server()
    var client = Client(1)
    client.requests = [3]
    let few = try #require(server.answer(client.discover())).message
    #expect(few.options.codes == [53, 54, 51, 58, 59, 3])
    client.requests = nil
    let usual = try #require(server.answer(client.discover())).message
    #expect(usual.options.codes == [53, 54, 51, 58, 59, 1, 3, 6, 28, 26, 15, 119])
  }

  @Test("§4.1: answers go where the client can hear them")
  func delivery() throws {
    let server = server()
    let client = Client(1)
    let unicast = try #require(server.answer(client.discover()))
    #expect(unicast.destinationMAC == client.mac && unicast.destination == guestIP)
    var message = client.discover()
    message.isBroadcast = true
    let broadcast = try #require(server.answer(message))
    #expect(broadcast.destinationMAC == .broadcast && broadcast.destination == .broadcastV4)
    #expect(broadcast.message.isBroadcast)
    var renewal = client.renew(guestIP)
    renewal.isBroadcast = true
    let renewed = try #require(server.answer(renewal))
    #expect(renewed.destinationMAC == client.mac && renewed.destination == guestIP)
    let nak = try #require(server.answer(client.select(serverIP)))
    #expect(nak.destinationMAC == .broadcast && nak.destination == .broadcastV4)
  }

  @Test("§4.1: a relay's address is given back and not heeded")
  func relay() throws {
    let server = server()
    let client = Client(1)
    var message = client.discover()
    message.relayAddress = IPAddress(10, 0, 0, 1)
    let offer = try #require(server.answer(message))
    #expect(offer.destination == guestIP)
    #expect(offer.message.relayAddress == IPAddress(10, 0, 0, 1))
  }

  @Test("§4.3.2 SELECTING: another server's choice withdraws the offer, silently")
  func otherServer() {
    let server = server(pool(1))
    let client = Client(1)
    #expect(server.answer(client.discover())?.type == .offer)
    #expect(server.answer(client.select(guestIP, server: IPAddress(192, 168, 5, 9))) == nil)
    #expect(server.leases(now: 0).isEmpty)
    #expect(server.give(Client(2)) == guestIP)
  }

  @Test("§4.3.2 SELECTING: an address that isn't available is refused")
  func selectTaken() throws {
    let server = server(pool(2))
    #expect(server.give(Client(1)) == guestIP)
    let nak = try #require(server.answer(Client(2).select(guestIP)))
    #expect(nak.type == .nak)
    #expect(nak.message.yourAddress == .anyV4)
    #expect(nak.message.options[51] == nil)
    #expect(nak.message.options.address(54) == serverIP)
  }

  @Test(
    "§4.3.2 INIT-REBOOT: the address of record is confirmed, a wrong one refused",
    arguments: [
      (guestIP, true, DHCPMessageType.ack as DHCPMessageType?),
      (IPAddress(192, 168, 5, 16), true, .nak),  // not the client's
      (IPAddress(10, 0, 0, 5), true, .nak),  // not of this network
      (guestIP, false, nil),  // no record of this client: MUST remain silent
      (IPAddress(10, 0, 0, 5), false, .nak),
    ])
  func reboot(address: IPAddress, known: Bool, expected: DHCPMessageType?) {
    let server = server(pool(8))
    let client = Client(1)
    if known { #expect(server.give(client) == guestIP) }
    #expect(server.answer(client.reboot(address))?.type == expected)
  }

  @Test("§4.3.2 INIT-REBOOT: the one guest of a link is always known")
  func rebootOfSingleGuest() {
    let server = server()
    #expect(server.answer(Client(1).reboot(guestIP))?.type == .ack)
    #expect(server.answer(Client(1).reboot(IPAddress(192, 168, 5, 16)))?.type == .nak)
  }

  @Test("§4.3.2 RENEWING and REBINDING extend the lease")
  func renew() throws {
    let server = server(pool(2))
    let client = Client(1)
    #expect(server.give(client) == guestIP)
    let ack = try #require(server.answer(client.renew(guestIP), now: 1800 * seconds))
    #expect(ack.type == .ack)
    #expect(ack.message.clientAddress == guestIP && ack.message.yourAddress == guestIP)
    #expect(server.leases(now: 5399 * seconds).count == 1)
    #expect(server.leases(now: 5400 * seconds).isEmpty)
  }

  @Test("§4.3.2 RENEWING: a server that has forgotten takes a free address as given")
  func renewUnknown() {
    let server = server(pool(2))
    #expect(server.answer(Client(1).renew(guestIP))?.type == .ack)
    #expect(server.answer(Client(2).renew(guestIP))?.type == .nak)
    #expect(server.answer(Client(2).renew(IPAddress(192, 168, 5, 99)))?.type == .nak)
  }

  @Test("§4.3.3 DECLINE: a declined address rests, and its client gets another")
  func decline() {
    let server = server(pool(2))
    let client = Client(1)
    #expect(server.give(client) == guestIP)
    #expect(server.answer(client.decline(guestIP)) == nil)
    #expect(server.leases(now: 0).map(\.state) == [.declined])
    #expect(server.give(client) == IPAddress(192, 168, 5, 16))
    // When nothing else is left, a resting address is better than none.
    #expect(server.give(Client(2)) == guestIP)
  }

  @Test("§4.3.3 DECLINE: nobody declines another's address")
  func declineOfOthers() {
    let server = server(pool(2))
    #expect(server.give(Client(1)) == guestIP)
    #expect(server.answer(Client(2).decline(guestIP)) == nil)
    #expect(server.leases(now: 0).map(\.state) == [.bound])
  }

  @Test("§4.3.4 RELEASE: the address is free, and remembered for its client")
  func release() {
    let server = server(pool(2))
    let client = Client(1)
    #expect(server.give(client) == guestIP)
    #expect(server.answer(Client(2).release(guestIP)) == nil)
    #expect(server.leases(now: 0).count == 1)
    #expect(server.answer(client.release(guestIP)) == nil)
    #expect(server.leases(now: 0).isEmpty)
    #expect(server.give(Client(2)) == IPAddress(192, 168, 5, 16))
    #expect(server.give(client) == guestIP)
  }

  @Test("§4.3.5 INFORM: parameters without a lease, to the client's own address")
  func inform() throws {
    let server = server()
    let client = Client(1)
    let address = IPAddress(192, 168, 5, 77)
    let ack = try #require(server.answer(client.inform(address)))
    #expect(ack.type == .ack)
    #expect(ack.destination == address && ack.destinationMAC == client.mac)
    #expect(ack.message.yourAddress == .anyV4 && ack.message.clientAddress == address)
    #expect(ack.message.options[51] == nil && ack.message.options[58] == nil)
    #expect(ack.message.options[3] == [192, 168, 5, 2])
    #expect(server.leases(now: 0).isEmpty)
    #expect(server.answer(client.inform(IPAddress(10, 0, 0, 1))) == nil)
    #expect(server.answer(client.inform(.anyV4)) == nil)
  }

  @Test("§4.3.1: the same client gets the same address, then the one it asks for, then any")
  func choice() {
    let server = server(pool(4))
    let asked = IPAddress(192, 168, 5, 17)
    #expect(server.answer(Client(1).discover(asked))?.message.yourAddress == asked)
    #expect(server.answer(Client(1).select(asked))?.type == .ack)
    #expect(server.answer(Client(1).discover(guestIP))?.message.yourAddress == asked)
    #expect(server.answer(Client(2).discover(asked))?.message.yourAddress == guestIP)
    #expect(server.give(Client(1), now: 4000 * seconds) == asked)  // after its lease's end
  }

  @Test("§4.2: clients are told apart by identifier; without one by hardware address")
  func identity() {
    let server = server(pool(4))
    let first = server.give(Client(1, identifier: [1]))
    #expect(server.give(Client(1, identifier: [2])) != first)
    #expect(server.give(Client(9, identifier: [1])) == first)
    #expect(server.give(Client(2)) == IPAddress(192, 168, 5, 17))
    // The same station, which now has an identifier.
    #expect(server.give(Client(2, identifier: [7, 7])) == IPAddress(192, 168, 5, 17))
  }

  @Test("the one guest of a link gets its address whatever it calls itself")
  func singleGuestChangesIdentity() {
    let server = server()
    #expect(server.give(Client(1)) == guestIP)
    #expect(server.give(Client(1, identifier: [255, 1, 2, 3])) == guestIP)
    #expect(server.give(Client(2)) == guestIP)
    #expect(server.leases(now: 0).map(\.client.mac) == [Client(2).mac])
    #expect(server.answer(Client(2).decline(guestIP)) == nil)
    #expect(server.give(Client(2)) == guestIP)
  }

  @Test("RFC 6842: a NAK carries the client's identifier too")
  func identifierInNAK() throws {
    let server = server()
    let nak = try #require(server.answer(Client(1, identifier: [1, 9]).select(serverIP)))
    #expect(nak.message.options[61] == [1, 9])
  }
}
