// SPDX-License-Identifier: Apache-2.0
//
// Messages of DHCPv6 between a client and a server on its link (RFC 8415 §8), and identity associations for addresses
// in them (§21.4, §21.6). Relay messages are not supported. Cold path.

import Wire

package enum DHCPv6MessageType: UInt8, Sendable {
  case solicit = 1
  case advertise, request, confirm, renew, rebind, reply, release, decline, reconfigure
  case informationRequest
}

package struct DHCPv6Message: Hashable, Sendable {
  package var type: DHCPv6MessageType
  /// 24 bits.
  package var transactionID: UInt32
  package var options = DHCPv6Options()

  package static let serverPort: UInt16 = 547
  package static let clientPort: UInt16 = 546
  /// Longer messages are refused: no client needs them.
  package static let maximumLength = 2048
  /// Valid lengths of a DUID in bytes (§11.1).
  package static let identifierLengths = 3...130
  private static let header = 4

  package init(type: DHCPv6MessageType, transactionID: UInt32) {
    self.type = type
    self.transactionID = transactionID & 0xff_ffff
  }

  /// Parses the payload of a UDP datagram. Nil if it is not a complete message of a client or server.
  package init?(checking bytes: ByteView) {
    guard (Self.header...Self.maximumLength).contains(bytes.count),
      let type = DHCPv6MessageType(rawValue: bytes[0]),
      let options = DHCPv6Options(checking: bytes.dropFirst(Self.header))
    else { return nil }
    self.type = type
    self.options = options
    transactionID = bytes.uint32(at: 0) & 0xff_ffff
  }

  package var bytes: [UInt8] {
    DHCPv6Bytes.of(UInt32(type.rawValue) << 24 | transactionID) + options.bytes
  }

  /// The client's DUID (§11); nil when it is absent or invalid.
  package var client: [UInt8]? {
    options[DHCPv6OptionCode.clientIdentifier].flatMap {
      Self.identifierLengths.contains($0.count) ? $0 : nil
    }
  }
}

/// IA_NA: an interface of a client, and its addresses.
package struct DHCPv6Association: Hashable, Sendable {
  package var identifier: UInt32
  /// T1 and T2: seconds until the client renews and rebinds.
  package var renewal: UInt32 = 0
  package var rebinding: UInt32 = 0
  package var addresses: [Address] = []
  package var status: (code: DHCPv6Status, text: String)?

  package struct Address: Hashable, Sendable {
    package var address: IPAddress
    /// Seconds.
    package var preferred: UInt32
    package var valid: UInt32

    package init(_ address: IPAddress, preferred: UInt32, valid: UInt32) {
      self.address = address
      self.preferred = preferred
      self.valid = valid
    }
  }

  private static let header = 12
  private static let addressLength = 24

  package init(identifier: UInt32) { self.identifier = identifier }

  /// Nil when it is truncated.
  package init?(_ option: [UInt8]) {
    guard option.count >= Self.header else { return nil }
    let parsed = option.withByteView { bytes -> (UInt32, UInt32, UInt32, DHCPv6Options)? in
      guard let options = DHCPv6Options(checking: bytes.dropFirst(Self.header)) else { return nil }
      return (bytes.uint32(at: 0), bytes.uint32(at: 4), bytes.uint32(at: 8), options)
    }
    guard let (identifier, renewal, rebinding, options) = parsed else { return nil }
    self.identifier = identifier
    self.renewal = renewal
    self.rebinding = rebinding
    for value in options.values(DHCPv6OptionCode.address) where value.count >= Self.addressLength {
      value.withByteView { bytes in
        addresses.append(
          Address(
            bytes.ipv6Address(at: 0), preferred: bytes.uint32(at: 16), valid: bytes.uint32(at: 20)))
      }
    }
  }

  package var bytes: [UInt8] {
    var options = DHCPv6Options()
    for address in addresses {
      options.add(
        DHCPv6OptionCode.address,
        DHCPv6Bytes.of(address.address) + DHCPv6Bytes.of(address.preferred)
          + DHCPv6Bytes.of(address.valid))
    }
    if let status { options.add(status.code, status.text) }
    return DHCPv6Bytes.of(identifier) + DHCPv6Bytes.of(renewal) + DHCPv6Bytes.of(rebinding)
      + options.bytes
  }

  package static func == (a: Self, b: Self) -> Bool { a.bytes == b.bytes }
  package func hash(into hasher: inout Hasher) { hasher.combine(bytes) }
}
