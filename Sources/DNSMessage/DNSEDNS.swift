// SPDX-License-Identifier: Apache-2.0

/// The OPT pseudo-record (RFC 6891 6.1).
package struct DNSEDNS: Hashable, Sendable {
  /// The sender's UDP payload size, in octets; below 512 means 512 (6.2.3).
  package var udpSize: UInt16
  /// The upper eight bits of RCODE.
  package var extendedCode: UInt8
  package var version: UInt8
  /// DO (RFC 3225) is the top bit.
  package var flags: UInt16
  /// Options in wire form: code, length, octets. Well-formed when parsed.
  package var options: [UInt8]

  package init(
    udpSize: UInt16, extendedCode: UInt8 = 0, version: UInt8 = 0, flags: UInt16 = 0,
    options: [UInt8] = []
  ) {
    self.udpSize = udpSize
    self.extendedCode = extendedCode
    self.version = version
    self.flags = flags
    self.options = options
  }

  package var dnssecOK: Bool { flags & 0x8000 != 0 }

  /// The TTL field: extended code, version, flags.
  package var ttlField: UInt32 {
    UInt32(extendedCode) << 24 | UInt32(version) << 16 | UInt32(flags)
  }

  /// Octets of the record.
  package var encodedLength: Int { 11 + options.count }

  /// Appends the record.
  package func write(to bytes: inout [UInt8]) {
    bytes.append(0)
    for value in [
      DNSType.opt.rawValue, udpSize, UInt16(ttlField >> 16), UInt16(truncatingIfNeeded: ttlField),
      UInt16(truncatingIfNeeded: options.count),
    ] {
      bytes.append(UInt8(value >> 8))
      bytes.append(UInt8(value & 255))
    }
    bytes.append(contentsOf: options)
  }
}
