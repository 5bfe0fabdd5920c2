// SPDX-License-Identifier: Apache-2.0
//
// The DHCP server of one link (RFC 2131 §4.3): a state machine over its bindings that turns a message and the time
// into a reply, without other effects. Relays are not supported: `giaddr` is returned but not used. BOOTP without a
// message type is not served.
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
    /// Maximum lease time, seconds; UInt32.max: infinite.
    package var leaseSeconds: UInt32 = 3600
    /// Guests that share a network are identified by their Ethernet address alone: a guest could send another's
    /// client identifier, and clones of one machine all send the same. A message whose chaddr is not its sender's
    /// gets no reply.
    package var identifiesByMAC = false

    package init(serverAddress: IPAddress, subnet: CIDR) {
      self.serverAddress = serverAddress
      self.subnet = subnet
    }
  }

  /// May change while leases exist (a new name server, another search list): clients get the change when they renew.
  package var configuration: Configuration
  package let policy: DHCPPolicy
  /// Whether a station is on the network. Nil: unknown.
  package var isPresent: ((MACAddress) -> Bool)?
  /// Whether two stations belong to one guest (DHCPServer+Change.swift). Nil: unknown.
  package var isOneGuest: ((MACAddress, MACAddress) -> Bool)?
  /// The station known to use an address, with or without a lease.
  package var user: (IPAddress) -> MACAddress? = { _ in nil }
  /// Whether an address that is new to a client was probed and found unused (RFC 2131 §2.2). Nil: no probing.
  package var proof: ((_ address: IPAddress, _ client: MACAddress) -> DHCPProof)?
  /// The client's name with its domain in the network's DNS. Nil, or a nil result: it is not registered.
  package var registeredName: ((_ hostname: String, _ client: MACAddress) -> String?)?
  /// The last message, a discover or a request for an address that its guest has leased, waits for a probe and must
  /// be handled again afterwards.
  package private(set) var awaitsProof = false
  /// The last client's name is not a valid host name.
  package private(set) var hasUnusableName = false
  var table = DHCPLeaseTable()
  /// Discovers without a free address.
  package private(set) var exhausted: UInt64 = 0

  /// Seconds for which an offer is reserved, and a declined address is not assigned.
  static let offerSeconds: UInt64 = 30
  static let declineSeconds: UInt64 = 600
  /// Minimum lease time granted, seconds.
  static let minimumLeaseSeconds: UInt32 = 120

  /// Maximum addresses tried for one discover.
  private static let proofLimit = 8

  package init(configuration: Configuration, policy: DHCPPolicy) {
    self.configuration = configuration
    self.policy = policy
  }

  /// The reply to the payload of a datagram for port 67; nil: none.
  /// - Parameters:
  ///   - mac: the Ethernet source of the frame.
  ///   - now: nanoseconds of the clock that includes the host's sleep.
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

  /// A client's message with the fields that every branch uses.
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

    /// Nil if one of the options is invalid.
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

    /// It has a name that is not a valid host name.
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

/// The result of probing an address.
package enum DHCPProof: Sendable {
  case unused
  /// In progress.
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
        // Meanwhile other clients are offered another address.
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

  /// An address that the client already has, or that is reserved for it, is not probed.
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
      // SELECTING: the client answers an offer, of this server or another.
      guard server == configuration.serverAddress else {
        withdrawOffer(to: request.client)
        return nil
      }
      guard let address = request.requested ?? request.ciaddr else { return nil }
      return acknowledge(address, to: request, now: now)
    }
    if let address = request.requested {
      // INIT-REBOOT: the client verifies a remembered address.
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
    // RENEWING or REBINDING. This is the only server of the network, so an unknown binding is one that it lost: if
    // the address is free, it is granted.
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

  /// DHCPINFORM: a client with an address from elsewhere gets the other parameters and no lease.
  private func inform(_ request: Request) -> DHCPReply? {
    guard let address = request.ciaddr, configuration.subnet.contains(address),
      address.isUnicast
    else { return nil }
    return information(to: request)
  }
}
