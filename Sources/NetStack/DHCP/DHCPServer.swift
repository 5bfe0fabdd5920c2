// SPDX-License-Identifier: Apache-2.0
//
// The DHCP server of one link (RFC 2131 §4.3): a state machine over its bindings that
// turns a message and the time into an answer, and does nothing else. No relays:
// `giaddr` is given back but not heeded. BOOTP without a message type is not served.
//
// Loop thread of the network; cold path.

import Wire

package struct DHCPServer {
  package struct Configuration: Sendable {
    /// The server's identifier and source address.
    package var serverAddress: IPAddress
    /// The network that the addresses lie in.
    package var subnet: CIDR
    package var router: IPAddress?
    package var nameServers: [IPAddress] = []
    package var mtu: UInt16?
    package var domainName: String?
    package var searchDomains: [String] = []
    /// How long a lease lasts at most; UInt32.max for ever.
    package var leaseSeconds: UInt32 = 3600
    /// Guests that share a network are known by their Ethernet address alone: a guest could say
    /// another's identifier, and copies of one machine all say the same. A message about a
    /// station that did not send it gets no answer.
    package var identifiesByMAC = false

    package init(serverAddress: IPAddress, subnet: CIDR) {
      self.serverAddress = serverAddress
      self.subnet = subnet
    }
  }

  /// May change while leases exist (a new name server, another search list): clients
  /// learn of it when they renew.
  package var configuration: Configuration
  package let policy: DHCPPolicy
  /// Whether a station is on the network. Nil: nobody knows.
  package var isPresent: ((MACAddress) -> Bool)?
  /// Whether two stations are one guest's (DHCPServer+Change.swift). Nil: nobody knows.
  package var isOneGuest: ((MACAddress, MACAddress) -> Bool)?
  /// Who is known to use an address, with or without a lease.
  package var user: (IPAddress) -> MACAddress? = { _ in nil }
  /// Whether an address that is new to a client was found unused (RFC 2131 §2.2). Nil: nobody looks.
  package var proof: ((_ address: IPAddress, _ client: MACAddress) -> DHCPProof)?
  /// The name under which the network's DNS has a client that calls itself so, with its domain. Nil, or
  /// the result nil: it has it under none.
  package var registeredName: ((_ hostname: String, _ client: MACAddress) -> String?)?
  /// The last message, a discovery or a request for what its guest has leased, waits for a proof: it
  /// is to be handled again.
  package private(set) var awaitsProof = false
  /// The last client calls itself by what is no host name.
  package private(set) var hasUnusableName = false
  var table = DHCPLeaseTable()
  /// Discoveries for which there was no address.
  package private(set) var exhausted: UInt64 = 0

  /// How long an offer is held, and how long a declined address rests.
  static let offerSeconds: UInt64 = 30
  static let declineSeconds: UInt64 = 600
  /// The shortest lease that a client gets if it asks for a short one.
  static let minimumLeaseSeconds: UInt32 = 120

  /// Addresses looked at for one discovery, at most.
  private static let proofLimit = 8

  package init(configuration: Configuration, policy: DHCPPolicy) {
    self.configuration = configuration
    self.policy = policy
  }

  /// The answer to the payload of a datagram for port 67; nil for what gets none.
  /// - Parameters:
  ///   - mac: the Ethernet source of the frame.
  ///   - now: nanoseconds of the clock that counts the host's sleep.
  package mutating func handle(
    _ payload: ByteView, receivedFrom mac: MACAddress, now: UInt64
  ) -> DHCPReply? {
    awaitsProof = false
    hasUnusableName = false
    guard let message = DHCPMessage(checking: payload) else { return nil }
    return handle(message, receivedFrom: mac, now: now)
  }

  package mutating func handle(
    _ message: DHCPMessage, receivedFrom mac: MACAddress, now: UInt64
  ) -> DHCPReply? {
    guard message.operation == .request, message.hardwareAddress.isUnicast,
      let type = message.options.messageType,
      var request = Request(message, receivedFrom: mac)
    else { return nil }
    if configuration.identifiesByMAC {
      guard message.hardwareAddress == mac else { return nil }
      request.client.identifier = []
    }
    awaitsProof = false
    hasUnusableName = request.hasUnusableName
    switch type {
    case .discover: return discover(request, now: now)
    case .request: return self.request(request, now: now)
    case .decline: decline(request, now: now)
    case .release: release(request, now: now)
    case .inform: return inform(request)
    case .offer, .ack, .nak: break  // a server's words
    }
    return nil
  }

  /// A client's message with what every branch needs of it.
  struct Request {
    let message: DHCPMessage
    let mac: MACAddress
    var client: DHCPClient
    let hostname: String
    /// Option 81.
    let clientName: DHCPClientName?
    /// Options 50 and 54.
    let requested: IPAddress?
    let server: IPAddress?

    /// Nil if one of the options makes no sense.
    init?(_ message: DHCPMessage, receivedFrom mac: MACAddress) {
      let options = message.options
      let identifier = options[DHCPOptionCode.clientIdentifier] ?? []
      requested = options.address(DHCPOptionCode.requestedAddress)
      server = options.address(DHCPOptionCode.serverIdentifier)
      guard identifier.count <= 255,
        (requested == nil) == (options[DHCPOptionCode.requestedAddress] == nil),
        (server == nil) == (options[DHCPOptionCode.serverIdentifier] == nil)
      else { return nil }
      self.message = message
      self.mac = mac
      client = DHCPClient(mac: message.hardwareAddress, identifier: identifier)
      let name = DHCPServer.hostname(options[DHCPOptionCode.hostName] ?? [])
      clientName = options[DHCPOptionCode.clientFQDN].flatMap(DHCPClientName.init)
      hostname = name.isEmpty ? clientName?.name ?? "" : name
    }

    /// It says a name, by which nobody can know it.
    var hasUnusableName: Bool {
      guard hostname.isEmpty else { return !DHCPServer.hasLabel(hostname) }
      let name = message.options[DHCPOptionCode.hostName] ?? []
      return !name.allSatisfy { $0 == 0 } || clientName?.isUnusable == true
    }

    /// ciaddr, if there is one.
    var ciaddr: IPAddress? {
      message.clientAddress.isUnspecified ? nil : message.clientAddress
    }
  }
}

/// Whether an address was found to be nobody's.
package enum DHCPProof: Sendable {
  case unused
  /// The question is out.
  case pending
  case used
}

// MARK: - The client's messages (RFC 2131 §4.3.1 to §4.3.5)

extension DHCPServer {
  private mutating func discover(_ request: Request, now: UInt64) -> DHCPReply? {
    var used: Set<IPAddress> = []
    while used.count < Self.proofLimit,
      let address = address(
        for: request.client, requested: request.requested, now: now, excluding: used)
    {
      switch proof(of: address, for: request.client, now: now) {
      case .pending:
        awaitsProof = true
        // Others who ask meanwhile get another.
        if table[address]?.isLive(now) != true { offer(address, to: request, now: now) }
        return nil
      case .used:
        keep(address, now: now)
        if table[address]?.state == .offered { table[address] = nil }
        used.insert(address)
      case .unused:
        offer(address, to: request, now: now)
        return lease(.offer, address, to: request)
      }
    }
    exhausted &+= 1
    return nil
  }

  /// What a client has already needs no proof, nor what is kept for it by the configuration.
  private func proof(of address: IPAddress, for client: DHCPClient, now: UInt64) -> DHCPProof {
    guard let proof, case .pool(let pool) = policy, pool.reservations[client.mac] != address
    else { return .unused }
    if let lease = table[address], lease.isLive(now), lease.state != .offered,
      DHCPServer.isSame(lease.client, client)
    {
      return .unused
    }
    return proof(address, client.mac)
  }

  private mutating func request(_ request: Request, now: UInt64) -> DHCPReply? {
    if let server = request.server {
      // SELECTING: the client answers offers, ours or another server's.
      guard server == configuration.serverAddress else {
        withdrawOffer(to: request.client)
        return nil
      }
      guard let address = request.requested ?? request.ciaddr else { return nil }
      return acknowledge(address, to: request, now: now)
    }
    if let address = request.requested {
      // INIT-REBOOT: the client remembers an address.
      guard configuration.subnet.contains(address) else {
        return refuse(request, "not an address of this network")
      }
      if claim(address, by: request.client, now: now) == .pending {
        awaitsProof = true
        return nil
      }
      guard let recorded = recordedAddress(of: request.client) else { return nil }
      guard recorded == address else { return refuse(request, "not your address") }
      return acknowledge(address, to: request, now: now)
    }
    // RENEWING or REBINDING. Nobody else serves this network, so a binding that we
    // don't know is one that we have forgotten: if the address is free, it stands.
    guard let address = request.ciaddr else { return nil }
    if claim(address, by: request.client, now: now) == .pending {
      awaitsProof = true
      return nil
    }
    return acknowledge(address, to: request, now: now)
  }

  private mutating func acknowledge(
    _ address: IPAddress, to request: Request, now: UInt64
  ) -> DHCPReply? {
    guard mayHave(address, request.client, now: now),
      !isTaken(address, from: request.client, now: now)
    else {
      return refuse(request, "address not available")
    }
    bind(address, to: request, now: now)
    return lease(.ack, address, to: request)
  }

  private mutating func decline(_ request: Request, now: UInt64) {
    guard request.server == configuration.serverAddress, let address = request.requested,
      var lease = table[address], DHCPServer.isSame(lease.client, request.client),
      lease.state != .reserved
    else { return }
    lease.state = .declined
    lease.expiry = DHCPServer.later(now, seconds: DHCPServer.declineSeconds)
    table[address] = lease
  }

  private mutating func release(_ request: Request, now: UInt64) {
    guard request.server == configuration.serverAddress, let address = request.ciaddr,
      var lease = table[address], DHCPServer.isSame(lease.client, request.client),
      lease.state == .bound
    else { return }
    lease.state = .released
    lease.expiry = now
    table[address] = lease
  }

  /// A client that has its address from elsewhere wants the rest; it gets no lease.
  private func inform(_ request: Request) -> DHCPReply? {
    guard let address = request.ciaddr, configuration.subnet.contains(address),
      address.isUnicast
    else { return nil }
    return information(to: request)
  }
}
