// SPDX-License-Identifier: Apache-2.0
//
// The DHCPv6 server of a network (RFC 8415 §18.3): turns a message into a reply and the change of an address. It
// stores no bindings: a station's address is derived from its Ethernet address and the network's prefix
// (StableAddress), so that a client gets the same one after any restart. It stores, bounded, only which stations
// declined their address and have the next one.
//
// No relays, no prefixes (IA_PD), no temporary addresses (IA_TA: guests generate their own, RFC 8981). A value
// without side effects.

import Wire

package struct DHCPv6Server {
  package struct Configuration: Sendable {
    /// The network of the guests, /64.
    package var prefix: CIDR
    /// Of the server's identifier, a DUID-LL (§11.4).
    package var serverMAC: MACAddress
    package var nameServers: [IPAddress] = []
    package var searchDomains: [String] = []
    /// Valid and preferred lifetime of an address, seconds.
    package var leaseSeconds: UInt32 = 3600
    /// The one address of all guests of an isolated network; nil: one per station.
    package var single: IPAddress?
    /// Never assigned: the gateway, the name server.
    package var excluded: Set<IPAddress> = []

    package init(prefix: CIDR, serverMAC: MACAddress) {
      self.prefix = prefix
      self.serverMAC = serverMAC
    }
  }

  /// The effect of a message on the address of its station.
  package enum Effect: Hashable, Sendable {
    case none
    case bound(IPAddress)
    case released(IPAddress)
  }

  package struct Answer: Hashable, Sendable {
    package var reply: DHCPv6Message?
    package var effect: Effect = .none
    /// The client's name (RFC 4704); "": absent or invalid.
    package var hostname = ""
  }

  package var configuration: Configuration
  /// Number of addresses that a station has declined: it has the next one. Bounded.
  private var declined: [MACAddress: UInt8] = [:]
  private static let maximumDeclined = 1024
  /// The client's name in the network's DNS; nil: it is not registered.
  package var registeredName: ((_ hostname: String, _ client: MACAddress) -> String?)?

  package init(configuration: Configuration) { self.configuration = configuration }

  /// DUID-LL of Ethernet (§11.4).
  package var identifier: [UInt8] {
    [0, 3, 0, 1]
      + (0..<6).map { UInt8(truncatingIfNeeded: configuration.serverMAC.rawValue >> (40 - 8 * $0)) }
  }

  /// The address assigned to a station.
  package func address(of mac: MACAddress) -> IPAddress {
    if let single = configuration.single { return single }
    return StableAddress.of(
      mac, in: configuration.prefix, excluding: configuration.excluded,
      attempt: declined[mac] ?? 0)
  }

  /// - Parameters:
  ///   - payload: of a datagram for port 547.
  ///   - mac: the Ethernet source of the frame.
  ///   - isGiven: whether the station may have an address now.
  package mutating func handle(
    _ payload: ByteView, receivedFrom mac: MACAddress, isGiven: Bool
  ) -> Answer {
    guard let message = DHCPv6Message(checking: payload), isAcceptable(message) else {
      return Answer()
    }
    switch message.type {
    case .solicit: return solicit(message, mac, isGiven)
    case .request, .renew, .rebind: return bind(message, mac, isGiven, mayRefuse: true)
    case .confirm: return confirm(message)
    case .release: return giveBack(message, mac, isDeclined: false)
    case .decline: return giveBack(message, mac, isDeclined: true)
    case .informationRequest:
      return Answer(reply: reply(to: message, .reply))
    case .advertise, .reply, .reconfigure: return Answer()  // a server's words
    }
  }

  /// §16: the identifiers that each message type must or must not have.
  private func isAcceptable(_ message: DHCPv6Message) -> Bool {
    let server = message.options[DHCPv6OptionCode.serverIdentifier]
    let hasClient = message.client != nil
    switch message.type {
    case .solicit, .confirm, .rebind: return hasClient && server == nil
    case .request, .renew, .decline, .release: return hasClient && server == identifier
    case .informationRequest:
      return (server == nil || server == identifier)
        && message.options[DHCPv6OptionCode.addresses] == nil
    case .advertise, .reply, .reconfigure: return false
    }
  }

  // MARK: Answers

  /// §18.3.9, §18.3.10: the settings that every reply carries.
  private func reply(to message: DHCPv6Message, _ type: DHCPv6MessageType) -> DHCPv6Message {
    var reply = DHCPv6Message(type: type, transactionID: message.transactionID)
    if let client = message.options[DHCPv6OptionCode.clientIdentifier] {
      reply.options.add(DHCPv6OptionCode.clientIdentifier, client)
    }
    reply.options.add(DHCPv6OptionCode.serverIdentifier, identifier)
    if message.options.asksFor(DHCPv6OptionCode.nameServers) {
      reply.options.add(DHCPv6OptionCode.nameServers, addresses: configuration.nameServers)
    }
    if message.options.asksFor(DHCPv6OptionCode.domainList) {
      let names = configuration.searchDomains.flatMap { DomainSearch.plain($0) ?? [] }
      if !names.isEmpty { reply.options.add(DHCPv6OptionCode.domainList, names as [UInt8]) }
    }
    return reply
  }

  /// §18.3.1.
  private mutating func solicit(
    _ message: DHCPv6Message, _ mac: MACAddress, _ isGiven: Bool
  ) -> Answer {
    if message.options[DHCPv6OptionCode.rapidCommit] != nil {
      return bind(message, mac, isGiven, mayRefuse: false)
    }
    var reply = reply(to: message, .advertise)
    _ = addAssociations(message, mac, isGiven, to: &reply)
    return Answer(reply: reply)
  }

  /// §18.3.2, §18.3.4, §18.3.5.
  private mutating func bind(
    _ message: DHCPv6Message, _ mac: MACAddress, _ isGiven: Bool, mayRefuse: Bool
  ) -> Answer {
    var reply = reply(to: message, .reply)
    if message.type == .solicit { reply.options.add(DHCPv6OptionCode.rapidCommit, []) }
    let bound = addAssociations(message, mac, isGiven, to: &reply)
    let name = message.options[DHCPv6OptionCode.clientFQDN].flatMap(DHCPv6ClientName.init)
    if let name {
      let registered = registeredName?(name.name, mac)
      reply.options.add(DHCPv6OptionCode.clientFQDN, name.answer(registered: registered))
    }
    return Answer(
      reply: reply, effect: bound.map { .bound($0) } ?? .none, hostname: name?.name ?? "")
  }

  /// An IA_NA for each of the client's: the first gets the station's address. The client's other addresses get
  /// lifetimes of zero (§18.3.4).
  private func addAssociations(
    _ message: DHCPv6Message, _ mac: MACAddress, _ isGiven: Bool, to reply: inout DHCPv6Message
  ) -> IPAddress? {
    let seconds = configuration.leaseSeconds
    let address = address(of: mac)
    var bound: IPAddress?
    for option in message.options.values(DHCPv6OptionCode.addresses) {
      guard let asked = DHCPv6Association(option) else { continue }
      var given = DHCPv6Association(identifier: asked.identifier)
      if isGiven, bound == nil {
        given.addresses = [.init(address, preferred: seconds, valid: seconds)]
        (given.renewal, given.rebinding) =
          seconds == .max ? (.max, .max) : (seconds / 2, seconds / 5 * 4)
        bound = address
      } else {
        given.status = (.noAddresses, "an interface has one address here")
      }
      given.addresses += asked.addresses.lazy.filter {
        message.type != .solicit && message.type != .request
          && $0.address != given.addresses.first?.address
      }.map { .init($0.address, preferred: 0, valid: 0) }
      reply.options.add(DHCPv6OptionCode.addresses, given.bytes)
    }
    for option in message.options.values(DHCPv6OptionCode.prefixes) where option.count >= 12 {
      var status = DHCPv6Options()
      status.add(.noPrefixes, "no prefixes are delegated here")
      reply.options.add(
        DHCPv6OptionCode.prefixes,
        Array(option.prefix(4)) + [UInt8](repeating: 0, count: 8) + status.bytes)
    }
    return bound
  }

  /// §18.3.3: whether the addresses are on this link. No reply when the client lists none.
  private func confirm(_ message: DHCPv6Message) -> Answer {
    let addresses = message.options.values(DHCPv6OptionCode.addresses)
      .compactMap { DHCPv6Association($0) }.flatMap(\.addresses)
    guard !addresses.isEmpty else { return Answer() }
    var reply = reply(to: message, .reply)
    let isHere = addresses.allSatisfy { configuration.prefix.contains($0.address) }
    reply.options.add(
      isHere ? .success : .notOnLink,
      isHere ? "all of this link" : "an address is of another link")
    return Answer(reply: reply)
  }

  /// §18.3.7, §18.3.8.
  private mutating func giveBack(
    _ message: DHCPv6Message, _ mac: MACAddress, isDeclined: Bool
  ) -> Answer {
    let address = address(of: mac)
    var reply = reply(to: message, .reply)
    var effect = Effect.none
    for option in message.options.values(DHCPv6OptionCode.addresses) {
      guard let asked = DHCPv6Association(option) else { continue }
      if asked.addresses.contains(where: { $0.address == address }) {
        effect = .released(address)
      } else {
        var given = DHCPv6Association(identifier: asked.identifier)
        given.status = (.noBinding, "it has no such address")
        reply.options.add(DHCPv6OptionCode.addresses, given.bytes)
      }
    }
    if isDeclined, effect != .none, configuration.single == nil {
      if declined[mac] == nil, declined.count >= Self.maximumDeclined { declined = [:] }
      declined[mac] = (declined[mac] ?? 0) &+ 1
    }
    reply.options.add(.success, "")
    return Answer(reply: reply, effect: effect)
  }
}
