// SPDX-License-Identifier: Apache-2.0
//
// The settings of a gateway on a switch, which each plugin derives from its own options.

import LimaNetdSDK
import NetStack
import Wire

/// Validated settings of a `SwitchedGateway`.
package struct SwitchedSettings {
  package var subnet: CIDR
  /// The address of router, DNS and DHCP server.
  package var router: IPAddress
  /// The last address that DHCP leases.
  package var lastAddress: IPAddress
  /// The domain of guests' names.
  package var domain: String
  /// Nil: the host's search domains.
  package var search: [String]?
  package var mtu: Int
  package var dhcp: DHCPServer.Configuration
  package var pool: DHCPPool
  /// Name of a file in the network's directory.
  package var leaseFile: String
  /// Whether Lima's leases.json is read and written, too.
  package var keepsLimaLeases: Bool
  package var ipv6 = IPv6Options.off
  /// Name of the file with the generated IPv6 prefix, in the network's directory.
  package var prefixFile = ""

  package init(
    subnet: CIDR, router: IPAddress, lastAddress: IPAddress, domain: String, search: [String]?,
    mtu: Int, dhcp: DHCPServer.Configuration, pool: DHCPPool, leaseFile: String,
    keepsLimaLeases: Bool
  ) {
    self.subnet = subnet
    self.router = router
    self.lastAddress = lastAddress
    self.domain = domain
    self.search = search
    self.mtu = mtu
    self.dhcp = dhcp
    self.pool = pool
    self.leaseFile = leaseFile
    self.keepsLimaLeases = keepsLimaLeases
  }

  /// The guests' search domains, including the network's own.
  /// - Parameter host: the host's, used if none are configured.
  package func search(host: [String]) -> [String] {
    let search = search ?? host
    return search.contains(domain) ? search : search + [domain]
  }
}

extension GatewayOptions {
  /// The option `reservations`: addresses for certain guests, none of which is the router's.
  package static func reservations(
    _ options: Options, _ subnet: CIDR, router: IPAddress
  ) throws(PluginFailure) -> [MACAddress: IPAddress] {
    guard let members = try options.object("reservations").json.object?.members else { return [:] }
    var result: [MACAddress: IPAddress] = [:]
    var owners: [IPAddress: MACAddress] = [:]
    for member in members {
      let pointer = "/reservations/\(member.name)"
      guard let mac = MACAddress(member.name), mac.isUnicast else {
        throw .invalid(
          pointer, "\(member.name) is not the Ethernet address of a guest, as 52:55:55:12:34:56")
      }
      guard case .string(let text) = member.value, let address = IPAddress(text), address.isV4
      else { throw .invalid(pointer, "not an IPv4 address") }
      try check(address, isIn: subnet, pointer: pointer)
      guard address != router else {
        throw .invalid(pointer, "\(address) is the router's address")
      }
      if let other = owners[address], other != mac {
        throw .invalid(pointer, "\(address) is reserved for \(other) already")
      }
      owners[address] = mac
      result[mac] = address
    }
    return result
  }
}
