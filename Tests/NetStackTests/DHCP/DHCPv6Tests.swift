// SPDX-License-Identifier: Apache-2.0
//
// DHCPv6: messages and the server's replies, by sections of RFC 8415.

import TestSupport
import Testing
import Wire

@testable import NetStack

@Suite("DHCPv6", .timeLimit(.minutes(5)))
struct DHCPv6Tests {
  private static let mac = MACAddress(0x52, 0x55, 0x55, 1, 2, 3)
  private static let duid: [UInt8] = [0, 1, 0, 1, 1, 2, 3, 4, 0x52, 0x55, 0x55, 1, 2, 3]
  private static let dns = IPAddress(high: 0xfd00_0000_0000_0001, low: 2)

  private func server() throws -> DHCPv6Server {
    var configuration = DHCPv6Server.Configuration(
      prefix: try #require(CIDR("fd00:0:0:1::/64")),
      serverMAC: MACAddress(0x5a, 0x94, 0xef, 0xe4, 0x0c, 0xdd))
    configuration.nameServers = [Self.dns]
    configuration.searchDomains = ["lan"]
    return DHCPv6Server(configuration: configuration)
  }

  private func message(
    _ type: DHCPv6MessageType, server: [UInt8]? = nil, ia: [IPAddress]? = [],
    hasClient: Bool = true, rapid: Bool = false
  ) -> DHCPv6Message {
    var message = DHCPv6Message(type: type, transactionID: 0x12_3456)
    if hasClient { message.options.add(DHCPv6OptionCode.clientIdentifier, Self.duid) }
    if let server { message.options.add(DHCPv6OptionCode.serverIdentifier, server) }
    if rapid { message.options.add(DHCPv6OptionCode.rapidCommit, []) }
    message.options.add(DHCPv6OptionCode.optionRequest, [0, 23, 0, 24])
    if let ia {
      var association = DHCPv6Association(identifier: 7)
      association.addresses = ia.map { .init($0, preferred: 0, valid: 0) }
      message.options.add(DHCPv6OptionCode.addresses, association.bytes)
    }
    return message
  }

  private func answer(
    _ server: inout DHCPv6Server, _ message: DHCPv6Message, isGiven: Bool = true
  ) -> DHCPv6Server.Answer {
    message.bytes.withByteView { server.handle($0, receivedFrom: Self.mac, isGiven: isGiven) }
  }

  private func association(_ answer: DHCPv6Server.Answer) -> DHCPv6Association? {
    answer.reply?.options[DHCPv6OptionCode.addresses].flatMap(DHCPv6Association.init)
  }

  /// The status in the answer's first association (§21.13): behind 12 bytes, code and length.
  private func status(_ answer: DHCPv6Server.Answer) -> UInt8? {
    guard let option = answer.reply?.options[DHCPv6OptionCode.addresses], option.count >= 18,
      option[12...].starts(with: [0, 13])
    else { return nil }
    return option[17]
  }

  @Test("parse(bytes(x)) == x")
  func roundTrip() throws {
    var random = SeededGenerator(seed: 6)
    for _ in 0..<500 {
      var message = DHCPv6Message(type: .request, transactionID: random.value())
      for _ in 0..<Int.random(in: 0...8, using: &random) {
        message.options.add(random.value(), random.bytes(Int.random(in: 0...64, using: &random)))
      }
      #expect(message.bytes.withByteView { DHCPv6Message(checking: $0) } == message)
    }
  }

  @Test("no bytes at all make the server read outside them, and few get an answer")
  func anyBytes() throws {
    var server = try server()
    var random = SeededGenerator(seed: 7)
    for _ in 0..<20000 {
      var bytes = random.bytes(Int.random(in: 0...128, using: &random))
      if !bytes.isEmpty { bytes[0] = UInt8.random(in: 0...14, using: &random) }
      _ = bytes.withByteView { server.handle($0, receivedFrom: Self.mac, isGiven: true) }
    }
  }

  @Test("§18.3.1, §18.3.2: solicit, advertise, request, reply give a station its lasting address")
  func lease() throws {
    var server = try server()
    let offer = answer(&server, message(.solicit))
    let reply = try #require(offer.reply)
    #expect(reply.type == .advertise && reply.transactionID == 0x12_3456 && offer.effect == .none)
    #expect(reply.client == Self.duid)
    #expect(reply.options[DHCPv6OptionCode.nameServers]?.count == 16)
    #expect(reply.options[DHCPv6OptionCode.domainList] == [3, 0x6c, 0x61, 0x6e, 0])
    let offered = try #require(association(offer)?.addresses.first?.address)
    #expect(server.configuration.prefix.contains(offered))

    let lease = answer(&server, message(.request, server: server.identifier))
    #expect(lease.reply?.type == .reply && lease.effect == .bound(offered))
    let given = try #require(association(lease))
    #expect(given.identifier == 7 && given.addresses.first?.valid == 3600)
    #expect(given.renewal == 1800 && given.rebinding == 2880)
    let other = try self.server()
    #expect(other.address(of: Self.mac) == offered)
  }

  @Test("§18.3.1: rapid commit is a reply at once")
  func rapidCommit() throws {
    var server = try server()
    let lease = answer(&server, message(.solicit, rapid: true))
    #expect(lease.reply?.type == .reply)
    #expect(lease.reply?.options[DHCPv6OptionCode.rapidCommit] == [])
    #expect(lease.effect == .bound(server.address(of: Self.mac)))
  }

  @Test("§18.3.4, §18.3.5: what a client renews and has no right to is over")
  func renew() throws {
    var server = try server()
    let foreign = try #require(IPAddress("fd00:0:0:2::5"))
    for (type, identifier) in [
      (DHCPv6MessageType.renew, server.identifier as [UInt8]?), (.rebind, nil),
    ] {
      let renewed = answer(&server, message(type, server: identifier, ia: [foreign]))
      let given = try #require(association(renewed))
      #expect(given.addresses.count == 2)
      #expect(given.addresses.first { $0.address == foreign }?.valid == 0)
      #expect(given.addresses.first { $0.address == server.address(of: Self.mac) }?.valid == 3600)
    }
  }

  @Test("§18.3.3: confirm says whether addresses are of this link, and nothing without any")
  func confirm() throws {
    var server = try server()
    func status(_ addresses: [IPAddress]) -> [UInt8]? {
      answer(&server, message(.confirm, ia: addresses)).reply?
        .options[DHCPv6OptionCode.statusCode].map { Array($0.prefix(2)) }
    }
    #expect(status([server.address(of: Self.mac)]) == [0, 0])
    #expect(status([try #require(IPAddress("fd00:0:0:2::5"))]) == [0, 4])
    #expect(status([]) == nil)
  }

  @Test("§18.3.7: a released address is told, and one the client never had has no binding")
  func release() throws {
    var server = try server()
    let own = server.address(of: Self.mac)
    let released = answer(&server, message(.release, server: server.identifier, ia: [own]))
    #expect(released.effect == .released(own) && released.reply?.type == .reply)
    let foreign = try #require(IPAddress("fd00:0:0:1::5"))
    let wrong = answer(&server, message(.release, server: server.identifier, ia: [foreign]))
    #expect(wrong.effect == .none)
    #expect(status(wrong) == 3)
    #expect(server.address(of: Self.mac) == own)
  }

  @Test("§18.3.8: who declines an address gets another")
  func decline() throws {
    var server = try server()
    let own = server.address(of: Self.mac)
    _ = answer(&server, message(.decline, server: server.identifier, ia: [own]))
    let next = server.address(of: Self.mac)
    #expect(next != own && server.configuration.prefix.contains(next))
  }

  @Test("§18.3.6: information-request gets settings and no address")
  func information() throws {
    var server = try server()
    let reply = try #require(
      answer(&server, message(.informationRequest, ia: nil, hasClient: false)).reply)
    #expect(reply.type == .reply && reply.options[DHCPv6OptionCode.nameServers] != nil)
    #expect(reply.options[DHCPv6OptionCode.addresses] == nil)
  }

  @Test("§18.3.2: a station that may have none is told so")
  func nothing() throws {
    var server = try server()
    let refused = answer(
      &server, message(.request, server: server.identifier), isGiven: false)
    #expect(refused.effect == .none)
    #expect(association(refused)?.addresses.isEmpty == true)
    #expect(status(refused) == 2)
  }

  @Test(
    "§16: messages without the identifiers they need, or with those they must not have, get no answer",
    arguments: [
      (DHCPv6MessageType.solicit, false, nil as [UInt8]?), (.solicit, true, [1, 2, 3]),
      (.request, true, nil), (.request, true, [1, 2, 3]), (.request, false, nil),
      (.confirm, true, [1, 2, 3]), (.renew, true, nil), (.rebind, true, [1, 2, 3]),
      (.release, true, nil), (.decline, true, [9, 9, 9]), (.reply, true, nil),
      (.advertise, true, nil), (.reconfigure, true, nil), (.informationRequest, true, nil),
    ])
  func discarded(_ type: DHCPv6MessageType, _ hasClient: Bool, _ identifier: [UInt8]?) throws {
    var server = try server()
    // An information-request is discarded for the IA in it.
    let answer = answer(&server, message(type, server: identifier, hasClient: hasClient))
    #expect(answer.reply == nil && answer.effect == .none)
  }

  @Test("RFC 4704 §6: the name that DNS has for a client is told, and that it has none")
  func name() throws {
    var server = try server()
    server.registeredName = { name, _ in name == "vm1" ? "vm1.lan" : nil }
    for (name, flags, told) in [
      ("vm1", 0x01 as UInt8, [0x01, 3, 0x76, 0x6d, 0x31, 3, 0x6c, 0x61, 0x6e, 0] as [UInt8]),
      ("vm2", 0x01, [0x06, 3, 0x76, 0x6d, 0x32, 0]),
    ] {
      var request = message(.request, server: server.identifier)
      request.options.add(
        DHCPv6OptionCode.clientFQDN, [flags, UInt8(name.utf8.count)] + Array(name.utf8))
      let answer = answer(&server, request)
      #expect(answer.hostname == name)
      #expect(answer.reply?.options[DHCPv6OptionCode.clientFQDN] == told)
    }
  }

  @Test(
    "a station's address is the same after any restart, another in another network, and nothing reserved"
  )
  func stable() throws {
    let (a, b) = (try #require(CIDR("fd00:0:0:1::/64")), try #require(CIDR("fd00:0:0:2::/64")))
    #expect(StableAddress.of(Self.mac, in: a) == StableAddress.of(Self.mac, in: a))
    #expect(StableAddress.of(Self.mac, in: a).low != StableAddress.of(Self.mac, in: b).low)
    let taken = StableAddress.of(Self.mac, in: a)
    #expect(StableAddress.of(Self.mac, in: a, excluding: [taken]) != taken)
    for number in 0..<2000 as Range<UInt64> {
      #expect(StableAddress.of(MACAddress(number), in: a).low >= 0x1_0000)
    }
  }
}
