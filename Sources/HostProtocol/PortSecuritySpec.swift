// SPDX-License-Identifier: Apache-2.0

/// `portSecurity` of a switched network, as its process is told: what a guest's link may say beside what the plugin binds.
package struct PortSecuritySpec: Codable, Hashable, Sendable {
  /// Of the network's IPv4 addresses, "192.168.104.0", and bits of it.
  package var network: UInt32
  package var prefixLength: Int
  /// Guests that may send from addresses of others: names of links, or Ethernet addresses.
  package var routers: [String]
  /// Frames of one guest to all, or to nobody who is known.
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
