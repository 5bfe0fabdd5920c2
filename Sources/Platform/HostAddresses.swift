// SPDX-License-Identifier: Apache-2.0
//
// HostAddresses: whether the host itself would receive a packet to an address. Linux: a routing table lookup for each
// call (rtnetlink(7), RTM_GETROUTE), so that changed addresses and networks routed to the host (`ip route add local`)
// need no tracking. Elsewhere the interfaces' addresses are listed. Blocks for some microseconds. One thread.

import LibC

package final class HostAddresses {
  #if os(Linux)
    private var netlink: NetlinkBox?

    private final class NetlinkBox {
      var socket: Netlink
      init(_ socket: consuming Netlink) { self.socket = socket }
    }

    package init() { open() }

    /// Also later: for a moment there may be no descriptor.
    private func open() {
      guard netlink == nil else { return }
      do throws(SystemError) { netlink = NetlinkBox(try Netlink()) } catch { netlink = nil }
    }

    /// - Parameter address: 4 or 16 bytes.
    /// - Returns: also true when the lookup itself fails.
    package func contains(_ address: [UInt8]) -> Bool {
      open()
      guard let netlink else { return true }
      do throws(SystemError) {
        return Netlink.ownRoutes.contains(try netlink.socket.routeKind(to: address))
      } catch {
        // There is no route to it.
        return ![ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL].contains(error.errno.rawValue)
      }
    }
  #else
    package init() {}

    package func contains(_ address: [UInt8]) -> Bool {
      var list: UnsafeMutablePointer<ifaddrs>?
      guard getifaddrs(&list) == 0 else { return true }
      defer { freeifaddrs(list) }
      for entry in sequence(first: list, next: { $0?.pointee.ifa_next }) {
        guard let place = entry?.pointee.ifa_addr else { continue }
        switch (Int32(place.pointee.sa_family), address.count) {
        case (AF_INET, 4):
          let bytes = place.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
            withUnsafeBytes(of: $0.pointee.sin_addr) { Array($0) }
          }
          if bytes == address { return true }
        case (AF_INET6, 16):
          let bytes = place.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
            withUnsafeBytes(of: $0.pointee.sin6_addr) { Array($0) }
          }
          if bytes == address { return true }
        default: break
        }
      }
      return false
    }
  #endif
}
