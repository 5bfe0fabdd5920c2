// SPDX-License-Identifier: Apache-2.0

/// `portSecurity` of a switched network, for its process: limits of a guest's link in addition to the plugin's bindings.
package struct PortSecuritySpec: Codable, Hashable, Sendable {
  /// Of the network's IPv4 addresses, "192.168.104.0", and bits of it.
  package var network: UInt32
  package var prefixLength: Int
  /// Guests that may send from addresses of others: names of links, or Ethernet addresses.
  package var routers: [String]
  /// Broadcast, multicast and unknown-unicast frames of one guest.
  package var floodsPerSecond: UInt64

  package init(
    network: UInt32, prefixLength: Int, routers: [String] = [], floodsPerSecond: UInt64 = 0
  ) {
    self.network = network
    self.prefixLength = prefixLength
    self.routers = routers
    self.floodsPerSecond = floodsPerSecond
  }
}
