// SPDX-License-Identifier: Apache-2.0
//
// What a guest's frame claims to be: the sender of an ARP packet (RFC 826, RFC 5227), the source
// of an IPv4 packet, a DHCP server (RFC 2131, RFC 8415), an IPv6 router (RFC 4861, RFC 6105).
//
// Other types cost two loads, and IPv4 from where the port's last packet came from two more.
// Tags of priority, which receivers take off (IEEE 802.1Q, VLAN 0), hide nothing, nor do IPv6
// extension headers (RFC 7113) and the encapsulation of RFC 1042; frames of a VLAN are its own
// affair. Thread: loop only.

import PluginAPI

extension AddressGuard {
  enum Verdict {
    case pass
    /// ARP that puts somebody's address elsewhere.
    case arp(address: UInt32)
    /// The same, but by a station that has no address of its own, in its own name: it may be who
    /// has the address, with another Ethernet address than before.
    case change(address: UInt32, owner: UInt64, mac: UInt64)
    /// IPv4 from somebody else's address.
    case source(address: UInt32, owner: UInt64)
    /// The same, but it is for DHCP servers, and the plugin is one.
    case client(address: UInt32, owner: UInt64)
    /// The words of a DHCP server.
    case dhcp
    /// The words of an IPv6 router.
    case router
    /// More headers than anybody has use for.
    case overlong
  }

  /// An IPv4 source that a port may use, as found when the bindings had `revision`.
  struct Vouched {
    var mac: UInt64 = 0
    var address: UInt32 = 0
    var revision: UInt32 = 0
  }

  private static let headerLimit = 8

  /// What a guest's frame of at least 14 bytes claims.
  @inline(__always)
  func inspect(
    _ frame: UnsafePointer<lnd_frame>, _ data: UnsafePointer<UInt8>,
    _ vouched: UnsafeMutablePointer<Vouched>
  ) -> Verdict {
    let type = UnsafeRawPointer(data).loadUnaligned(fromByteOffset: 12, as: UInt16.self)
    return switch UInt16(bigEndian: type) {
    case 0x0800, 0x0806, 0x86dd, 0x8100, 0x88a8, 0..<0x0600:
      inspect(UInt16(bigEndian: type), data, Int(frame.pointee.length), vouched)
    default: .pass
    }
  }

  private func inspect(
    _ outer: UInt16, _ data: UnsafePointer<UInt8>, _ length: Int,
    _ vouched: UnsafeMutablePointer<Vouched>
  ) -> Verdict {
    let raw = UnsafeRawPointer(data)
    var type = outer
    var at = 14
    while type == 0x8100 || type == 0x88a8 {
      guard at + 4 <= length else { return .pass }
      if UInt16(data[at]) << 8 & 0x0f00 | UInt16(data[at + 1]) != 0 { return .pass }
      if at >= 14 + 4 * Self.headerLimit { return .overlong }
      type = UInt16(bigEndian: raw.loadUnaligned(fromByteOffset: at + 2, as: UInt16.self))
      at += 4
    }
    // A length: LLC, perhaps with a SNAP header for an Ethernet type.
    if type < 0x0600, at + 8 <= length {
      let header = raw.loadUnaligned(fromByteOffset: at, as: UInt64.self).bigEndian
      if header >> 16 == 0xaaaa_0300_0000 {
        type = UInt16(truncatingIfNeeded: header)
        at += 8
      }
    }
    let source = UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 4, as: UInt64.self))
    let mac = source & 0xffff_ffff_ffff
    switch type {
    case 0x0806: return inspectARP(raw + at, length - at, mac)
    case 0x0800: return inspectIPv4(raw + at, length - at, mac, vouched)
    case 0x86dd: return servesDHCP ? inspectIPv6(raw + at, length - at) : .pass
    default: return .pass
    }
  }

  private func inspectARP(_ packet: UnsafeRawPointer, _ length: Int, _ mac: UInt64) -> Verdict {
    guard length >= 28 else { return .pass }
    // Sender's Ethernet address at 8, its IP address at 14.
    let hardware = UInt64(bigEndian: packet.loadUnaligned(fromByteOffset: 6, as: UInt64.self))
    let sender = hardware & 0xffff_ffff_ffff
    let address = UInt32(bigEndian: packet.loadUnaligned(fromByteOffset: 14, as: UInt32.self))
    guard let owner = station(of: address) else { return .pass }
    guard sender == mac else { return .arp(address: address) }
    if mac == owner { return .pass }
    return isOwn(owner) || isBound(mac)
      ? .arp(address: address) : .change(address: address, owner: owner, mac: mac)
  }

  @inline(__always)
  private func inspectIPv4(
    _ packet: UnsafeRawPointer, _ length: Int, _ mac: UInt64,
    _ vouched: UnsafeMutablePointer<Vouched>
  ) -> Verdict {
    guard length >= 20 else { return .pass }
    let address = UInt32(bigEndian: packet.loadUnaligned(fromByteOffset: 12, as: UInt32.self))
    if address != vouched.pointee.address || mac != vouched.pointee.mac
      || revision != vouched.pointee.revision
    {
      if let owner = station(of: address), owner != mac {
        return servesDHCP && isUDP(packet, length, to: 67)
          ? .client(address: address, owner: owner) : .source(address: address, owner: owner)
      }
      vouched.pointee = Vouched(mac: mac, address: address, revision: revision)
    }
    return servesDHCP && isUDP(packet, length, to: 68) ? .dhcp : .pass
  }

  /// UDP to the port of DHCP servers (67) or clients (68), in a first fragment or a whole packet.
  @inline(__always)
  private func isUDP(_ packet: UnsafeRawPointer, _ length: Int, to port: UInt8) -> Bool {
    let bytes = packet.assumingMemoryBound(to: UInt8.self)
    guard bytes[9] == 17 else { return false }
    let header = Int(bytes[0] & 0x0f) * 4
    let fragment = Int(bytes[6] & 0x1f) << 8 | Int(bytes[7])
    guard header >= 20, fragment == 0, length >= header + 4 else { return false }
    return bytes[header + 2] == 0 && bytes[header + 3] == port
  }

  /// Follows the headers to what the packet is about.
  private func inspectIPv6(_ packet: UnsafeRawPointer, _ length: Int) -> Verdict {
    guard length >= 40 else { return .pass }
    let bytes = packet.assumingMemoryBound(to: UInt8.self)
    var next = bytes[6]
    var at = 40
    var isFragment = false
    for _ in 0..<Self.headerLimit {
      switch next {
      case 0, 43, 44, 51, 60, 135: break
      default: return lastHeader(next, bytes + at, length - at)
      }
      // What is beyond the frame's end is in another fragment, or nowhere.
      guard at + 8 <= length else { return isFragment ? .overlong : .pass }
      let units = Int(bytes[at + 1])
      switch next {
      case 44:
        guard Int(bytes[at + 2]) << 8 | Int(bytes[at + 3] & 0xf8) == 0 else { return .pass }
        isFragment = true
        (next, at) = (bytes[at], at + 8)
      case 51: (next, at) = (bytes[at], at + (units + 2) * 4)
      default: (next, at) = (bytes[at], at + (units + 1) * 8)
      }
      guard at < length else { return isFragment ? .overlong : .pass }
    }
    return .overlong
  }

  private func lastHeader(
    _ next: UInt8, _ bytes: UnsafePointer<UInt8>, _ length: Int
  ) -> Verdict {
    switch next {
    case 58: length > 0 && bytes[0] == 134 ? .router : .pass
    // To the port of DHCPv6 clients.
    case 17: length >= 4 && bytes[2] == 2 && bytes[3] == 34 ? .dhcp : .pass
    default: .pass
    }
  }
}
