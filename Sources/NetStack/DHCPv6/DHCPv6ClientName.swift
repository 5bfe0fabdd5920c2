// SPDX-License-Identifier: Apache-2.0
//
// Option 39, Client FQDN (RFC 4704): as option 81 of DHCP, but always in DNS wire format, and with other flag bits.
// Cold path.

struct DHCPv6ClientName: Hashable, Sendable {
  /// Labels separated by dots, without a final dot. Empty: absent or invalid.
  let name: String
  private let serverUpdates: Bool

  /// Nil when the bytes are not an option 39.
  init?(_ option: [UInt8]) {
    guard let flags = option.first else { return nil }
    serverUpdates = flags & 0x01 != 0
    name = DHCPClientName.name(wire: option.dropFirst())
  }

  /// The server's option (§4.1, §6): S where the network's DNS has the name, else N, and O where S differs from the
  /// client's.
  func answer(registered: String?) -> [UInt8] {
    let updates = registered != nil
    var flags: UInt8 = updates ? 0x01 : 0x04
    if updates != serverUpdates { flags |= 0x02 }
    return [flags]
      + ((registered ?? name).isEmpty ? [] : DomainSearch.plain(registered ?? name) ?? [])
  }
}
