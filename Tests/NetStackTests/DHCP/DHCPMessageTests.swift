// SPDX-License-Identifier: Apache-2.0
//
// The wire format of DHCP: split options, overloaded fields, limits, and arbitrary bytes.

import TestSupport
import Testing
import Wire

@testable import NetStack

@Suite("DHCP messages", .timeLimit(.minutes(5)))
struct DHCPMessageTests {
  /// A message with these three fields.
  private func bytes(options: [UInt8], file: [UInt8] = [], serverName: [UInt8] = []) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 240)
    bytes.replaceSubrange(0..<8, with: [1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef])
    bytes.replaceSubrange(28..<34, with: [0x52, 0x55, 0x55, 1, 2, 3])
    bytes.replaceSubrange(44..<44 + serverName.count, with: serverName)
    bytes.replaceSubrange(108..<108 + file.count, with: file)
    bytes.replaceSubrange(236..<240, with: [0x63, 0x82, 0x53, 0x63])
    return bytes + options
  }

  private func parse(_ bytes: [UInt8]) -> DHCPMessage? {
    bytes.withByteView { DHCPMessage(checking: $0) }
  }

  @Test("a message's fields are where RFC 2131 §2 has them")
  func fields() throws {
    let message = try #require(parse(bytes(options: [53, 1, 1, 255])))
    #expect(message.transactionID == 0xdead_beef)
    #expect(message.hardwareAddress == MACAddress(0x52, 0x55, 0x55, 1, 2, 3))
    #expect(message.options.messageType == .discover)
  }

  @Test("parse(emit(x)) == x, and no message is shorter than 300 bytes")
  func roundTrip() throws {
    var random = SeededGenerator(seed: 20)
    for _ in 0..<500 {
      var message = DHCPMessage(
        operation: Bool.random(using: &random) ? .request : .reply,
        transactionID: random.value(), hardwareAddress: random.mac())
      message.seconds = random.value()
      message.isBroadcast = Bool.random(using: &random)
      message.clientAddress = random.v4()
      message.yourAddress = random.v4()
      message.serverAddress = random.v4()
      message.relayAddress = random.v4()
      for _ in 0..<Int.random(in: 0...8, using: &random) {
        let code = UInt8.random(in: 1...254, using: &random)
        guard code != DHCPOptionCode.overload else { continue }
        message.options[code] = random.bytes(
          [0, 1, 4, 17, 255, 256, 300].randomElement(using: &random) ?? 0)
      }
      guard message.encodedLength <= DHCPMessage.maximumLength else { continue }
      let bytes = [UInt8](capacity: message.encodedLength) { message.emit(into: $0) }
      #expect(bytes.count >= 300)
      #expect(try #require(parse(bytes)) == message)
    }
  }

  @Test("RFC 3396 §5: parts are joined over options, file and sname, in this order")
  func concatenation() throws {
    let message = try #require(
      parse(
        bytes(
          options: [52, 1, 3, 0, 0, 12, 2, 0x61, 0x62, 53, 1, 3, 12, 1, 0x63, 255, 12, 1, 0x7a],
          file: [12, 1, 0x64, 255, 12, 1, 0x7a], serverName: [12, 2, 0x65, 0x66, 255])))
    #expect(message.options[12] == Array("abcdef".utf8))
    #expect(message.options.messageType == .request)
  }

  @Test("without option 52 the fields file and sname are not options")
  func noOverload() throws {
    let message = try #require(
      parse(bytes(options: [53, 1, 1, 255], file: [12, 1, 0x61], serverName: [12, 1, 0x62])))
    #expect(message.options[12] == nil)
    let inFile = try #require(
      parse(bytes(options: [52, 1, 1, 255], file: [52, 1, 3, 255], serverName: [12, 1, 0x62])))
    #expect(inFile.options.codes.isEmpty)
  }

  @Test(
    "what isn't a complete Ethernet DHCP message is refused",
    arguments: [
      [53, 1] as [UInt8], [53], [12, 5, 1, 2], [52, 1, 9, 255], [52, 2, 1, 1, 255],
    ])
  func malformed(options: [UInt8]) {
    #expect(parse(bytes(options: options)) == nil)
  }

  @Test("a message needs its cookie, its lengths and an Ethernet address")
  func malformedFields() {
    for (offset, value) in [(0, 3), (1, 6), (2, 16), (236, 0)] {
      var bytes = bytes(options: [53, 1, 1, 255])
      bytes[offset] = UInt8(value)
      #expect(parse(bytes) == nil)
    }
    #expect(parse([UInt8](bytes(options: [])[..<239])) == nil)
    #expect(parse(bytes(options: [UInt8](repeating: 0, count: 2048 - 239))) == nil)
  }

  @Test("RFC 3397 §2: the example's search list is written with its pointer")
  func domainSearch() {
    let expected: [UInt8] =
      [3] + Array("eng".utf8) + [5] + Array("apple".utf8) + [3] + Array("com".utf8) + [0]
      + [9] + Array("marketing".utf8) + [0xc0, 0x04]
    #expect(DomainSearch.encode(["eng.apple.com.", "marketing.apple.com."]) == expected)
    #expect(DomainSearch.encode(["", "a..b", String(repeating: "x", count: 64)]).isEmpty)
    #expect(
      DomainSearch.encode(["lan", "LAN"]) == [3, 0x6c, 0x61, 0x6e, 0, 0xc0, 0])
  }

  @Test("a search list over 255 bytes is sent in parts; over the message's size, cut")
  func longSearchList() throws {
    for (count, fits) in [(14, true), (40, false)] {
      let server = server()
      server.state.configuration.searchDomains = (0..<count).map {
        "a-long-domain-\($0).test"
      }
      var client = Client(1)
      client.requests = [119]
      let offer = try #require(server.answer(client.discover()))
      let domains = server.state.configuration.searchDomains
      let expected = DomainSearch.encode(domains)
      let cut = offer.message.options[119] ?? []
      #expect(fits ? cut == expected : !cut.isEmpty && expected.starts(with: cut))
      #expect(offer.message.encodedLength <= 548)
      var message = client.discover()
      message.options.set(DHCPOptionCode.maximumMessageSize, UInt16(1500))
      #expect(server.answer(message)?.message.options[119] == expected)
    }
  }

  @Test("an answer is a frame whose every header is valid")
  func frame() throws {
    let server = server()
    let gateway = MACAddress(0x5a, 0x94, 0xef, 0xe4, 0x0c, 0xdd)
    let reply = try #require(server.answer(Client(1).discover()))
    let frame = [UInt8](capacity: 1500) { reply.emitFrame(into: $0, sourceMAC: gateway) }
    #expect(frame.count == reply.frameLength)
    try frame.withByteView { frame in
      let ethernet = try #require(EthernetPacket(checking: frame))
      #expect(ethernet.source == gateway && ethernet.destination == Client(1).mac)
      let ip = try #require(IPv4Packet(checking: ethernet.payload))
      #expect(ip.isHeaderChecksumValid && ip.source == serverIP && ip.destination == guestIP)
      let udp = try #require(UDPPacket(checking: ip.payload))
      #expect(udp.sourcePort == 67 && udp.destinationPort == 68)
      #expect(udp.isChecksumValid(source: serverIP, destination: guestIP))
      #expect(DHCPMessage(checking: udp.payload) == reply.message)
    }
    #expect([UInt8](capacity: 341) { reply.emitFrame(into: $0, sourceMAC: gateway) }.isEmpty)
  }

  @Test("no bytes make the server trap or its table grow")
  func garbage() {
    var random = SeededGenerator(seed: 21)
    let server = server(pool(8))
    var seeds = [Client(1).discover(), Client(2).select(guestIP), Client(3).inform(guestIP)]
    seeds += [Client(1).decline(guestIP), Client(2).release(guestIP), Client(4).renew(guestIP)]
    let messages = seeds.map { seed in
      [UInt8](capacity: seed.encodedLength) { seed.emit(into: $0) }
    }
    for round in 0..<20_000 {
      var bytes = random.bytes(Int.random(in: 0...700, using: &random))
      if round % 4 != 0 {
        bytes = random.mutation(of: messages.randomElement(using: &random) ?? [])
      }
      let reply = bytes.withByteView {
        server.state.handle($0, receivedFrom: random.mac(), now: UInt64(round) * seconds)
      }
      if let reply { #expect(reply.message.encodedLength <= 1472) }
    }
    #expect(server.state.table.leases.count <= 8)
  }
}
