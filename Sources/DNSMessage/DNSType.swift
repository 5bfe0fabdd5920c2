// SPDX-License-Identifier: Apache-2.0

/// A TYPE or QTYPE (RFC 1035 3.2.2, 3.2.3; the IANA registry for the later ones).
package struct DNSType: RawRepresentable, Hashable, Sendable {
  package let rawValue: UInt16

  package init(rawValue: UInt16) {
    self.rawValue = rawValue
  }

  package static let a = DNSType(rawValue: 1)
  package static let ns = DNSType(rawValue: 2)
  package static let cname = DNSType(rawValue: 5)
  package static let soa = DNSType(rawValue: 6)
  package static let ptr = DNSType(rawValue: 12)
  package static let mx = DNSType(rawValue: 15)
  package static let txt = DNSType(rawValue: 16)
  package static let aaaa = DNSType(rawValue: 28)
  package static let srv = DNSType(rawValue: 33)
  package static let dname = DNSType(rawValue: 39)
  package static let opt = DNSType(rawValue: 41)
  package static let svcb = DNSType(rawValue: 64)
  package static let https = DNSType(rawValue: 65)
  package static let ixfr = DNSType(rawValue: 251)
  package static let axfr = DNSType(rawValue: 252)
  package static let any = DNSType(rawValue: 255)
  package static let caa = DNSType(rawValue: 257)

  /// Mnemonics of types that occur in practice.
  private static let names: [UInt16: String] = [
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 11: "WKS", 12: "PTR", 13: "HINFO", 14: "MINFO",
    15: "MX", 16: "TXT", 17: "RP", 18: "AFSDB", 24: "SIG", 25: "KEY", 28: "AAAA", 29: "LOC",
    33: "SRV", 35: "NAPTR", 37: "CERT", 39: "DNAME", 41: "OPT", 42: "APL", 43: "DS",
    44: "SSHFP", 45: "IPSECKEY", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 49: "DHCID",
    50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA", 53: "SMIMEA", 55: "HIP", 59: "CDS",
    60: "CDNSKEY", 61: "OPENPGPKEY", 62: "CSYNC", 63: "ZONEMD", 64: "SVCB", 65: "HTTPS",
    99: "SPF", 108: "EUI48", 109: "EUI64", 249: "TKEY", 250: "TSIG", 251: "IXFR",
    252: "AXFR", 253: "MAILB", 254: "MAILA", 255: "ANY", 256: "URI", 257: "CAA",
  ]

  private static let values = Dictionary(
    uniqueKeysWithValues: names.map { ($0.value, $0.key) })
}

extension DNSType: CustomStringConvertible {
  /// A mnemonic in any case, or TYPEn (RFC 3597 5).
  package init?(_ text: some StringProtocol) {
    let name = text.uppercased()
    if let value = Self.values[name] {
      self.init(rawValue: value)
    } else if name.hasPrefix("TYPE"), let value = UInt16(name.dropFirst(4)) {
      self.init(rawValue: value)
    } else {
      return nil
    }
  }

  package var description: String {
    Self.names[rawValue] ?? "TYPE\(rawValue)"
  }
}

/// A CLASS or QCLASS (RFC 1035 3.2.4, 3.2.5).
package struct DNSClass: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  package let rawValue: UInt16

  package init(rawValue: UInt16) {
    self.rawValue = rawValue
  }

  package static let internet = DNSClass(rawValue: 1)
  package static let chaos = DNSClass(rawValue: 3)
  package static let none = DNSClass(rawValue: 254)
  package static let any = DNSClass(rawValue: 255)

  /// "IN", "CH", "HS", "NONE", "ANY" in any case, or CLASSn (RFC 3597 5).
  package init?(_ text: some StringProtocol) {
    switch text.uppercased() {
    case "IN": self = .internet
    case "CH", "CHAOS": self = .chaos
    case "HS": self.init(rawValue: 4)
    case "NONE": self = .none
    case "ANY": self = .any
    case let name:
      guard name.hasPrefix("CLASS"), let value = UInt16(name.dropFirst(5)) else { return nil }
      self.init(rawValue: value)
    }
  }

  package var description: String {
    switch rawValue {
    case 1: "IN"
    case 3: "CH"
    case 4: "HS"
    case 254: "NONE"
    case 255: "ANY"
    default: "CLASS\(rawValue)"
    }
  }
}
