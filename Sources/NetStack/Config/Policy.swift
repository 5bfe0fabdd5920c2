// SPDX-License-Identifier: Apache-2.0
//
// The one place where it is decided where a guest's new flow goes. Engines ask once,
// when a flow begins, and keep the answer. What of it a guest may have is EgressPolicy.swift.

import Wire

/// Where a flow of a guest leads.
package enum Route: Equatable, Sendable {
  /// An ordinary socket to this endpoint.
  case connect(Endpoint)
  /// The host's own loopback, through the gateway's address.
  case hostLoopback(Endpoint)
  /// The network's DNS.
  case dns
  /// The gateway or DNS address, where nothing of this kind is: port unreachable, RST.
  case refused
  /// The link's own subnet, or an address that no flow can have.
  case unreachable
  /// Beyond the link's own subnet, on a network that leads nowhere else: administratively prohibited.
  case prohibited
  /// The egress rules forbid it: TCP is reset, the others administratively prohibited.
  case denied
  /// Not to be answered at all: broadcast, multicast, nonsense.
  case ignored
}

extension Endpoint {
  /// The same port of the host's loopback of the other family: a service may be on one of them only.
  var onOtherLoopback: Endpoint {
    Endpoint(address.isV4 ? .loopbackV6 : .loopbackV4, port: port)
  }
}

/// Decides from configuration and destination alone.
package struct Policy: Sendable {
  package var config: StackConfig

  package init(config: StackConfig) { self.config = config }

  /// Where a TCP or UDP flow to `destination` goes.
  /// - Parameter proto: IP protocol number.
  package func route(proto: UInt8, to destination: Endpoint) -> Route {
    guard destination.address.isV4 else { return routeV6(destination) }
    let address = destination.address
    if address == config.dns, destination.port == 53 { return .dns }
    if address == config.gateway {
      guard config.hostLoopback else { return .refused }
      return .hostLoopback(Endpoint(.loopbackV4, port: destination.port))
    }
    if address == config.dns { return .refused }
    guard address.isUnicast, destination.port != 0 else { return .ignored }
    // The host's loopback has one way in, and that is the gateway's address.
    if address.isLoopback { return .unreachable }
    if config.subnet.contains(address) {
      return address == config.subnet.broadcast ? .ignored : .unreachable
    }
    return config.leadsOutside ? .connect(destination) : .prohibited
  }

  /// Behind NAT64 is what lies beyond the network: its own addresses have IPv6 ones, and the gateway's stands for the
  /// host's loopback, which has one way in.
  private func routeTranslated(_ destination: Endpoint, _ nat64: NAT64) -> Route {
    let address = destination.address
    guard address.isUnicast, !address.isLoopback, !config.isOwn(address),
      !config.subnet.contains(address), nat64.stands(for: address)
    else { return .unreachable }
    return config.leadsOutside ? .connect(destination) : .prohibited
  }

  private func routeV6(_ destination: Endpoint) -> Route {
    guard let ipv6 = config.ipv6 else { return .ignored }
    let address = destination.address
    if address == ipv6.dns, destination.port == 53 { return .dns }
    if address == ipv6.gateway {
      guard config.hostLoopback else { return .refused }
      return .hostLoopback(Endpoint(.loopbackV6, port: destination.port))
    }
    if ipv6.isOwn(address) { return .refused }
    guard address.isUnicast, destination.port != 0 else { return .ignored }
    // No router passes on what is for one link (RFC 4291 §2.5.3, §2.5.6), nor leads an IPv4 address that
    // only looks like another one (RFC 4291 §2.5.5) to the host.
    if address.isLoopback || address.isLinkLocal || address.isV4Compatible { return .unreachable }
    if ipv6.prefix.contains(address) { return .unreachable }
    if let nat64 = ipv6.nat64, let embedded = nat64.embedded(in: address) {
      return routeTranslated(Endpoint(embedded, port: destination.port), nat64)
    }
    return config.leadsOutside ? .connect(destination) : .prohibited
  }
}
