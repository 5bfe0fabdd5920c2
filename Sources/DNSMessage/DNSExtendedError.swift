// SPDX-License-Identifier: Apache-2.0

/// The reason for an answer, in EDNS option 15 (RFC 8914).
package struct DNSExtendedError: Hashable, Sendable, CustomStringConvertible {
  package let code: UInt16
  /// The server's extra text, made printable.
  package let text: String

  package init(_ code: UInt16, _ text: String = "") {
    self.code = code
    self.text = text
  }

  /// Codes that this program sends (RFC 8914 4).
  package static let other: UInt16 = 0
  package static let notReady: UInt16 = 14
  package static let prohibited: UInt16 = 18
  package static let notSupported: UInt16 = 21
  package static let noReachableAuthority: UInt16 = 22
  package static let networkError: UInt16 = 23

  /// As an EDNS option in wire form; a text is cut after 255 octets.
  package var option: [UInt8] {
    let text = Array(text.utf8.prefix(255))
    let length = UInt8(truncatingIfNeeded: text.count + 2)
    return [
      0, UInt8(DNSEDNS.extendedError), text.count > 253 ? 1 : 0, length,
      UInt8(code >> 8), UInt8(code & 255),
    ] + text
  }

  /// RFC 8914 4 and the IANA registry, by code.
  private static let meanings = [
    "Other Error", "Unsupported DNSKEY Algorithm", "Unsupported DS Digest Type", "Stale Answer",
    "Forged Answer", "DNSSEC Indeterminate", "DNSSEC Bogus", "Signature Expired",
    "Signature Not Yet Valid", "DNSKEY Missing", "RRSIGs Missing", "No Zone Key Bit Set",
    "NSEC Missing", "Cached Error", "Not Ready", "Blocked", "Censored", "Filtered", "Prohibited",
    "Stale NXDOMAIN Answer", "Not Authoritative", "Not Supported", "No Reachable Authority",
    "Network Error", "Invalid Data", "Signature Expired before Valid", "Too Early",
    "Unsupported NSEC3 Iterations Value", "Unable to conform to policy", "Synthesized",
    "Invalid Query Type",
  ]

  package var meaning: String {
    Int(code) < Self.meanings.count ? Self.meanings[Int(code)] : "unknown"
  }

  /// "22 (No Reachable Authority): at delegation test."
  package var description: String {
    "\(code) (\(meaning))" + (text.isEmpty ? "" : ": \(text)")
  }
}

extension DNSEDNS {
  /// Code and octets of each option, in order.
  package var optionList: [(code: UInt16, data: [UInt8])] {
    var list: [(code: UInt16, data: [UInt8])] = []
    var reader = DNSReader(options)
    while !reader.isAtEnd {
      guard let code = try? reader.u16(), let length = try? reader.u16(),
        let data = try? reader.octets(Int(length))
      else { return list }
      list.append((code, Array(data)))
    }
    return list
  }

  package var extendedErrors: [DNSExtendedError] {
    optionList.filter { $0.code == Self.extendedError && $0.data.count >= 2 }.map { option in
      // The text comes from a server: control characters must not reach the terminal.
      let text = String(decoding: option.data.dropFirst(2), as: UTF8.self)
      return DNSExtendedError(
        UInt16(option.data[0]) << 8 | UInt16(option.data[1]),
        String(
          String.UnicodeScalarView(
            text.unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : $0 })))
    }
  }
}
