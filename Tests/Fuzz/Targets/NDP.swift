// SPDX-License-Identifier: Apache-2.0
//
// Neighbor discovery and DHCPv6 of several stations: what is kept stays bounded, and no address is two stations'.

import NetStack
import Wire

extension FuzzTarget {
  /// Steps: seconds that pass, a station, the message's type, whether its source is unspecified, what follows the first
  /// eight bytes.
  static let ndp = FuzzTarget(
    "ndp",
    seeds: [
      [0, 1, 133, 0, 0, 0],
      [0, 1, 135, 1, 0, 16] + ndpTarget(1),
      [0, 1, 135, 1, 0, 16] + ndpTarget(1) + [2, 1, 136, 0, 0, 24] + ndpTarget(1)
        + [2, 1, 0x52, 0x55, 0x55, 0, 0, 1],
      [0, 1, 135, 0, 0, 24] + ndpTarget(2) + [1, 1, 0x52, 0x55, 0x55, 0, 0, 1],
    ]
  ) { bytes in
    var input = FuzzInput(bytes)
    var table = GuestAddresses()
    var now: UInt64 = 0
    while !input.isAtEnd {
      now += UInt64(input.byte()) * 1_000_000_000
      let mac = MACAddress(0x52, 0x55, 0x55, 0, 0, input.byte())
      let type = input.byte()
      let isProbe = input.byte() & 1 != 0
      let message = [type, 0, 0, 0, 0, 0, 0, 0] + input.chunk()
      message.withByteView { view in
        let target = view.count >= 24 ? view.ipv6Address(at: NDPField.target) : .anyV6
        let envelope = NDPEnvelope(
          source: isProbe ? .anyV6 : .linkLocal(of: mac), destination: target.solicitedNode,
          hopLimit: NDPEnvelope.hopLimit)
        _ = RouterSolicitation(checking: view, envelope)?.options.linkLayer(1)
        _ = RouterAdvertisement(checking: view, envelope)?.options.first(3)
        if let asked = NeighborSolicitation(checking: view, envelope) {
          expectFuzz(!asked.target.isV4 && !asked.target.isMulticast, "a target of nobody's")
          _ = asked.sender
          table.probed(asked.target, by: mac, guest: 0, now: now) { _ in false }
        }
        if let told = NeighborAdvertisement(checking: view, envelope) {
          _ = table.heard(told.target, from: told.targetMAC ?? mac, guest: 0, now: now) { _ in false
          }
        }
      }
      _ = table.advance(now: now)
      expectFuzz(
        table.count <= GuestAddresses.perGuest, "a guest with more addresses than it may have")
      expectFuzz(
        Set(table.all.map(\.address)).count == table.count, "an address that is two stations'")
    }
  }

  private static func ndpTarget(_ number: UInt8) -> [UInt8] {
    [0xfd] + [UInt8](repeating: 0, count: 14) + [number]
  }

  /// Steps: a station, whether it may have an address, a message behind its length.
  static let dhcpV6 = FuzzTarget(
    "dhcpv6",
    seeds: ([1, 3, 4, 5, 6, 8, 9, 11] as [UInt8]).map { dhcpV6Step($0) }
  ) { bytes in
    var input = FuzzInput(bytes)
    guard let prefix = CIDR("fd00:1::/64") else { return }
    var configuration = DHCPv6Server.Configuration(
      prefix: prefix, serverMAC: MACAddress(0x5a, 0x94, 0xef, 0xe4, 0x0c, 0xdd))
    configuration.nameServers = [prefix.network.with(interfaceIdentifier: 2)]
    configuration.searchDomains = ["lan.example"]
    var server = DHCPv6Server(configuration: configuration)
    while !input.isAtEnd {
      let mac = MACAddress(0x52, 0x55, 0x55, 0x12, 0x34, input.byte())
      let isGiven = input.byte() & 1 != 0
      let message = input.chunk()
      let answer = message.withByteView { server.handle($0, receivedFrom: mac, isGiven: isGiven) }
      if case .bound(let address) = answer.effect {
        expectFuzz(isGiven && prefix.contains(address), "an address of no guest's")
      }
      guard let reply = answer.reply else { continue }
      let read = reply.bytes.withByteView { DHCPv6Message(checking: $0) }
      expectFuzz(
        reply.bytes.count > DHCPv6Message.maximumLength || read == reply,
        "an answer that its reader finds another")
    }
  }

  /// A message with a client, a server, a list of wishes and an association.
  private static func dhcpV6Step(_ type: UInt8) -> [UInt8] {
    var message: [UInt8] = [type, 1, 2, 3, 0, 1, 0, 4, 0, 3, 0, 1]
    message += [0, 2, 0, 10, 0, 3, 0, 1, 0x5a, 0x94, 0xef, 0xe4, 0x0c, 0xdd]
    message += [0, 6, 0, 4, 0, 23, 0, 24]
    message += [0, 3, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    return [1, 1, 0, UInt8(message.count)] + message
  }
}
