// SPDX-License-Identifier: Apache-2.0

/// Why bytes are not a DNS message.
package enum DNSParseError: Error, Equatable, Sendable {
  /// The message ends inside a header, name, record or RDATA.
  case truncated
  /// A label type other than 00 (label) and 11 (pointer), RFC 1035 4.1.4.
  case badLabel
  /// More than 255 octets, RFC 1035 2.3.4.
  case nameTooLong
  /// A compression pointer that does not point backwards, or a chain of too many.
  case badPointer
  /// RDATA that its type does not allow.
  case badRecordData(DNSType)
  /// More than one OPT, or one that is not owned by the root (RFC 6891 6.1.1).
  case badOPT
}
