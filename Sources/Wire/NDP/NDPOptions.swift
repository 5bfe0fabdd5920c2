// SPDX-License-Identifier: Apache-2.0
//
// Options of Neighbor Discovery (RFC 4861 §4.6, RFC 8106 §5): a walk over those of a message, and the bytes of
// those that a router sends. Reading allocates nothing.

/// Option types.
public enum NDPOptionType {
  @inlinable public static var sourceLinkLayer: UInt8 { 1 }
  @inlinable public static var targetLinkLayer: UInt8 { 2 }
  @inlinable public static var prefixInformation: UInt8 { 3 }
  @inlinable public static var mtu: UInt8 { 5 }
  /// RFC 3971 §5.3.2; also used by enhanced duplicate address detection (RFC 7527).
  @inlinable public static var nonce: UInt8 { 14 }
  /// RFC 8106 §5.1.
  @inlinable public static var recursiveDNS: UInt8 { 25 }
  /// RFC 8106 §5.2.
  @inlinable public static var dnsSearchList: UInt8 { 31 }
  /// RFC 8781 §4.
  @inlinable public static var pref64: UInt8 { 38 }
}

/// Offsets in an option.
public enum NDPOptionField {
  @inlinable public static var type: Int { 0 }
  /// In units of eight bytes, type and length included.
  @inlinable public static var length: Int { 1 }
  @inlinable public static var unit: Int { 8 }
  /// Of a link-layer address.
  @inlinable public static var linkLayer: Int { 2 }
  /// Of prefix information (§4.6.2).
  @inlinable public static var prefixLength: Int { 2 }
  @inlinable public static var prefixFlags: Int { 3 }
  @inlinable public static var validLifetime: Int { 4 }
  @inlinable public static var preferredLifetime: Int { 8 }
  @inlinable public static var prefix: Int { 16 }
  @inlinable public static var prefixInformationLength: Int { 32 }
  /// Of MTU (§4.6.4), and the lifetime of both of DNS.
  @inlinable public static var value: Int { 4 }
  /// Where addresses and names of the options of DNS begin.
  @inlinable public static var list: Int { 8 }
}

/// The options of a message; their lengths are checked.
public struct NDPOptions: BitwiseCopyable {
  private let bytes: ByteView

  /// Nil when an option has length 0 or goes beyond the end (RFC 4861 §6.1.1, §7.1.1).
  public init?(checking bytes: ByteView) {
    var offset = 0
    while offset < bytes.count {
      guard bytes.count &- offset >= 2 else { return nil }
      let length = Int(bytes[offset &+ NDPOptionField.length]) &* NDPOptionField.unit
      guard length > 0, length <= bytes.count &- offset else { return nil }
      offset &+= length
    }
    self.bytes = bytes
  }

  /// The first option of a type with its type and length: eight bytes at least.
  public func first(_ type: UInt8) -> ByteView? {
    var found: ByteView?
    forEach { option in
      if found == nil, option[NDPOptionField.type] == type { found = option }
    }
    return found
  }

  /// Every option in order, with its type and length.
  public func forEach(_ body: (ByteView) -> Void) {
    var offset = 0
    while offset < bytes.count {
      let length = Int(bytes[offset &+ NDPOptionField.length]) &* NDPOptionField.unit
      body(bytes.slice(at: offset, count: length))
      offset &+= length
    }
  }

  /// An Ethernet address (RFC 2464 §6): of the types `sourceLinkLayer` and `targetLinkLayer`.
  public func linkLayer(_ type: UInt8) -> MACAddress? {
    first(type).map { $0.macAddress(at: NDPOptionField.linkLayer) }
  }
}

/// Options to be sent.
public struct NDPOptionBytes: Hashable, Sendable {
  public private(set) var bytes: [UInt8] = []
  /// Maximum bytes of an option: its length field has eight bits.
  private static let limit = 255 * 8

  public init() {}

  /// RFC 4861 §4.6.1, RFC 2464 §6.
  public mutating func addLinkLayer(_ type: UInt8, _ mac: MACAddress) {
    bytes += [UInt8](capacity: 8) { out in
      out.store(type, at: NDPOptionField.type)
      out.store(UInt8(1), at: NDPOptionField.length)
      out.store(mac, at: NDPOptionField.linkLayer)
      return 8
    }
  }

  /// RFC 4861 §4.6.2. Lifetimes in seconds.
  /// - Parameters:
  ///   - isOnLink: L: its addresses are on this link.
  ///   - isAutonomous: A: guests derive addresses from it (RFC 4862).
  public mutating func addPrefix(
    _ prefix: CIDR, isOnLink: Bool, isAutonomous: Bool, valid: UInt32, preferred: UInt32
  ) {
    let flags: UInt8 = (isOnLink ? 0x80 : 0) + (isAutonomous ? 0x40 : 0)
    bytes += [UInt8](capacity: NDPOptionField.prefixInformationLength) { out in
      out.store(NDPOptionType.prefixInformation, at: NDPOptionField.type)
      out.store(UInt8(4), at: NDPOptionField.length)
      out.store(UInt8(truncatingIfNeeded: prefix.prefixLength), at: NDPOptionField.prefixLength)
      out.store(flags, at: NDPOptionField.prefixFlags)
      out.store(valid, at: NDPOptionField.validLifetime)
      out.store(preferred, at: NDPOptionField.preferredLifetime)
      out.storeV6(prefix.network, at: NDPOptionField.prefix)
      return NDPOptionField.prefixInformationLength
    }
  }

  /// RFC 4861 §4.6.4.
  public mutating func addMTU(_ mtu: UInt32) {
    bytes += [UInt8](capacity: 8) { out in
      out.store(NDPOptionType.mtu, at: NDPOptionField.type)
      out.store(UInt8(1), at: NDPOptionField.length)
      out.store(mtu, at: NDPOptionField.value)
      return 8
    }
  }

  /// RFC 8781 §4: a prefix of 96 bits (code 0).
  /// - Parameter lifetime: seconds, in steps of eight.
  public mutating func addPREF64(_ prefix: IPAddress, lifetime: UInt16) {
    bytes += [UInt8](capacity: 16) { out in
      out.store(NDPOptionType.pref64, at: NDPOptionField.type)
      out.store(UInt8(2), at: NDPOptionField.length)
      out.store(lifetime & ~7, at: NDPOptionField.value - 2)
      out.store(UInt32(truncatingIfNeeded: prefix.high >> 32), at: NDPOptionField.value)
      out.store(UInt32(truncatingIfNeeded: prefix.high), at: NDPOptionField.value + 4)
      out.store(UInt32(truncatingIfNeeded: prefix.low >> 32), at: NDPOptionField.value + 8)
      return 16
    }
  }

  /// RFC 8106 §5.1. Nothing without a server; no more than an option has room for.
  public mutating func addRecursiveDNS(_ servers: [IPAddress], lifetime: UInt32) {
    let servers = servers.prefix((Self.limit - NDPOptionField.list) / 16)
    guard !servers.isEmpty else { return }
    let length = NDPOptionField.list + 16 * servers.count
    bytes += [UInt8](capacity: length) { out in
      out.store(NDPOptionType.recursiveDNS, at: NDPOptionField.type)
      out.store(UInt8(length / NDPOptionField.unit), at: NDPOptionField.length)
      out.store(lifetime, at: NDPOptionField.value)
      for (index, server) in servers.enumerated() {
        out.storeV6(server, at: NDPOptionField.list + 16 * index)
      }
      return length
    }
  }

  /// RFC 8106 §5.2. Adds nothing without a name.
  /// - Parameter names: each in DNS format without compression; names that do not fit are left out.
  public mutating func addSearchList(_ names: [[UInt8]], lifetime: UInt32) {
    var list: [UInt8] = []
    for name in names where list.count + name.count <= Self.limit - NDPOptionField.list {
      list += name
    }
    guard !list.isEmpty else { return }
    // Padded with zeros, which are no names (§5.2).
    let units = (NDPOptionField.list + list.count + 7) / NDPOptionField.unit
    list += repeatElement(0, count: units * NDPOptionField.unit - NDPOptionField.list - list.count)
    bytes += [UInt8](capacity: NDPOptionField.list) { out in
      out.store(NDPOptionType.dnsSearchList, at: NDPOptionField.type)
      out.store(UInt8(units), at: NDPOptionField.length)
      out.store(lifetime, at: NDPOptionField.value)
      return NDPOptionField.list
    }
    bytes += list
  }
}
