// SPDX-License-Identifier: Apache-2.0

extension DNSEDNS {
  /// Options in wire form without those that concern one hop: cookie (RFC 7873), client subnet (RFC 7871), keepalive
  /// (RFC 7828), padding (RFC 7830) and others between a server and its client (RFC 6891 6.1.1). What remains
  /// explains the answer itself: extended errors (RFC 8914).
  package static func endToEnd(_ options: [UInt8]) -> [UInt8] {
    if options.isEmpty { return [] }
    var reader = DNSReader(options)
    var kept: [UInt8] = []
    while !reader.isAtEnd {
      let start = reader.offset
      guard let code = try? reader.u16(), let length = try? reader.u16(),
        (try? reader.skip(Int(length))) != nil
      else { break }
      if code == extendedError { kept += options[start..<reader.offset] }
    }
    return kept
  }

  /// Code of the option (RFC 8914 2).
  static let extendedError: UInt16 = 15
}
