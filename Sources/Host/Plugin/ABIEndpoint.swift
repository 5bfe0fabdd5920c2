// SPDX-License-Identifier: Apache-2.0
//
// Conversion between lnd_endpoint and the host's addresses. Both have IPv4 as ::ffff:a.b.c.d (RFC 4291 §2.5.5.2).

import PluginAPI
import Wire

extension lnd_endpoint {
  /// - Parameter port: TCP or UDP port number; 0: none.
  init(_ address: IPAddress, port: UInt16 = 0) {
    self.init()
    self.port = port
    withUnsafeMutableBytes(of: &self.address) { bytes in
      bytes.storeBytes(of: address.high.bigEndian, as: UInt64.self)
      bytes.storeBytes(of: address.low.bigEndian, toByteOffset: 8, as: UInt64.self)
    }
  }

  init(_ endpoint: Endpoint) { self.init(endpoint.address, port: endpoint.port) }

  var ipAddress: IPAddress {
    withUnsafeBytes(of: address) { bytes in
      IPAddress(
        high: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
        low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
    }
  }

  /// All bytes are zero: no address.
  var isNone: Bool { ipAddress.high == 0 && ipAddress.low == 0 }
}
