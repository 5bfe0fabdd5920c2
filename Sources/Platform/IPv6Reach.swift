// SPDX-License-Identifier: Apache-2.0
//
// IPv6Reach: whether this machine has a route to the Internet over IPv6, and when that may have changed. Determined
// by connecting a UDP socket, which sends nothing: the kernel applies routing rules (ip-rule(8)) and all their tables,
// unreachable routes and source address selection (RFC 6724). For the caller's network namespace.

import CPlatform
import LibC

package enum IPv6Reach {
  /// Global unicast addresses (2000::/3) to which networks have no specific route: those of two root servers, M and B,
  /// which are in different parts of the address space. One is enough. Not 2001:db8::/32: that prefix is for
  /// documentation, and some networks have a route that drops it.
  private static let world: [[UInt8]] = [
    [0x20, 0x01, 0x0d, 0xc3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x35],
    [0x28, 0x01, 0x01, 0xb8, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0b],
  ]
  /// Messages read in one iteration.
  private static let perTurn = 64

  /// Also false where IPv6 is off, and where the source would be an address that nobody outside answers: a link-local
  /// one, or one of another interface that is not of the Internet (RFC 4193), as that of a network of virtual machines.
  package static func isWorldReachable() -> Bool {
    world.contains { address in
      guard let source = source(to: address) else { return false }
      // 2000::/3 (RFC 4291 2.4).
      if source[0] >> 5 == 1 { return true }
      // Neither unspecified, loopback nor link-local (fe80::/10).
      let isOrdinary = source[0] != 0 || source[1] != 0
      guard isOrdinary, source[0] != 0xfe || source[1] & 0xc0 != 0x80 else { return false }
      // Somebody may translate it (RFC 6296), as a VPN does, if it is the way's own.
      return isOnWay(source, to: address)
    }
  }

  /// The address from which this machine would send; nil: it has no route.
  private static func source(to destination: [UInt8]) -> [UInt8]? {
    let fd = Int32(truncatingIfNeeded: Sockets.socket(AF_INET6, Sockets.datagram, 0))
    guard fd >= 0 else { return nil }
    defer { Descriptor.close(fd) }
    var address = sockaddr_in6()
    address.sin6_family = sa_family_t(AF_INET6)
    address.sin6_port = UInt16(53).bigEndian
    withUnsafeMutableBytes(of: &address.sin6_addr) { $0.copyBytes(from: destination) }
    var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
    let connected = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Sockets.connect(fd, $0, length)
      }
    }
    guard connected == 0 else { return nil }
    var own = sockaddr_in6()
    let named = withUnsafeMutablePointer(to: &own) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Sockets.getsockname(fd, $0, &length)
      }
    }
    guard named == 0 else { return nil }
    return withUnsafeBytes(of: own.sin6_addr) { Array($0) }
  }

  #if os(Linux)
    /// Whether an address is that of the interface that packets to `destination` leave by.
    private static func isOnWay(_ source: [UInt8], to destination: [UInt8]) -> Bool {
      do throws(SystemError) {
        var netlink = try Netlink()
        guard let way = try netlink.interface(to: destination) else { return false }
        return try netlink.addresses6(index: way).contains(source[...])
      } catch {
        return false
      }
    }
  #else
    private static func isOnWay(_ source: [UInt8], to destination: [UInt8]) -> Bool { true }
  #endif

  #if os(Linux)
    /// RTNLGRP_IPV6_RULE: routing rules.
    private static let ruleGroup: UInt32 = 1 << 18

    /// A descriptor that is readable after a change of IPv6 routes, routing rules or addresses (rtnetlink(7)); the
    /// caller closes it.
    package static func watch() throws(SystemError) -> Int32 {
      let fd = Int32(try check("socket", Sockets.socket(AF_NETLINK, Int32(SOCK_RAW.rawValue), 0)))
      // struct sockaddr_nl: family, padding, pid (0: the kernel chooses), groups: RTMGRP_IPV6_IFADDR, RTMGRP_IPV6_ROUTE.
      let address: [UInt32] = [UInt32(AF_NETLINK), 0, 0x100 | 0x400 | ruleGroup]
      let result = address.withUnsafeBytes {
        Sockets.bind(
          fd, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
      }
      do throws(SystemError) {
        _ = try check("bind", result, subject: "NETLINK_ROUTE")
      } catch {
        Descriptor.close(fd)
        throw error
      }
      return fd
    }

    /// Reads the waiting messages up to a limit; the rest keeps the descriptor readable. A lost message (ENOBUFS)
    /// counts as a change.
    package static func drain(_ fd: Int32) {
      withUnsafeTemporaryAllocation(byteCount: 8192, alignment: 16) { buffer in
        for _ in 0..<perTurn {
          let count = Sockets.recv(fd, buffer.baseAddress, buffer.count, 0)
          guard count > 0 || count == Int(-ENOBUFS) else { return }
        }
      }
    }
  #else
    package static func watch() throws(SystemError) -> Int32 {
      throw SystemError("socket", Errno(ENOTSUP), subject: "NETLINK_ROUTE")
    }

    package static func drain(_ fd: Int32) {}
  #endif
}
