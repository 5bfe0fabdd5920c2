// SPDX-License-Identifier: Apache-2.0
//
// Netlink+Routes: the requests a guest's interface needs: link, address and route (rtnetlink(7)).

#if os(Linux)

  import LibC

  /// An IPv4 or IPv6 address in network byte order.
  package struct NetlinkAddress: Sendable, Hashable, CustomStringConvertible {
    package let description: String
    package let bytes: [UInt8]

    /// - Returns: nil when `text` is neither "192.168.5.15" nor "fd00::15".
    package init?(_ text: String) {
      var storage = [UInt8](repeating: 0, count: 16)
      if inet_pton(AF_INET, text, &storage) == 1 {
        bytes = Array(storage.prefix(4))
      } else if inet_pton(AF_INET6, text, &storage) == 1 {
        bytes = storage
      } else {
        return nil
      }
      description = text
    }

    package var isUnspecified: Bool { bytes.allSatisfy { $0 == 0 } }

    /// In fe80::/10 (RFC 4291 2.5.6): not usable without an interface.
    package var isLinkLocal: Bool {
      bytes.count == 16 && bytes[0] == 0xFE && bytes[1] & 0xC0 == 0x80
    }

    var family: UInt8 { UInt8(bytes.count == 4 ? AF_INET : AF_INET6) }
  }

  /// An interface as the kernel reports it.
  package struct NetlinkLink: Sendable, Hashable {
    package var index: Int32
    package var isUp: Bool
    package var mtu: UInt32
    package var transmitQueueLength: UInt32
    package var mac: [UInt8]
  }

  extension Netlink {
    /// Changes the given properties of an interface; nil leaves a property as it is.
    /// - Parameters:
    ///   - index: as if_nametoindex(3) gives it.
    ///   - transmitQueueLength: frames that the kernel queues for a slow reader; 10,000 for a TAP, because a TAP
    ///     drops frames beyond it where a network card applies back pressure.
    package mutating func setLink(
      index: Int32, name: String, up: Bool? = nil, mtu: UInt32? = nil,
      transmitQueueLength: UInt32? = nil
    ) throws(SystemError) {
      var message = NetlinkMessage(.newLink, flags: .acknowledge, sequence: nextSequence())
      message.appendLinkHeader(index: index, up: up)
      // IFLA_MTU, IFLA_TXQLEN
      if let mtu { message.appendAttribute(4, mtu) }
      if let transmitQueueLength { message.appendAttribute(13, transmitQueueLength) }
      try request(message, call: "RTM_NEWLINK", subject: name)
    }

    /// RTN_LOCAL, RTN_BROADCAST, RTN_ANYCAST, RTN_MULTICAST: the host itself receives the packet.
    package static var ownRoutes: ClosedRange<UInt8> { 2...5 }

    /// The type (RTN_*) of the route that a packet of this host to `address` takes.
    /// - Throws: `SystemError` with ENETUNREACH or similar when there is no route.
    package mutating func routeKind(to address: [UInt8]) throws(SystemError) -> UInt8 {
      guard
        let kind = NetlinkReader(try route(to: address)).integer(at: 7, as: UInt8.self)
      else { throw SystemError("RTM_GETROUTE", Errno(EPROTO), subject: "a route") }
      return kind
    }

    /// The index of the interface that such a packet leaves by; nil: the kernel names none.
    /// - Throws: `SystemError` with ENETUNREACH or similar when there is no route.
    package mutating func interface(to address: [UInt8]) throws(SystemError) -> Int32? {
      // RTA_OIF
      let way = NetlinkReader(try route(to: address)).attributes(from: 12).first { $0.type == 4 }
      return way.flatMap { NetlinkReader($0.payload).integer(at: 0, as: Int32.self) }
    }

    /// The kernel's answer, struct rtmsg and its attributes.
    private mutating func route(to address: [UInt8]) throws(SystemError) -> ArraySlice<UInt8> {
      var message = NetlinkMessage(.getRoute, flags: .acknowledge, sequence: nextSequence())
      // struct rtmsg: family, prefix length of the destination, and fields that the request does not use
      message.append(UInt8(address.count == 4 ? AF_INET : AF_INET6))
      message.append(UInt8(address.count * 8))
      for _ in 0..<10 { message.append(UInt8(0)) }
      message.appendAttribute(1, address)  // RTA_DST
      let answers = try request(message, call: "RTM_GETROUTE", subject: "a route")
      guard let answer = answers.first else {
        throw SystemError("RTM_GETROUTE", Errno(EPROTO), subject: "a route")
      }
      return answer
    }

    /// The IPv6 addresses of an interface, 16 bytes each.
    package mutating func addresses6(index: Int32) throws(SystemError) -> [ArraySlice<UInt8>] {
      var message = NetlinkMessage(.getAddress, flags: .dump, sequence: nextSequence())
      // struct ifaddrmsg: family, prefix length, flags, scope, index
      message.append(UInt8(AF_INET6))
      for _ in 0..<3 { message.append(UInt8(0)) }
      message.append(Int32(0))
      var found: [ArraySlice<UInt8>] = []
      try request(message, call: "RTM_GETADDR", subject: "all") { answer in
        let reader = NetlinkReader(answer)
        guard reader.integer(at: 4, as: Int32.self) == index else { return }
        // IFA_LOCAL, of a point-to-point interface; else IFA_ADDRESS.
        let attributes = reader.attributes(from: 8)
        let own = attributes.first { $0.type == 2 } ?? attributes.first { $0.type == 1 }
        if let own, own.payload.count == 16 { found.append(own.payload) }
      }
      return found
    }

    /// - Throws: `SystemError` with ENODEV when there is no interface of that name.
    package mutating func link(named name: String) throws(SystemError) -> NetlinkLink {
      var message = NetlinkMessage(.getLink, flags: .acknowledge, sequence: nextSequence())
      message.appendLinkHeader(index: 0, up: nil)
      message.appendAttribute(3, Array(name.utf8) + [0])  // IFLA_IFNAME
      let answers = try request(message, call: "RTM_GETLINK", subject: name)
      guard let answer = answers.first,
        let index = NetlinkReader(answer).integer(at: 4, as: Int32.self)
      else {
        throw SystemError("RTM_GETLINK", Errno(ENODEV), subject: name)
      }
      let reader = NetlinkReader(answer)
      let flags = reader.integer(at: 8, as: UInt32.self) ?? 0
      var link = NetlinkLink(
        index: index, isUp: flags & 1 != 0, mtu: 0, transmitQueueLength: 0, mac: [])
      for attribute in reader.attributes(from: 16) {
        let value = NetlinkReader(attribute.payload).integer(at: 0, as: UInt32.self) ?? 0
        switch attribute.type {
        case 1: link.mac = Array(attribute.payload)  // IFLA_ADDRESS
        case 4: link.mtu = value
        case 13: link.transmitQueueLength = value
        default: break
        }
      }
      return link
    }

    /// Adds an address; does nothing when the interface already has it.
    package mutating func addAddress(
      _ address: NetlinkAddress, prefixLength: UInt8, index: Int32, name: String
    ) throws(SystemError) {
      var message = NetlinkMessage(
        .newAddress, flags: [.acknowledge, .create, .replace], sequence: nextSequence())
      message.append(address.family)
      message.append(prefixLength)
      // IFA_F_NODAD: the network leased the address to this guest, so it cannot be a duplicate.
      message.append(UInt8(address.bytes.count == 16 ? 2 : 0))
      message.append(UInt8(0))  // RT_SCOPE_UNIVERSE
      message.append(index)
      message.appendAttribute(2, address.bytes)  // IFA_LOCAL
      message.appendAttribute(1, address.bytes)  // IFA_ADDRESS
      if let broadcast = Self.broadcast(of: address, prefixLength: prefixLength) {
        message.appendAttribute(4, broadcast)  // IFA_BROADCAST
      }
      try request(message, call: "RTM_NEWADDR", subject: "\(address)/\(prefixLength) on \(name)")
    }

    /// - Throws: `SystemError` with EADDRNOTAVAIL when the interface has no such address.
    package mutating func removeAddress(
      _ address: NetlinkAddress, prefixLength: UInt8, index: Int32, name: String
    ) throws(SystemError) {
      // RTM_DELADDR
      var message = NetlinkMessage(kind: 21, flags: .acknowledge, sequence: nextSequence())
      message.append(address.family)
      message.append(prefixLength)
      message.append(UInt16(0))
      message.append(index)
      message.appendAttribute(2, address.bytes)  // IFA_LOCAL
      try request(message, call: "RTM_DELADDR", subject: "\(address)/\(prefixLength) on \(name)")
    }

    /// Adds or replaces the default route of the gateway's family.
    package mutating func setDefaultRoute(
      via gateway: NetlinkAddress, index: Int32, name: String
    ) throws(SystemError) {
      var message = NetlinkMessage(
        .newRoute, flags: [.acknowledge, .create, .replace], sequence: nextSequence())
      message.append(gateway.family)
      message.append(UInt8(0))  // destination prefix: everything
      message.append(UInt8(0))  // source prefix
      message.append(UInt8(0))  // type of service
      message.append(UInt8(254))  // RT_TABLE_MAIN
      message.append(UInt8(3))  // RTPROT_BOOT
      message.append(UInt8(0))  // RT_SCOPE_UNIVERSE
      message.append(UInt8(1))  // RTN_UNICAST
      message.append(UInt32(0))
      message.appendAttribute(5, gateway.bytes)  // RTA_GATEWAY
      message.appendAttribute(4, UInt32(bitPattern: index))  // RTA_OIF
      try request(message, call: "RTM_NEWROUTE", subject: "default via \(gateway) on \(name)")
    }

    /// Whether a packet waits on the interface for address resolution (NUD_INCOMPLETE).
    package mutating func hasUnresolvedNeighbours(index: Int32) throws(SystemError) -> Bool {
      // RTM_GETNEIGH
      var message = NetlinkMessage(kind: 30, flags: .dump, sequence: nextSequence())
      for _ in 0..<3 { message.append(UInt32(0)) }  // struct ndmsg: of all families
      var found = false
      try request(message, call: "RTM_GETNEIGH", subject: "all") { answer in
        let reader = NetlinkReader(answer)
        guard reader.integer(at: 4, as: Int32.self) == index,
          let state = reader.integer(at: 8, as: UInt16.self)
        else { return }
        if state & 1 != 0 { found = true }
      }
      return found
    }

    /// IPv4 networks have one unless they hold two addresses or fewer (RFC 3021).
    static func broadcast(of address: NetlinkAddress, prefixLength: UInt8) -> [UInt8]? {
      guard address.bytes.count == 4, prefixLength < 31 else { return nil }
      let host = UInt32.max >> UInt32(prefixLength)
      return (0..<4).map { index in
        address.bytes[index] | UInt8(truncatingIfNeeded: host >> UInt32(24 - index * 8))
      }
    }
  }

  extension NetlinkMessage {
    /// struct ifinfomsg
    fileprivate mutating func appendLinkHeader(index: Int32, up: Bool?) {
      append(UInt32(0))  // family, padding, device type
      append(index)
      append(UInt32(up == true ? 1 : 0))  // IFF_UP
      append(UInt32(up == nil ? 0 : 1))  // which flags to change
    }
  }

#endif
