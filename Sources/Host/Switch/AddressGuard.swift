// SPDX-License-Identifier: Apache-2.0
//
// Whose addresses are whose (limanetd.guard/1), and what a guest's frame claims of them: the
// sender of an ARP packet (RFC 826, RFC 5227), and being a DHCP server (RFC 2131).
//
// Looks at a frame's type first, so that others cost two loads. Bindings are bounded. Thread:
// loop only.

import PluginAPI

struct AddressGuard {
  enum Verdict {
    case pass
    /// ARP that puts somebody's address elsewhere.
    case arp(address: UInt32)
    /// The words of a DHCP server.
    case dhcp
  }

  static let limit = 65536

  /// Whether there is anything to look at.
  private(set) var isActive = false
  private var stations: [UInt32: UInt64] = [:]
  private var addresses: [UInt64: Int] = [:]
  private var own: Set<UInt64> = []
  var servesDHCP = false { didSet { updateActive() } }

  /// False at the limit.
  mutating func bind(_ address: UInt32, to mac: UInt64, isOwn: Bool) -> Bool {
    unbind(address)
    guard stations.count < Self.limit else { return false }
    stations[address] = mac
    addresses[mac, default: 0] += 1
    if isOwn { own.insert(mac) }
    updateActive()
    return true
  }

  mutating func unbind(_ address: UInt32) {
    guard let mac = stations.removeValue(forKey: address) else { return }
    let left = (addresses[mac] ?? 1) - 1
    addresses[mac] = left > 0 ? left : nil
    if left <= 0 { own.remove(mac) }
    updateActive()
  }

  private mutating func updateActive() { isActive = servesDHCP || !stations.isEmpty }

  func station(of address: UInt32) -> UInt64? { stations[address] }

  /// Whether an Ethernet address belongs to somebody who has an IP address by it.
  func isBound(_ mac: UInt64) -> Bool { addresses[mac] != nil }

  /// Whether it is the plugin's own.
  func isOwn(_ mac: UInt64) -> Bool { own.contains(mac) }

  /// What a guest's frame of at least 14 bytes claims.
  @inline(__always)
  func inspect(_ frame: UnsafePointer<lnd_frame>, _ data: UnsafePointer<UInt8>) -> Verdict {
    // Ethernet type, first byte low.
    switch UnsafeRawPointer(data).loadUnaligned(fromByteOffset: 12, as: UInt16.self) {
    case 0x0608: inspectARP(data, Int(frame.pointee.length))
    case 0x0008 where servesDHCP && frame.pointee.length > 23 && data[23] == 17:
      isFromServer(data, Int(frame.pointee.length)) ? .dhcp : .pass
    default: .pass
    }
  }

  private func inspectARP(_ data: UnsafePointer<UInt8>, _ length: Int) -> Verdict {
    guard length >= 42 else { return .pass }
    let raw = UnsafeRawPointer(data)
    // Sender's Ethernet address at 22, its IP address at 28.
    let hardware = UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 20, as: UInt64.self))
    let sender = hardware & 0xffff_ffff_ffff
    let address = UInt32(bigEndian: raw.loadUnaligned(fromByteOffset: 28, as: UInt32.self))
    guard let owner = stations[address] else { return .pass }
    let first = UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 4, as: UInt64.self))
    let source = first & 0xffff_ffff_ffff
    return sender == owner && source == owner ? .pass : .arp(address: address)
  }

  /// UDP to the port of DHCP clients, in a first fragment or a whole packet.
  private func isFromServer(_ data: UnsafePointer<UInt8>, _ length: Int) -> Bool {
    let header = Int(data[14] & 0x0f) * 4
    let fragment = Int(data[20] & 0x1f) << 8 | Int(data[21])
    guard header >= 20, fragment == 0, length >= 14 + header + 4 else { return false }
    return data[14 + header + 2] == 0 && data[14 + header + 3] == 68
  }
}
