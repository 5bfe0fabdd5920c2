// SPDX-License-Identifier: Apache-2.0
//
// AdvertisedRoute: an IPv6 default route with the flags that a router advertisement sets (RTF_ADDRCONF, RTF_DEFAULT),
// so that the router's next advertisement renews or ends it. Netlink cannot set these flags; SIOCADDRT can
// (ipv6_route.h). InterfaceSettings: an interface's IPv6 sysctls (ip-sysctl.rst).

#if os(Linux)

  import CPlatform
  import LibC

  package enum AdvertisedRoute {
    // SIOCADDRT; RTF_UP, RTF_GATEWAY, RTF_DEFAULT, RTF_ADDRCONF; IP6_RT_PRIO_USER.
    private static let request: UInt64 = 0x890B
    private static let flags: UInt32 = 0x1 | 0x2 | 0x1_0000 | 0x4_0000
    private static let metric: UInt32 = 1024

    /// In the caller's network namespace.
    /// - Throws: `SystemError` with EEXIST when there is one.
    package static func add(
      via gateway: NetlinkAddress, index: Int32, name: String
    ) throws(SystemError) {
      let fd = Int32(try check("socket", Sockets.socket(AF_INET6, Sockets.datagram, 0)))
      defer { Descriptor.close(fd) }
      // struct in6_rtmsg: destination, source, gateway; type, lengths, metric, info, flags, interface.
      var message = [UInt8](repeating: 0, count: 80)
      message.replaceSubrange(32..<48, with: gateway.bytes)
      message.withUnsafeMutableBytes {
        $0.storeBytes(of: metric, toByteOffset: 56, as: UInt32.self)
        $0.storeBytes(of: flags, toByteOffset: 72, as: UInt32.self)
        $0.storeBytes(of: index, toByteOffset: 76, as: Int32.self)
      }
      let result = message.withUnsafeMutableBytes {
        plat_ioctl_bytes(fd, request, $0.baseAddress)
      }
      _ = try check("SIOCADDRT", result, subject: "default via \(gateway) on \(name)")
    }
  }

  package enum InterfaceSettings {
    /// Writes /proc/sys/net/ipv6/conf/NAME/KEY of the caller's network namespace. Failures are ignored.
    package static func set(_ key: String, _ value: Int, on name: String) {
      let path = "/proc/sys/net/ipv6/conf/\(name)/\(key)"
      let fd = open(path, O_WRONLY | O_CLOEXEC)
      guard fd >= 0 else { return }
      defer { Descriptor.close(fd) }
      try? Files.writeAll(fd, Array("\(value)\n".utf8))
    }
  }

#endif
