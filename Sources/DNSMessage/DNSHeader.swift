// SPDX-License-Identifier: Apache-2.0

/// The fixed 12 octets of a message (RFC 1035 4.1.1) without the counts, which belong to the sections.
package struct DNSHeader: Hashable, Sendable {
  package static let length = 12

  package var id: UInt16
  /// QR, opcode, AA, TC, RD, RA, Z, AD, CD and RCODE in their wire layout.
  package var flags: UInt16

  package init(id: UInt16 = 0, flags: UInt16 = 0) {
    self.id = id
    self.flags = flags
  }

  /// QR: a response, not a query.
  package var isResponse: Bool {
    get { flags & 0x8000 != 0 }
    set { set(0x8000, newValue) }
  }
  package var opcode: DNSOpcode {
    get { DNSOpcode(rawValue: UInt8(flags >> 11 & 0xF)) }
    set { flags = flags & ~0x7800 | UInt16(newValue.rawValue & 0xF) << 11 }
  }
  /// AA
  package var isAuthoritative: Bool {
    get { flags & 0x0400 != 0 }
    set { set(0x0400, newValue) }
  }
  /// TC
  package var isTruncated: Bool {
    get { flags & 0x0200 != 0 }
    set { set(0x0200, newValue) }
  }
  /// RD
  package var recursionDesired: Bool {
    get { flags & 0x0100 != 0 }
    set { set(0x0100, newValue) }
  }
  /// RA
  package var recursionAvailable: Bool {
    get { flags & 0x0080 != 0 }
    set { set(0x0080, newValue) }
  }
  /// AD (RFC 4035 3.2.3)
  package var authenticData: Bool {
    get { flags & 0x0020 != 0 }
    set { set(0x0020, newValue) }
  }
  /// CD (RFC 4035 3.2.2)
  package var checkingDisabled: Bool {
    get { flags & 0x0010 != 0 }
    set { set(0x0010, newValue) }
  }
  /// The lower four bits; EDNS has the upper eight.
  package var responseCode: DNSResponseCode {
    get { DNSResponseCode(rawValue: flags & 0xF) }
    set { flags = flags & ~0xF | newValue.rawValue & 0xF }
  }

  private mutating func set(_ bit: UInt16, _ value: Bool) {
    flags = value ? flags | bit : flags & ~bit
  }

  /// The header of an answer to this query: same id, opcode, RD and CD.
  package func reply(_ code: DNSResponseCode) -> DNSHeader {
    var header = DNSHeader(id: id, flags: flags & 0x7910)
    header.isResponse = true
    header.responseCode = code
    return header
  }
}

/// OPCODE (RFC 1035 4.1.1, RFC 6895 2.2).
package struct DNSOpcode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  package let rawValue: UInt8

  package init(rawValue: UInt8) {
    self.rawValue = rawValue
  }

  package static let query = DNSOpcode(rawValue: 0)

  package var description: String {
    switch rawValue {
    case 0: "QUERY"
    case 1: "IQUERY"
    case 2: "STATUS"
    case 4: "NOTIFY"
    case 5: "UPDATE"
    case 6: "DSO"
    default: "OPCODE\(rawValue)"
    }
  }
}

/// RCODE with the extension by EDNS: 12 bits (RFC 6891 6.1.3, RFC 6895 2.3).
package struct DNSResponseCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  package let rawValue: UInt16

  package init(rawValue: UInt16) {
    self.rawValue = rawValue
  }

  package static let noError = DNSResponseCode(rawValue: 0)
  package static let formatError = DNSResponseCode(rawValue: 1)
  package static let serverFailure = DNSResponseCode(rawValue: 2)
  package static let nameError = DNSResponseCode(rawValue: 3)
  package static let notImplemented = DNSResponseCode(rawValue: 4)
  package static let refused = DNSResponseCode(rawValue: 5)
  package static let badVersion = DNSResponseCode(rawValue: 16)

  package var description: String {
    switch rawValue {
    case 0: "NOERROR"
    case 1: "FORMERR"
    case 2: "SERVFAIL"
    case 3: "NXDOMAIN"
    case 4: "NOTIMP"
    case 5: "REFUSED"
    case 6: "YXDOMAIN"
    case 7: "YXRRSET"
    case 8: "NXRRSET"
    case 9: "NOTAUTH"
    case 10: "NOTZONE"
    case 16: "BADVERS"
    case 23: "BADCOOKIE"
    default: "RCODE\(rawValue)"
    }
  }
}
