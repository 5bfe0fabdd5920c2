// SPDX-License-Identifier: Apache-2.0
//
// Option 39, Client FQDN (RFC 4704): as option 81 of DHCP, always in the format of DNS, and its flags have other bits.
// Cold path.

struct DHCPv6ClientName: Hashable, Sendable {
  /// Labels with dots, without one at the end. Empty: none, or one that makes no sense.
  let name: String
  private let serverUpdates: Bool

  /// Nil for what is no option 39.
  init?(_ option: [UInt8]) {
    guard let flags = option.first else { return nil }
    serverUpdates = flags & 0x01 != 0
    name = DHCPClientName.name(wire: option.dropFirst())
  }

  /// The server's option (§4.1, §6): S where the network's DNS has the name, else N, and O where S is not what the client
  /// asked for.
  func answer(registered: String?) -> [UInt8] {
    let updates = registered != nil
    var flags: UInt8 = updates ? 0x01 : 0x04
    if updates != serverUpdates { flags |= 0x02 }
    return [flags]
      + ((registered ?? name).isEmpty ? [] : DomainSearch.plain(registered ?? name) ?? [])
  }
}
