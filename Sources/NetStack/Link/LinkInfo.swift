// SPDX-License-Identifier: Apache-2.0

import Wire

/// The host's name for a link; never 0.
public typealias PortID = UInt64
/// The host's name for a watched descriptor or a timer; 0: none.
public typealias HandleID = UInt64

/// The kind of a link's other end.
public struct LinkKind: RawRepresentable, Equatable, BitwiseCopyable, Sendable {
  public let rawValue: UInt32

  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// One guest.
  public static let guest = LinkKind(rawValue: 1)
  /// A switch with any number of guests. A `send` that accepts fewer frames than given stopped at one whose guest has
  /// no room; frames to other guests are still accepted.
  public static let `switch` = LinkKind(rawValue: 2)
}

/// The properties of a link that comes up.
public struct LinkInfo: Sendable {
  public var port: PortID
  public var kind: LinkKind
  /// MTU, bytes of IP packet; 0: the stack's own setting.
  public var mtu: UInt32
  public var offloads: Offloads
  /// The guest's Ethernet address, if known; else zero.
  public var mac: MACAddress
  /// For forwards that name their guest, and for logs.
  public var name: String

  public init(
    port: PortID, kind: LinkKind = .guest, mtu: UInt32 = 0, offloads: Offloads = [],
    mac: MACAddress = .zero, name: String = ""
  ) {
    self.port = port
    self.kind = kind
    self.mtu = mtu
    self.offloads = offloads
    self.mac = mac
    self.name = name
  }
}
