// SPDX-License-Identifier: Apache-2.0
//
// The contents of the DHCP server's replies (RFC 2131 table 3) and their destinations (§4.1).

import Wire

/// A reply and its destination.
package struct DHCPReply: Hashable, Sendable {
  package var message: DHCPMessage
  package var destinationMAC: MACAddress
  package var source: IPAddress
  package var destination: IPAddress

  package var type: DHCPMessageType? { message.options.messageType }

  /// Bytes of the frame with Ethernet, IPv4 and UDP headers.
  package var frameLength: Int {
    EthernetHeader.encodedLength + IPv4Header.encodedLength + UDPHeader.encodedLength
      + message.encodedLength
  }

  /// Writes the complete frame. Returns its length, or 0 if it doesn't fit.
  @discardableResult
  package func emitFrame(into out: MutableByteView, sourceMAC: MACAddress) -> Int {
    guard out.count >= frameLength else { return 0 }
    let ip = EthernetHeader(
      destination: destinationMAC, source: sourceMAC, etherType: EtherType.ipv4
    ).emit(into: out)
    let udp =
      ip
      + IPv4Header(
        source: source, destination: destination, protocolNumber: IPProtocol.udp,
        payloadLength: UDPHeader.encodedLength + message.encodedLength
      ).emit(into: out.dropFirst(ip))
    let start = udp + UDPHeader.encodedLength
    let length = message.emit(into: out.dropFirst(start))
    UDPHeader(
      sourcePort: DHCPMessage.serverPort, destinationPort: DHCPMessage.clientPort,
      payloadLength: length
    ).emit(
      into: out.dropFirst(udp), payload: out.view.slice(at: start, count: length),
      source: source, destination: destination)
    return start + length
  }
}

extension DHCPServer {
  /// DHCPOFFER or DHCPACK of a lease.
  func lease(_ type: DHCPMessageType, _ address: IPAddress, to request: Request) -> DHCPReply {
    var message = answer(type, to: request)
    message.yourAddress = address
    if type == .ack { message.clientAddress = request.message.clientAddress }
    let seconds = leaseSeconds(for: request)
    message.options.set(DHCPOptionCode.leaseTime, seconds)
    if seconds != .max {
      message.options.set(DHCPOptionCode.renewalTime, seconds / 2)
      message.options.set(DHCPOptionCode.rebindingTime, seconds - seconds / 8)
    }
    let hostname = table[address]?.hostname ?? ""
    addParameters(
      to: &message, for: request, hostname: hostname,
      fullName: request.clientName?.answer(
        registered: registeredName?(hostname, request.client.mac), hostname: hostname))
    return deliver(message, to: request)
  }

  /// DHCPACK of a DHCPINFORM: no lease times and no address (§4.3.5).
  func information(to request: Request) -> DHCPReply {
    var message = answer(.ack, to: request)
    message.clientAddress = request.message.clientAddress
    addParameters(to: &message, for: request, hostname: "")
    return deliver(message, to: request)
  }

  /// DHCPNAK: broadcast, because the client's address is wrong.
  func refuse(_ request: Request, _ reason: String) -> DHCPReply {
    var message = answer(.nak, to: request)
    message.options[DHCPOptionCode.message] = Array(reason.utf8)
    return DHCPReply(
      message: message, destinationMAC: .broadcast, source: configuration.serverAddress,
      destination: .broadcastV4)
  }

  private func answer(_ type: DHCPMessageType, to request: Request) -> DHCPMessage {
    var message = DHCPMessage(
      operation: .reply, transactionID: request.message.transactionID,
      hardwareAddress: request.message.hardwareAddress)
    message.isBroadcast = request.message.isBroadcast
    message.relayAddress = request.message.relayAddress
    message.options[DHCPOptionCode.messageType] = [type.rawValue]
    message.options.set(DHCPOptionCode.serverIdentifier, [configuration.serverAddress])
    // RFC 6842 §3, which replaces the MUST NOT of RFC 2131.
    if let identifier = request.message.options[DHCPOptionCode.clientIdentifier] {
      message.options[DHCPOptionCode.clientIdentifier] = identifier
    }
    return message
  }

  /// §4.1: to the client's current address; else broadcast if the client requests that; else to the address being
  /// assigned.
  private func deliver(_ message: DHCPMessage, to request: Request) -> DHCPReply {
    let (mac, address): (MACAddress, IPAddress) =
      if let ciaddr = request.ciaddr {
        (request.mac, ciaddr)
      } else if message.isBroadcast || message.yourAddress.isUnspecified {
        (.broadcast, .broadcastV4)
      } else {
        (message.hardwareAddress, message.yourAddress)
      }
    return DHCPReply(
      message: message, destinationMAC: mac, source: configuration.serverAddress,
      destination: address)
  }

  // MARK: - Parameters

  /// The parameters for a client without a parameter request list.
  private static let defaultParameters: [UInt8] = [
    DHCPOptionCode.subnetMask, DHCPOptionCode.router, DHCPOptionCode.domainNameServers,
    DHCPOptionCode.broadcastAddress, DHCPOptionCode.interfaceMTU, DHCPOptionCode.domainName,
    DHCPOptionCode.domainSearch,
  ]

  /// Adds the parameters that the client requests (option 55), in its order but the mask first (RFC 2132 §3.3), as
  /// far as they fit the client's maximum message size.
  /// - Parameter fullName: option 81, which is sent without being requested (RFC 4702 §4).
  private func addParameters(
    to message: inout DHCPMessage, for request: Request, hostname: String,
    fullName: [UInt8]? = nil
  ) {
    let options = request.message.options
    var wanted = options[DHCPOptionCode.parameterRequestList] ?? DHCPServer.defaultParameters
    if wanted.contains(DHCPOptionCode.subnetMask) {
      wanted.insert(DHCPOptionCode.subnetMask, at: 0)
    }
    // The maximum includes the IP and UDP headers; the minimum is 576 (RFC 2132 §9.10).
    let accepted = Int(options.uint16(DHCPOptionCode.maximumMessageSize) ?? 576)
    let limit = min(max(accepted, 576), 1500) - IPv4Header.encodedLength - UDPHeader.encodedLength
    // Option 81 and the search list use the remaining room, the list with as many domains as fit: the network's own,
    // and the first of the others. Over 255 bytes it is split (RFC 3396).
    func add(_ code: UInt8, _ value: [UInt8]) -> Bool {
      var longer = message.options
      longer[code] = value.isEmpty ? nil : value
      guard DHCPMessage.optionsOffset + longer.encodedLength <= limit else { return false }
      message.options = longer
      return true
    }
    for code in wanted
    where message.options[code] == nil && code != DHCPOptionCode.domainSearch {
      guard let value = parameter(code, hostname: hostname), !value.isEmpty else { continue }
      _ = add(code, value)
    }
    if let fullName { _ = add(DHCPOptionCode.clientFQDN, fullName) }
    guard wanted.contains(DHCPOptionCode.domainSearch) else { return }
    var domains = configuration.searchDomains
    while !domains.isEmpty, !add(DHCPOptionCode.domainSearch, DomainSearch.encode(domains)) {
      domains.remove(at: domains.lastIndex { !isOwnDomain($0) } ?? 0)
    }
  }

  /// The domain of the guests' own names, kept in any case so that guests resolve each other by bare names.
  private func isOwnDomain(_ domain: String) -> Bool {
    guard let own = configuration.domainName?.lowercased() else { return false }
    let domain = domain.lowercased()
    return domain == own || domain == own + "."
  }

  private func parameter(_ code: UInt8, hostname: String) -> [UInt8]? {
    var options = DHCPOptions()
    switch code {
    case DHCPOptionCode.subnetMask: options.set(code, configuration.subnet.netmask)
    case DHCPOptionCode.broadcastAddress: options.set(code, [configuration.subnet.broadcast])
    case DHCPOptionCode.router: configuration.router.map { options.set(code, [$0]) }
    case DHCPOptionCode.domainNameServers: options.set(code, configuration.nameServers)
    case DHCPOptionCode.interfaceMTU: configuration.mtu.map { options.set(code, $0) }
    case DHCPOptionCode.hostName: return Array(hostname.utf8)
    case DHCPOptionCode.domainName: return configuration.domainName.map { Array($0.utf8) }
    default: return nil
    }
    return options[code]
  }
}
