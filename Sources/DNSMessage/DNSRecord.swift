// SPDX-License-Identifier: Apache-2.0

/// A question (RFC 1035 4.1.2).
package struct DNSQuestion: Hashable, Sendable {
  package var name: DNSName
  package var type: DNSType
  package var dnsClass: DNSClass

  package init(name: DNSName, type: DNSType, dnsClass: DNSClass = .internet) {
    self.name = name
    self.type = type
    self.dnsClass = dnsClass
  }
}

/// A resource record (RFC 1035 4.1.3), any but OPT.
package struct DNSRecord: Hashable, Sendable {
  package var name: DNSName
  package var dnsClass: DNSClass
  /// Seconds.
  package var ttl: UInt32
  package var data: DNSRecordData

  package init(
    name: DNSName, dnsClass: DNSClass = .internet, ttl: UInt32, data: DNSRecordData
  ) {
    self.name = name
    self.dnsClass = dnsClass
    self.ttl = ttl
    self.data = data
  }

  package var type: DNSType { data.type }

  /// The TTL used for values of 2^31 and above: seven days (RFC 8767 4).
  package static let longestTTL: UInt32 = 604_800

  /// Decodes a TTL field, seconds. A value with the top bit set counts as large, not as 0: RFC 8767 4, which updates
  /// RFC 2181 8.
  package static func readTTL(_ field: UInt32) -> UInt32 {
    field >> 31 == 0 ? field : longestTTL
  }
}

/// RDATA, decoded for known types; all others are opaque (RFC 3597).
package enum DNSRecordData: Hashable, Sendable {
  /// A and AAAA
  case address(DNSAddress)
  /// NS, CNAME, PTR, DNAME: one name
  case name(DNSType, DNSName)
  case mx(preference: UInt16, exchange: DNSName)
  /// Strings of at most 255 octets each
  case txt([[UInt8]])
  /// RFC 2782
  case srv(priority: UInt16, weight: UInt16, port: UInt16, target: DNSName)
  case soa(DNSStartOfAuthority)
  /// RFC 8659
  case caa(flags: UInt8, tag: [UInt8], value: [UInt8])
  /// SVCB and HTTPS (RFC 9460); `parameters` in wire form, well-formed
  case service(DNSType, priority: UInt16, target: DNSName, parameters: [UInt8])
  case opaque(DNSType, [UInt8])

  package var type: DNSType {
    switch self {
    case .address(let address): address.type
    case .name(let type, _), .service(let type, _, _, _), .opaque(let type, _): type
    case .mx: .mx
    case .txt: .txt
    case .srv: .srv
    case .soa: .soa
    case .caa: .caa
    }
  }
}

/// RFC 1035 3.3.13; times in seconds.
package struct DNSStartOfAuthority: Hashable, Sendable {
  package var primary: DNSName
  package var mailbox: DNSName
  package var serial: UInt32
  package var refresh: UInt32
  package var retry: UInt32
  package var expire: UInt32
  package var minimum: UInt32

  package init(
    primary: DNSName, mailbox: DNSName, serial: UInt32, refresh: UInt32, retry: UInt32,
    expire: UInt32, minimum: UInt32
  ) {
    self.primary = primary
    self.mailbox = mailbox
    self.serial = serial
    self.refresh = refresh
    self.retry = retry
    self.expire = expire
    self.minimum = minimum
  }
}
