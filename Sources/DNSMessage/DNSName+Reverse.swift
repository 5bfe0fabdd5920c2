// SPDX-License-Identifier: Apache-2.0
//
// Names of reverse lookups: in-addr.arpa (RFC 1035 3.5), ip6.arpa (RFC 3596 2.5).

extension DNSName {
  /// The name of an address's PTR records.
  package init(reverseOf address: DNSAddress) {
    var wire: [UInt8] = []
    switch address {
    case .v4:
      for octet in address.octets.reversed() {
        let digits = Array(String(octet).utf8)
        wire.append(UInt8(digits.count))
        wire += digits
      }
      wire += Self.inAddrArpa
    case .v6:
      for octet in address.octets.reversed() {
        wire += [1, Self.hexDigits[Int(octet & 15)], 1, Self.hexDigits[Int(octet >> 4)]]
      }
      wire += Self.ip6Arpa
    }
    self.init(checked: wire)
  }

  /// The address of which this is the reverse name; nil for any other name, including a part of an address and a
  /// number with leading zeros.
  package var reverseAddress: DNSAddress? {
    let labels = self.labels
    if labels.count == 6, isWithin(DNSName(checked: Self.inAddrArpa)) {
      let text = labels.prefix(4).reversed()
        .map { String(decoding: $0, as: UTF8.self) }.joined(separator: ".")
      guard let address = DNSAddress(text), case .v4 = address else { return nil }
      return address
    }
    if labels.count == 34, isWithin(DNSName(checked: Self.ip6Arpa)) {
      var nibbles: [UInt8] = []
      for label in labels.prefix(32).reversed() {
        guard label.count == 1, let octet = label.first,
          let nibble = Self.hexDigits.firstIndex(of: fold(octet))
        else { return nil }
        nibbles.append(UInt8(nibble))
      }
      let octets = stride(from: 0, to: 32, by: 2).map { nibbles[$0] << 4 | nibbles[$0 + 1] }
      return DNSAddress(octets: octets)
    }
    return nil
  }

  private static let hexDigits: [UInt8] = Array("0123456789abcdef".utf8)
  private static let inAddrArpa: [UInt8] =
    [7] + Array("in-addr".utf8) + [4] + Array("arpa".utf8) + [0]
  private static let ip6Arpa: [UInt8] = [3] + Array("ip6".utf8) + [4] + Array("arpa".utf8) + [0]
}
