// SPDX-License-Identifier: Apache-2.0
//
// Endpoints to and from the kernel's sockaddr.

import LibC
import Wire

/// A sockaddr_in or sockaddr_in6 on the stack of the caller.
package struct SocketAddress {
  private var storage = sockaddr_in6()
  /// Its valid bytes.
  package private(set) var size = UInt32(MemoryLayout<sockaddr_in6>.size)

  /// Room for an address of either family.
  package init() {}

  package init(_ endpoint: Endpoint) {
    let port = endpoint.port.bigEndian
    if endpoint.address.isV4 {
      var v4 = sockaddr_in()
      v4.sin_family = sa_family_t(AF_INET)
      v4.sin_port = port
      v4.sin_addr.s_addr = endpoint.address.v4.bigEndian
      size = UInt32(MemoryLayout<sockaddr_in>.size)
      withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: v4, as: sockaddr_in.self) }
    } else {
      storage.sin6_family = sa_family_t(AF_INET6)
      storage.sin6_port = port
      withUnsafeMutableBytes(of: &storage.sin6_addr) {
        $0.storeBytes(of: endpoint.address.high.bigEndian, toByteOffset: 0, as: UInt64.self)
        $0.storeBytes(of: endpoint.address.low.bigEndian, toByteOffset: 8, as: UInt64.self)
      }
    }
  }

  /// AF_INET or AF_INET6.
  package var family: Int32 { Int32(storage.sin6_family) }

  /// Nil when it is of neither family.
  package var endpoint: Endpoint? {
    withUnsafeBytes(of: storage) { bytes in
      switch Int32(storage.sin6_family) {
      case AF_INET:
        let v4 = bytes.loadUnaligned(as: sockaddr_in.self)
        return Endpoint(
          IPAddress(v4: UInt32(bigEndian: v4.sin_addr.s_addr)), port: UInt16(bigEndian: v4.sin_port)
        )
      case AF_INET6:
        let high = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        let low = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
        return Endpoint(
          IPAddress(high: high, low: low), port: UInt16(bigEndian: storage.sin6_port))
      default: return nil
      }
    }
  }

  /// Passes it to a system call that reads it.
  @inline(__always)
  package func withSockaddr<Result>(_ body: (UnsafePointer<sockaddr>, UInt32) -> Result) -> Result {
    withUnsafePointer(to: storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, size) }
    }
  }

  /// Passes it to a system call that writes it.
  @inline(__always)
  package mutating func withMutableSockaddr<Result>(
    _ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<UInt32>) -> Result
  ) -> Result {
    size = UInt32(MemoryLayout<sockaddr_in6>.size)
    return withUnsafeMutablePointer(to: &size) { size in
      withUnsafeMutablePointer(to: &storage) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, size) }
      }
    }
  }
}
