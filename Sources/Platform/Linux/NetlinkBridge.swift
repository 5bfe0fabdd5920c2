// SPDX-License-Identifier: Apache-2.0
//
// Netlink+Bridge: a Linux bridge that joins two interfaces of a private network namespace (rtnetlink(7),
// IFLA_LINKINFO of kind "bridge").

#if os(Linux)

  import LibC

  extension Netlink {
    /// Creates the bridge `name`, without spanning tree or multicast snooping: every frame is forwarded.
    /// - Throws: `SystemError`: EOPNOTSUPP (the kernel has no bridges), EPERM, EEXIST.
    package mutating func addBridge(_ name: String) throws(SystemError) {
      var message = NetlinkMessage(
        .newLink, flags: [.acknowledge, .create, .exclusive], sequence: nextSequence())
      for _ in 0..<4 { message.append(UInt32(0)) }  // struct ifinfomsg
      message.appendAttribute(3, Array(name.utf8) + [0])  // IFLA_IFNAME
      let snooping = NetlinkMessage.attribute(23, [0])  // IFLA_BR_MCAST_SNOOPING
      message.appendAttribute(  // IFLA_LINKINFO: IFLA_INFO_KIND, IFLA_INFO_DATA
        18,
        NetlinkMessage.attribute(1, Array("bridge".utf8)) + NetlinkMessage.attribute(2, snooping))
      try request(message, call: "RTM_NEWLINK", subject: name)
    }

    /// Makes an interface a port of a bridge, by their indices.
    package mutating func setMaster(
      _ master: Int32, of index: Int32, name: String
    ) throws(SystemError) {
      var message = NetlinkMessage(.newLink, flags: .acknowledge, sequence: nextSequence())
      message.append(UInt32(0))
      message.append(index)
      for _ in 0..<2 { message.append(UInt32(0)) }
      message.appendAttribute(10, UInt32(bitPattern: master))  // IFLA_MASTER
      try request(message, call: "RTM_NEWLINK", subject: name)
    }

    /// Disables the automatic IPv6 link-local address of an interface that is still down, so that the kernel sends
    /// nothing on it when it comes up. Does nothing on a kernel without IPv6.
    package mutating func omitLinkLocalAddress(index: Int32, name: String) throws(SystemError) {
      var message = NetlinkMessage(.newLink, flags: .acknowledge, sequence: nextSequence())
      message.append(UInt32(0))
      message.append(index)
      for _ in 0..<2 { message.append(UInt32(0)) }
      let mode = NetlinkMessage.attribute(8, [1])  // IFLA_INET6_ADDR_GEN_MODE: none
      message.appendAttribute(  // IFLA_AF_SPEC
        26, NetlinkMessage.attribute(UInt16(AF_INET6), mode))
      do throws(SystemError) {
        try request(message, call: "RTM_NEWLINK", subject: name)
      } catch  where error.errno.rawValue == EAFNOSUPPORT {}
    }
  }

  extension NetlinkMessage {
    /// A struct rtattr with its padding, to be nested.
    static func attribute(_ type: UInt16, _ payload: [UInt8]) -> [UInt8] {
      var message = NetlinkMessage(.newLink, flags: .request, sequence: 0)
      message.appendAttribute(type, payload)
      return Array(message.bytes.dropFirst(headerLength))
    }
  }

#endif
