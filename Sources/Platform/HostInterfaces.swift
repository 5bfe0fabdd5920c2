// SPDX-License-Identifier: Apache-2.0
//
// HostInterfaces: this machine's interfaces and their addresses (getifaddrs(3)), in the caller's network namespace.

import LibC

package struct HostAddress: Sendable, Hashable {
  package var interface: String
  /// Host byte order.
  package var address: UInt32
  package var prefixLength: Int

  package init(interface: String, address: UInt32, prefixLength: Int) {
    self.interface = interface
    self.address = address
    self.prefixLength = prefixLength
  }
}

package struct HostAddress6: Sendable, Hashable {
  package var interface: String
  /// Host byte order.
  package var high: UInt64
  package var low: UInt64
  package var prefixLength: Int

  package init(interface: String, high: UInt64, low: UInt64, prefixLength: Int) {
    self.interface = interface
    self.high = high
    self.low = low
    self.prefixLength = prefixLength
  }

  /// fe80::/10
  package var isLinkLocal: Bool { high >> 54 == 0xfe80 >> 6 }
}

package enum HostInterfaces {
  /// IPv6 addresses, link-local ones, too.
  package static func addresses6() throws(SystemError) -> [HostAddress6] {
    var first: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&first) == 0 else { throw SystemError("getifaddrs", .current) }
    defer { freeifaddrs(first) }
    var found: [HostAddress6] = []
    var next = first
    while let entry = next?.pointee {
      next = entry.ifa_next
      guard let address = ipv6(entry.ifa_addr), let mask = ipv6(entry.ifa_netmask) else { continue }
      found.append(
        HostAddress6(
          interface: String(cString: entry.ifa_name), high: address.high, low: address.low,
          prefixLength: mask.high.nonzeroBitCount + mask.low.nonzeroBitCount))
    }
    return found
  }

  package static func addresses() throws(SystemError) -> [HostAddress] {
    var first: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&first) == 0 else { throw SystemError("getifaddrs", .current) }
    defer { freeifaddrs(first) }
    var found: [HostAddress] = []
    var next = first
    while let entry = next?.pointee {
      next = entry.ifa_next
      guard let address = ipv4(entry.ifa_addr), let mask = ipv4(entry.ifa_netmask) else { continue }
      found.append(
        HostAddress(
          interface: String(cString: entry.ifa_name), address: address,
          prefixLength: (~mask).leadingZeroBitCount))
    }
    return found
  }

  /// The names of all interfaces, also of those without an IPv4 address; sorted.
  package static func names() throws(SystemError) -> [String] {
    var first: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&first) == 0 else { throw SystemError("getifaddrs", .current) }
    defer { freeifaddrs(first) }
    var names: Set<String> = []
    var next = first
    while let entry = next?.pointee {
      next = entry.ifa_next
      names.insert(String(cString: entry.ifa_name))
    }
    return names.sorted()
  }

  /// Nil when there is no such interface.
  package static func name(ofIndex index: Int32) -> String? {
    var name = [CChar](repeating: 0, count: 16)  // IF_NAMESIZE
    guard if_indextoname(UInt32(bitPattern: index), &name) != nil else { return nil }
    return String(
      decoding: name.prefix { $0 != 0 }.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
  }

  private static func ipv6(_ address: UnsafeMutablePointer<sockaddr>?) -> (
    high: UInt64, low: UInt64
  )? {
    guard let address, address.pointee.sa_family == sa_family_t(AF_INET6) else { return nil }
    return address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
      withUnsafeBytes(of: $0.pointee.sin6_addr) { bytes in
        func half(_ start: Int) -> UInt64 {
          (0..<8).reduce(0) { $0 << 8 | UInt64(bytes[start + $1]) }
        }
        return (half(0), half(8))
      }
    }
  }

  private static func ipv4(_ address: UnsafeMutablePointer<sockaddr>?) -> UInt32? {
    guard let address, address.pointee.sa_family == sa_family_t(AF_INET) else { return nil }
    return address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
      UInt32(bigEndian: $0.pointee.sin_addr.s_addr)
    }
  }
}
