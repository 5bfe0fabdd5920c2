// SPDX-License-Identifier: Apache-2.0
//
// HostFilter: what may cross between the guests and the host's own network stack, which are joined
// by a TAP with the gateway's address. A guest must reach that address and nothing else of the
// host's by it, whatever ip_forward and rp_filter are; the host must be no more to the guests than
// that address.
//
// To the host: IPv4 of a guest's address to the gateway's, TCP, UDP and ICMP that a host has use
// for; ARP of a guest that asks for the gateway, answers it or announces itself, so that the
// host knows where the guest is as on any wire (RFC 826, "packet reception"; RFC 5227 §2.3), also
// when it is elsewhere than before: what is claimed of others' addresses the switch has dropped by
// then (Host/Switch/AddressGuard); datagrams to the subnet's broadcast address and to the local network's
// multicast groups (224.0.0.0/24, RFC 5771 §4), for mDNS and the like. Never DHCP, redirects
// (RFC 792), router discovery (RFC 1256), IP options, other protocols, VLAN tags, IPv6.
// From the host: IPv4 and ARP (RFC 826) of the gateway's addresses, to the subnet and those groups.
//
// A value without state; frames of at least 14 bytes, borrowed. Thread: any.

import PluginAPI

/// See the head of this file.
package struct HostFilter: Sendable {
  /// Where a frame of a guest goes.
  package enum Way: Sendable, Equatable {
    /// To our own stack: DHCP, DNS, ARP for the gateway, and all that leads elsewhere.
    case stack
    /// To the host, unless our own stack waits for it.
    case host
    /// To the host, and our own stack wants to know, too.
    case both
    /// To nobody.
    case drop
  }

  /// The gateway's: 48 bits, first byte highest.
  let mac: UInt64
  let gateway: UInt32
  let network: UInt32
  let mask: UInt32
  /// Port 53 of the gateway's address is the network's DNS, not the host's own.
  let servesDNS: Bool

  package init(
    mac: UInt64, gateway: UInt32, prefixLength: Int, servesDNS: Bool
  ) {
    self.mac = mac
    self.gateway = gateway
    mask = ~UInt32(0) << UInt32(32 - prefixLength)
    network = gateway & mask
    self.servesDNS = servesDNS
  }

  private enum Offset {
    static let etherType = 12
    static let ip = 14
  }

  // MARK: From guests

  /// What becomes of a frame that a guest sent to the gateway, or to all.
  @inline(__always)
  package func fromGuest(_ frame: UnsafePointer<lnd_frame>) -> Way {
    guard let data = frame.pointee.data, frame.pointee.flags & LND_FRAME_SLICES == 0 else {
      return .drop
    }
    let bytes = UnsafeRawPointer(data)
    let length = Int(frame.pointee.length)
    let destination = UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)) >> 16
    if destination == mac {
      switch word(bytes, Offset.etherType) {
      case 0x0800: return fromGuestIPv4(bytes, length)
      case 0x0806: return tellsHost(bytes, length) ? .both : .stack
      default: return .stack
      }
    }
    guard destination & 0x0100_0000_0000 != 0 else { return .stack }
    switch word(bytes, Offset.etherType) {
    case 0x0800: return isGroupDatagram(bytes, length) ? .host : .stack
    case 0x0806: return tellsHost(bytes, length) ? .both : .stack
    default: return .stack
    }
  }

  @inline(__always)
  private func fromGuestIPv4(_ bytes: UnsafeRawPointer, _ length: Int) -> Way {
    guard length >= Offset.ip + 20 else { return .stack }
    let ip = bytes + Offset.ip
    guard long(ip, 16) == gateway, isGuest(long(ip, 12)) else { return .stack }
    guard ip.load(as: UInt8.self) == 0x45 else { return .drop }
    let fragment = word(ip, 6)
    // Of a datagram in pieces only the first says what it is for; without it the rest are nothing.
    if fragment & 0x1fff != 0 { return .host }
    let isFirst = fragment & 0x2000 != 0
    switch ip.load(fromByteOffset: 9, as: UInt8.self) {
    case 6:
      guard length >= Offset.ip + 24 else { return .drop }
      return word(ip, 22) == 53 && servesDNS ? .stack : .host
    case 17:
      guard length >= Offset.ip + 28 else { return .drop }
      switch word(ip, 22) {
      case 53 where servesDNS, 67: return isFirst ? .drop : .stack
      case 68: return .drop
      default: return .host
      }
    case 1:
      guard length >= Offset.ip + 28 else { return .drop }
      switch ip.load(fromByteOffset: 20, as: UInt8.self) {
      case 0, 8, 11, 12: return .host
      case 3: return .both
      default: return .drop
      }
    default: return .stack
    }
  }

  /// ARP that says where a guest is, to both stacks that may want to know: a question or an answer
  /// for the gateway, or an announcement of its own address.
  private func tellsHost(_ bytes: UnsafeRawPointer, _ length: Int) -> Bool {
    guard length >= Offset.ip + 28 else { return false }
    let arp = bytes + Offset.ip
    // Ethernet and IPv4, with their lengths; a request or a reply.
    guard long(arp, 0) == 0x0001_0800, word(arp, 4) == 0x0604, 1...2 ~= word(arp, 6) else {
      return false
    }
    let sender = long(arp, 14)
    return (long(arp, 24) == gateway || long(arp, 24) == sender) && isGuest(sender)
      && station(arp, 8) == station(bytes, 6)
  }

  /// UDP to everybody on the subnet, or to a group of the local network.
  private func isGroupDatagram(_ bytes: UnsafeRawPointer, _ length: Int) -> Bool {
    guard length >= Offset.ip + 28 else { return false }
    let ip = bytes + Offset.ip
    guard ip.load(as: UInt8.self) == 0x45, ip.load(fromByteOffset: 9, as: UInt8.self) == 17,
      word(ip, 6) & 0x3fff == 0, isGuest(long(ip, 12)), isForAll(long(ip, 16))
    else { return false }
    return word(ip, 22) != 67 && word(ip, 22) != 68 && word(ip, 22) != 53
  }

  // MARK: From the host

  /// Whether a frame of the host may go to guests.
  @inline(__always)
  package func fromHost(_ frame: UnsafePointer<lnd_frame>) -> Bool {
    guard let data = frame.pointee.data, frame.pointee.flags & LND_FRAME_SLICES == 0 else {
      return false
    }
    let bytes = UnsafeRawPointer(data)
    let length = Int(frame.pointee.length)
    guard station(bytes, 6) == mac else { return false }
    switch word(bytes, Offset.etherType) {
    case 0x0800:
      guard length >= Offset.ip + 20 else { return false }
      let ip = bytes + Offset.ip
      let destination = long(ip, 16)
      guard long(ip, 12) == gateway, isGuest(destination) || isForAll(destination) else {
        return false
      }
      return !isReserved(ip, length - Offset.ip)
    case 0x0806:
      guard length >= Offset.ip + 28 else { return false }
      let arp = bytes + Offset.ip
      return station(arp, 8) == mac && long(arp, 14) == gateway && isGuest(long(arp, 24))
    default: return false
    }
  }

  /// What is ours to say to guests: DHCP, and where routers are.
  private func isReserved(_ ip: UnsafeRawPointer, _ length: Int) -> Bool {
    let header = Int(ip.load(as: UInt8.self) & 0x0f) * 4
    guard word(ip, 6) & 0x1fff == 0, header >= 20, length >= header + 8 else { return false }
    switch ip.load(fromByteOffset: 9, as: UInt8.self) {
    case 1:
      let type = ip.load(fromByteOffset: header, as: UInt8.self)
      return type == 5 || type == 9
    case 17: return word(ip, header + 2) == 68 || word(ip, header) == 67
    default: return false
    }
  }

  // MARK: Addresses

  /// Whether a guest may have it.
  @inline(__always)
  private func isGuest(_ address: UInt32) -> Bool {
    address & mask == network && address != gateway && address & ~mask != 0
      && address | mask != ~0
  }

  @inline(__always)
  private func isForAll(_ address: UInt32) -> Bool {
    address == network | ~mask || address == ~0 || address & 0xffff_ff00 == 0xe000_0000
  }

  @inline(__always)
  private func word(_ bytes: UnsafeRawPointer, _ offset: Int) -> UInt16 {
    UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
  }

  @inline(__always)
  private func long(_ bytes: UnsafeRawPointer, _ offset: Int) -> UInt32 {
    UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }

  @inline(__always)
  private func station(_ bytes: UnsafeRawPointer, _ offset: Int) -> UInt64 {
    UInt64(word(bytes, offset)) << 32 | UInt64(long(bytes, offset + 2))
  }
}
