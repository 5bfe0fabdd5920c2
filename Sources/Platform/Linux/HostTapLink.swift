// SPDX-License-Identifier: Apache-2.0
//
// TAP devices of the host that a network uses as its uplink: their names, the kernel's properties of an existing one,
// and adopting a descriptor that lima-netd-tap opened.

#if os(Linux)

  import CPlatform
  import LibC

  /// The properties of an interface that decide whether it can serve as a TAP.
  package struct HostTapLink: Sendable, Hashable {
    package var index: Int32
    /// "tun" for a TAP or TUN, "bridge"; "" for a plain device.
    package var kind = ""
    package var isTap = false
    package var persists = false
    /// Nil: any user may attach.
    package var owner: UInt32?
    package var mtu: UInt32 = 0
    /// The index of the bridge it is a port of.
    package var master: Int32?
    /// The interface's alias, a `TapAlias` if lima-netd-tap wrote it; only root can.
    package var alias = ""
    /// ARPHRD_*: 1 for Ethernet.
    package var type: UInt16 = 0
    /// IFF_*
    package var flags: UInt32 = 0
    /// Its Ethernet address, as "52:55:55:12:34:56"; "" for none.
    package var mac = ""

    package var isUp: Bool { flags & 0x1 != 0 }
    /// The kernel uses ARP on it (not IFF_NOARP).
    package var hasARP: Bool { flags & 0x80 == 0 }
    /// All its traffic is received: it is a port of a kernel bridge, or a switch in user space has it promiscuous
    /// (IFF_PROMISC).
    package var isServed: Bool { master != nil || flags & 0x100 != 0 }
    /// IFF_LOWER_UP: the link is up.
    package var hasCarrier: Bool { flags & 0x10000 != 0 }

    /// Neither bridge, TAP nor loopback: an interface on which guests can have a macvtap. lima-netd-tap has the same
    /// rule (Sources/lima-netd-tap/card.c).
    package var isNetworkCard: Bool {
      !["bridge", "openvswitch", "tun"].contains(kind) && type == 1 && flags & 0x8 == 0
    }

    /// "ln1000-shared"; when that exceeds the maximum length of an interface name, "ln-" and a hash of it.
    /// lima-netd-tap has the same rule (Sources/lima-netd-tap/arguments.c).
    package static func name(user: UInt32, network: String) -> String {
      let text = "ln\(user)-\(network)"
      guard text.utf8.count > 15 else { return text }
      let digits = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)
      var hash: UInt64 = 0xcbf2_9ce4_8422_2325
      for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
      let tail = (0..<12).map { digits[Int(hash >> UInt64(5 * $0) & 31)] }
      return "ln-" + String(decoding: tail, as: UTF8.self)
    }
  }

  extension Netlink {
    /// Nil when there is no such interface.
    package mutating func hostTap(named name: String) throws(SystemError) -> HostTapLink? {
      var message = NetlinkMessage(.getLink, flags: .acknowledge, sequence: nextSequence())
      for _ in 0..<4 { message.append(UInt32(0)) }  // struct ifinfomsg
      message.appendAttribute(3, Array(name.utf8) + [0])  // IFLA_IFNAME
      let answers: [ArraySlice<UInt8>]
      do throws(SystemError) {
        answers = try request(message, call: "RTM_GETLINK", subject: name)
      } catch {
        if error.errno.rawValue == ENODEV { return nil }
        throw error
      }
      guard let answer = answers.first,
        let index = NetlinkReader(answer).integer(at: 4, as: Int32.self)
      else { return nil }
      var link = HostTapLink(index: index)
      link.type = NetlinkReader(answer).integer(at: 2, as: UInt16.self) ?? 0
      link.flags = NetlinkReader(answer).integer(at: 8, as: UInt32.self) ?? 0
      for attribute in NetlinkReader(answer).attributes(from: 16) {
        let reader = NetlinkReader(attribute.payload)
        switch attribute.type {
        case 1: link.mac = EthernetAddress.text(attribute.payload)  // IFLA_ADDRESS
        case 4: link.mtu = reader.integer(at: 0, as: UInt32.self) ?? 0
        case 10: link.master = reader.integer(at: 0, as: Int32.self)
        case 18: link.read(reader)  // IFLA_LINKINFO
        case 20:  // IFLA_IFALIAS
          link.alias = String(decoding: attribute.payload.prefix { $0 != 0 }, as: UTF8.self)
        default: break
        }
      }
      return link
    }

    /// The IPv4 addresses of an interface, as "192.168.105.1/24".
    package mutating func addresses(of index: Int32) throws(SystemError) -> [String] {
      var message = NetlinkMessage(
        .getAddress, flags: NetlinkMessage.Flags(rawValue: 0x300), sequence: nextSequence())
      message.append(UInt8(AF_INET))
      for _ in 0..<7 { message.append(UInt8(0)) }  // struct ifaddrmsg
      let answers = try request(message, call: "RTM_GETADDR", subject: "addresses")
      return answers.compactMap { answer in
        let reader = NetlinkReader(answer)
        guard reader.integer(at: 4, as: Int32.self) == index,
          let prefix = reader.integer(at: 1, as: UInt8.self)
        else { return nil }
        let local = reader.attributes(from: 8).first { $0.type == 2 }
        guard let local, local.payload.count == 4 else { return nil }
        return local.payload.map(String.init).joined(separator: ".") + "/\(prefix)"
      }
    }
  }

  extension HostTapLink {
    fileprivate mutating func read(_ info: NetlinkReader) {
      for attribute in info.attributes(from: 0) {
        switch attribute.type {
        case 1: kind = String(decoding: attribute.payload.prefix { $0 != 0 }, as: UTF8.self)
        case 2 where kind == "tun":
          for own in NetlinkReader(attribute.payload).attributes(from: 0) {
            let reader = NetlinkReader(own.payload)
            switch own.type {
            case 1: owner = reader.integer(at: 0, as: UInt32.self)
            case 3: isTap = reader.integer(at: 0, as: UInt8.self) == 2
            case 6: persists = reader.integer(at: 0, as: UInt8.self) != 0
            default: break
            }
          }
        default: break
        }
      }
    }
  }

  extension Tap {
    /// Whether the descriptor's interface still exists.
    package static func isAttached(_ fd: Int32) -> Bool {
      var request = InterfaceRequest(name: "")
      return request.perform(fd, 0x8004_54d2) >= 0  // TUNGETIFF
    }

    /// The current name of its interface; nil when it was deleted.
    package static func interfaceName(of fd: Int32) -> String? {
      var request = InterfaceRequest(name: "")
      return request.perform(fd, 0x8004_54d2) >= 0 ? request.name : nil  // TUNGETIFF
    }

    /// Whether it is a macvtap's character device; /dev/net/tun is 10, 200.
    package static func isMacvtap(_ fd: Int32) -> Bool {
      var info = stat()
      guard fstat(fd, &info) == 0 else { return false }
      return (info.st_rdev >> 8) & 0xfff != 10
    }

    /// Adopts a descriptor that another process attached to a TAP with IFF_VNET_HDR: sets which offloads this process
    /// accepts. Closes the descriptor when that fails.
    package static func adopt(_ fd: Int32) throws(SystemError) -> Tap {
      var request = InterfaceRequest(name: "")
      let result = request.perform(fd, 0x8004_54d2)  // TUNGETIFF
      guard result >= 0, request.flags & 0x0002 != 0, request.flags & 0x4000 != 0 else {
        close(fd)
        throw SystemError("TUNGETIFF", result < 0 ? Errno(0 &- result) : .invalidArgument)
      }
      var length = vnetHeaderLength
      _ = plat_ioctl_bytes(fd, 0x4004_54d8, &length)  // TUNSETVNETHDRSZ
      let offloads =
        offloadChoices.first {
          plat_ioctl_value(fd, 0x4004_54d0, Int32(bitPattern: $0)) >= 0  // TUNSETOFFLOAD
        } ?? 0
      _ = fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK)
      return Tap(fd: fd, name: request.name, vnetHeader: true, offloads: offloads)
    }
  }

#endif
