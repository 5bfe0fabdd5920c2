// SPDX-License-Identifier: Apache-2.0
//
// A server with fixed addresses, and clients with the messages of RFC 2131 table 5.

import Wire

@testable import NetStack

let seconds: UInt64 = 1_000_000_000
let serverIP = IPAddress(192, 168, 5, 2)
let guestIP = IPAddress(192, 168, 5, 15)

func pool(_ count: UInt32, reservations: [MACAddress: IPAddress] = [:]) -> DHCPPolicy {
  .pool(
    DHCPPool(
      first: guestIP, last: IPAddress(v4: guestIP.v4 + count - 1), reservations: reservations))
}

func server(_ policy: DHCPPolicy = .single(guestIP)) -> TestServer {
  var configuration = DHCPServer.Configuration(
    serverAddress: serverIP,
    // 24 is a valid prefix length.
    subnet: CIDR(serverIP, prefixLength: 24).unsafelyUnwrapped)
  configuration.router = serverIP
  configuration.nameServers = [IPAddress(192, 168, 5, 3)]
  configuration.mtu = 65520
  configuration.domainName = "lan"
  configuration.searchDomains = ["eng.apple.com.", "marketing.apple.com"]
  return TestServer(DHCPServer(configuration: configuration, policy: policy))
}

struct Client {
  var mac: MACAddress
  var identifier: [UInt8]?
  var requests: [UInt8]? = [1, 3, 6, 12, 15, 26, 28, 51, 119]
  var hostname: String?

  init(_ number: UInt8, identifier: [UInt8]? = nil) {
    mac = MACAddress(0x52, 0x55, 0x55, 0, 0, number)
    self.identifier = identifier
  }

  func message(_ type: DHCPMessageType) -> DHCPMessage {
    var message = DHCPMessage(operation: .request, transactionID: 0x1234_5678, hardwareAddress: mac)
    message.options[DHCPOptionCode.messageType] = [type.rawValue]
    if let identifier { message.options[DHCPOptionCode.clientIdentifier] = identifier }
    if let requests { message.options[DHCPOptionCode.parameterRequestList] = requests }
    if let hostname { message.options[DHCPOptionCode.hostName] = Array(hostname.utf8) }
    return message
  }

  func discover(_ address: IPAddress? = nil) -> DHCPMessage {
    var message = message(.discover)
    if let address { message.options.set(DHCPOptionCode.requestedAddress, [address]) }
    return message
  }

  func select(_ address: IPAddress, server: IPAddress = serverIP) -> DHCPMessage {
    var message = message(.request)
    message.options.set(DHCPOptionCode.requestedAddress, [address])
    message.options.set(DHCPOptionCode.serverIdentifier, [server])
    return message
  }

  func reboot(_ address: IPAddress) -> DHCPMessage {
    var message = message(.request)
    message.options.set(DHCPOptionCode.requestedAddress, [address])
    return message
  }

  func renew(_ address: IPAddress) -> DHCPMessage {
    var message = message(.request)
    message.clientAddress = address
    return message
  }

  func release(_ address: IPAddress) -> DHCPMessage {
    var message = message(.release)
    message.clientAddress = address
    message.options.set(DHCPOptionCode.serverIdentifier, [serverIP])
    return message
  }

  func decline(_ address: IPAddress) -> DHCPMessage {
    var message = message(.decline)
    message.options.set(DHCPOptionCode.requestedAddress, [address])
    message.options.set(DHCPOptionCode.serverIdentifier, [serverIP])
    return message
  }

  func inform(_ address: IPAddress) -> DHCPMessage {
    var message = message(.inform)
    message.clientAddress = address
    return message
  }
}

/// A server as a reference, since `#expect` takes no mutating calls.
final class TestServer {
  var state: DHCPServer

  init(_ state: DHCPServer) { self.state = state }

  /// The reply that the client receives. Every reply is encoded and decoded.
  func answer(_ message: DHCPMessage, now: UInt64 = 0) -> DHCPReply? {
    let bytes = [UInt8](capacity: message.encodedLength) { message.emit(into: $0) }
    guard
      var reply = bytes.withByteView({
        state.handle($0, receivedFrom: message.hardwareAddress, now: now)
      })
    else { return nil }
    let answer = [UInt8](capacity: reply.message.encodedLength) { reply.message.emit(into: $0) }
    guard let parsed = answer.withByteView({ DHCPMessage(checking: $0) }) else { return nil }
    reply.message = parsed
    return reply
  }

  /// The address that a client gets with DISCOVER and REQUEST.
  func give(_ client: Client, now: UInt64 = 0) -> IPAddress? {
    guard let offer = answer(client.discover(), now: now),
      let ack = answer(client.select(offer.message.yourAddress), now: now), ack.type == .ack
    else { return nil }
    return ack.message.yourAddress
  }

  func leases(now: UInt64) -> [DHCPLease] { state.leases(now: now) }
}
