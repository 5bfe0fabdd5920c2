// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import NetStack

/// The names of clients, and the options in their replies.
@Suite(.timeLimit(.minutes(1))) struct DHCPNameTests {
  private func name(_ option81: [UInt8], option12: String? = nil) -> String? {
    let server = server(pool(4))
    var client = Client(1)
    client.hostname = option12
    var discover = client.discover()
    discover.options[DHCPOptionCode.clientFQDN] = option81
    guard let offer = server.answer(discover) else { return nil }
    var request = client.select(offer.message.yourAddress)
    request.options[DHCPOptionCode.clientFQDN] = option81
    guard server.answer(request)?.type == .ack else { return nil }
    return server.leases(now: 0).first?.hostname
  }

  @Test func `a fully qualified name is a name where option 12 is absent`() {
    let wire: [UInt8] = [4, 0, 0, 2] + Array("vm".utf8) + [3] + Array("lan".utf8) + [0]
    #expect(name(wire) == "vm.lan")
    #expect(name(wire, option12: "other") == "other")
    // A partial name has no root.
    #expect(name([4, 0, 0, 2] + Array("vm".utf8)) == "vm")
    #expect(name([0, 255, 255] + Array("vm.lan.".utf8)) == "vm.lan")
    #expect(name([1, 0, 0] + Array("vm".utf8)) == "vm")
  }

  @Test(
    arguments: [
      [], [4], [4, 0, 0], [4, 0, 0, 0], [4, 0, 0, 9, 65], [4, 0, 0, 0xc0, 3], [4, 0, 0, 64, 65],
      [0, 0, 0, 0x20, 0x41], [4, 0, 0, 1, 0x0a],
    ] as [[UInt8]])
  func `one that makes no sense is none`(option: [UInt8]) {
    #expect(name(option) == "")
  }

  // MARK: Option 81 in answers (RFC 4702)

  private static func wire(_ flags: UInt8, _ labels: String..., root: Bool = true) -> [UInt8] {
    [flags, 255, 255] + labels.flatMap { [UInt8($0.utf8.count)] + $0.utf8 } + (root ? [0] : [])
  }

  private static func text(_ flags: UInt8, _ name: String) -> [UInt8] {
    [flags, 255, 255] + name.utf8
  }

  /// The replies to a client with `option`, on a network whose DNS has it as `registered`.
  private func answers(
    _ option: [UInt8], registered: String?, option12: String? = nil
  ) -> [[UInt8]?] {
    let server = server(pool(4))
    server.state.registeredName = { _, _ in registered }
    var client = Client(1)
    client.hostname = option12
    var discover = client.discover()
    discover.options[DHCPOptionCode.clientFQDN] = option
    let offer = server.answer(discover)
    var request = client.select(offer?.message.yourAddress ?? .anyV4)
    request.options[DHCPOptionCode.clientFQDN] = option
    var renewal = client.renew(offer?.message.yourAddress ?? .anyV4)
    renewal.options[DHCPOptionCode.clientFQDN] = option
    return [offer, server.answer(request), server.answer(renewal)].map {
      $0?.message.options[DHCPOptionCode.clientFQDN]
    }
  }

  @Test(arguments: [
    // S as the client wants it, in its encoding, with the whole name.
    (wire(0x05, "vm", root: false), wire(0x05, "vm", "internal")),
    (wire(0x05, "vm", "lan"), wire(0x05, "vm", "internal")),
    (text(0x01, "vm"), text(0x01, "vm.internal")),
    // It would update its address itself, or wants nothing updated: overridden, for the name is there.
    (wire(0x04, "vm", "lan"), wire(0x07, "vm", "internal")),
    (text(0x00, "vm.lan."), text(0x03, "vm.internal")),
    (wire(0x0c, "vm", "lan"), wire(0x07, "vm", "internal")),
    // O and bits without a meaning are the client's mistakes, and not given back.
    (wire(0xf3 | 0x04, "vm"), wire(0x05, "vm", "internal")),
    // It leaves the name to the server; or says one that makes no sense.
    ([5, 0, 0], wire(0x05, "vm", "internal")), ([1, 0, 0], text(0x01, "vm.internal")),
    ([5, 0, 0, 0], wire(0x05, "vm", "internal")),
    ([5, 0, 0, 63, 1], wire(0x05, "vm", "internal")),
  ])
  func `a client whose name is in DNS is told so`(option: [UInt8], answer: [UInt8]) {
    #expect(answers(option, registered: "vm.internal") == [answer, answer, answer])
  }

  @Test(arguments: [
    // Nobody updates anything: N, and O where the client wanted the server to.
    (wire(0x05, "vm", "lan"), wire(0x0e, "vm", "lan")),
    (wire(0x05, "vm", root: false), wire(0x0e, "vm", root: false)),
    (wire(0x04, "vm", "lan"), wire(0x0c, "vm", "lan")), (text(0x01, "vm"), text(0x0a, "vm")),
    (text(0x00, "vm.lan."), text(0x08, "vm.lan")), (text(0x08, "vm.lan"), text(0x08, "vm.lan")),
    ([5, 0, 0], [0x0e, 255, 255]), ([0, 0, 0, 0x20], [0x08, 255, 255]),
  ])
  func `a client whose name is in no DNS is told so`(option: [UInt8], answer: [UInt8]) {
    #expect(answers(option, registered: nil) == [answer, answer, answer])
  }

  @Test func `what is no option 81, and none, is not answered with one`() {
    for option in [[], [4], [4, 0]] as [[UInt8]] {
      #expect(answers(option, registered: "vm.internal") == [nil, nil, nil])
    }
    let server = server(pool(4))
    server.state.registeredName = { _, _ in "vm.internal" }
    var client = Client(1)
    client.requests = [1, 81]
    let offer = server.answer(client.discover())
    #expect(offer?.message.options[DHCPOptionCode.clientFQDN] == nil)
    // DHCPINFORM leaves no lease, and so no name.
    var inform = client.inform(IPAddress(192, 168, 5, 77))
    inform.options[DHCPOptionCode.clientFQDN] = [5, 0, 0, 2, 0x76, 0x6d]
    let information = server.answer(inform)
    #expect(information?.type == .ack)
    #expect(information?.message.options[DHCPOptionCode.clientFQDN] == nil)
  }

  @Test func `the longest name comes back whole where there is room, and pushes nothing out`()
    throws
  {
    let label = String(repeating: "a", count: 63)
    let last = String(repeating: "b", count: 61)
    let option = Self.wire(0x04, label, label, label, last)
    #expect(option.count == 3 + 255)
    let server = server(pool(4))
    server.state.registeredName = { _, _ in nil }
    var client = Client(1)
    client.requests = [1, 3, 6, 15, 26, 28, 119]
    var discover = client.discover()
    discover.options[DHCPOptionCode.clientFQDN] = option
    let offer = try #require(server.answer(discover))
    // In 576 bytes there is no room for it beside what was asked for.
    #expect(offer.message.options[DHCPOptionCode.clientFQDN] == nil)
    for code in [1, 3, 6, 15, 26, 28] as [UInt8] {
      #expect(offer.message.options[code] != nil, "\(code)")
    }
    #expect(offer.message.encodedLength <= 548)
    discover.options.set(DHCPOptionCode.maximumMessageSize, UInt16(1500))
    let whole = try #require(server.answer(discover))
    #expect(
      whole.message.options[DHCPOptionCode.clientFQDN]
        == Self.wire(0x0c, label, label, label, last))
    #expect(whole.message.options[DHCPOptionCode.domainSearch] != nil)
  }

  @Test(arguments: [
    ("My VM", true), ("m\u{fc}ller", true), ("vm\n", true), ("___", true), ("-.lan", true),
    (".lan", true), (String(repeating: "a", count: 64), true), ("My_VM", false), ("vm\0", false),
    ("_vm-.lan", false), (String(repeating: "a", count: 63) + "_", false), ("", false),
  ])
  func `a name by which nobody can be known is noticed`(name: String, isUnusable: Bool) {
    let server = server(pool(4))
    var client = Client(1)
    client.hostname = name
    _ = server.answer(client.discover())
    #expect(server.state.hasUnusableName == isUnusable)
    // The same in option 81, in both encodings; the next client's is its own.
    var other = Client(2).discover()
    other.options[DHCPOptionCode.clientFQDN] = [0, 0, 0] + name.utf8
    _ = server.answer(other)
    #expect(server.state.hasUnusableName == isUnusable)
    _ = server.answer(Client(3).discover())
    #expect(!server.state.hasUnusableName)
  }

  @Test func `a search list that is too long is cut to what fits, and pushes nothing else out`()
    throws
  {
    let server = server(pool(4))
    let domains = (0..<32).map { "department-\($0).some-long-company-name-\($0).example" }
    server.state.configuration.searchDomains = domains
    var client = Client(1)
    client.requests = [119, 1, 3, 6, 15, 26, 28]
    let offer = try #require(server.answer(client.discover()))
    for code in [1, 3, 6, 15, 26, 28] as [UInt8] { #expect(offer.message.options[code] != nil) }
    let list = try #require(offer.message.options[DHCPOptionCode.domainSearch])
    let fitting = (1...32).filter { DomainSearch.encode(Array(domains[..<$0])) == list }
    #expect(fitting.count == 1)
    #expect(offer.message.encodedLength <= 548)
    // One more would not have fitted.
    var longer = offer.message.options
    longer[DHCPOptionCode.domainSearch] =
      DomainSearch.encode(Array(domains[..<((fitting.first ?? 0) + 1)]))
    #expect(DHCPMessage.optionsOffset + longer.encodedLength > 548)
    // A client that takes more gets more.
    var wide = client.discover()
    wide.options.set(DHCPOptionCode.maximumMessageSize, UInt16(1500))
    let more = try #require(server.answer(wide)?.message.options[DHCPOptionCode.domainSearch])
    #expect(more.count > list.count)
  }

  @Test(arguments: ["lan", "LAN."])
  func `of a search list that is too long the network's own domain stays`(own: String) throws {
    let server = server(pool(4))
    let domains = (0..<32).map { "department-\($0).some-long-company-name-\($0).example" }
    server.state.configuration.searchDomains = domains + [own]
    var client = Client(1)
    client.requests = [119, 1, 3, 6, 15, 26, 28]
    let offer = try #require(server.answer(client.discover()))
    #expect(offer.message.encodedLength <= 548)
    let list = try #require(offer.message.options[DHCPOptionCode.domainSearch])
    let fitting = (1...31).filter { DomainSearch.encode(Array(domains[..<$0]) + [own]) == list }
    #expect(fitting.count == 1)
    // Among others it stays where it is; alone it is all.
    let first = Array(domains[..<2]) + [own]
    server.state.configuration.searchDomains = first + Array(domains[2...])
    let other = try #require(
      server.answer(client.discover())?.message.options[DHCPOptionCode.domainSearch])
    #expect(other.starts(with: DomainSearch.encode(first)))
    server.state.configuration.searchDomains = [own]
    #expect(
      server.answer(client.discover())?.message.options[DHCPOptionCode.domainSearch]
        == DomainSearch.encode([own]))
  }
}
