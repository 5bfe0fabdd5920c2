// SPDX-License-Identifier: Apache-2.0
//
// ARP for IPv4 over Ethernet (RFC 826). Other hardware and protocol types are rejected.

/// Offsets in the packet.
public enum ARPField {
  @inlinable public static var hardwareType: Int { 0 }
  @inlinable public static var protocolType: Int { 2 }
  @inlinable public static var hardwareLength: Int { 4 }
  @inlinable public static var protocolLength: Int { 5 }
  @inlinable public static var operation: Int { 6 }
  @inlinable public static var senderMAC: Int { 8 }
  @inlinable public static var senderIP: Int { 14 }
  @inlinable public static var targetMAC: Int { 18 }
  @inlinable public static var targetIP: Int { 24 }
}

/// A view of an ARP packet. After the check no getter reads outside it.
public struct ARPPacket: BitwiseCopyable {
  public let bytes: ByteView

  /// Nil unless it is complete and maps IPv4 to Ethernet addresses.
  public init?(checking bytes: ByteView) {
    guard bytes.count >= ARPHeader.encodedLength,
      bytes.uint16(at: ARPField.hardwareType) == 1,
      bytes.uint16(at: ARPField.protocolType) == EtherType.ipv4,
      bytes[ARPField.hardwareLength] == 6, bytes[ARPField.protocolLength] == 4
    else { return nil }
    self.bytes = bytes
  }

  public var operation: UInt16 { bytes.uint16(at: ARPField.operation) }
  public var senderMAC: MACAddress { bytes.macAddress(at: ARPField.senderMAC) }
  public var senderIP: IPAddress { bytes.ipv4Address(at: ARPField.senderIP) }
  public var targetMAC: MACAddress { bytes.macAddress(at: ARPField.targetMAC) }
  public var targetIP: IPAddress { bytes.ipv4Address(at: ARPField.targetIP) }
}

public struct ARPHeader: Hashable, Sendable, BitwiseCopyable {
  @inlinable public static var request: UInt16 { 1 }
  @inlinable public static var reply: UInt16 { 2 }

  public var operation: UInt16
  public var senderMAC: MACAddress
  public var senderIP: IPAddress
  public var targetMAC: MACAddress
  public var targetIP: IPAddress

  @inlinable public static var encodedLength: Int { 28 }

  public init(
    operation: UInt16, senderMAC: MACAddress, senderIP: IPAddress,
    targetMAC: MACAddress, targetIP: IPAddress
  ) {
    self.operation = operation
    self.senderMAC = senderMAC
    self.senderIP = senderIP
    self.targetMAC = targetMAC
    self.targetIP = targetIP
  }

  public init(_ packet: ARPPacket) {
    self.init(
      operation: packet.operation, senderMAC: packet.senderMAC, senderIP: packet.senderIP,
      targetMAC: packet.targetMAC, targetIP: packet.targetIP)
  }

  /// The answer to this request, given by the station that has `mac`.
  public func reply(from mac: MACAddress) -> ARPHeader {
    ARPHeader(
      operation: ARPHeader.reply, senderMAC: mac, senderIP: targetIP,
      targetMAC: senderMAC, targetIP: senderIP)
  }

  /// Returns the bytes written: `encodedLength`, or 0 if they don't fit.
  @discardableResult
  public func emit(into out: MutableByteView) -> Int {
    guard out.count >= ARPHeader.encodedLength else { return 0 }
    out.store(UInt16(1), at: ARPField.hardwareType)
    out.store(EtherType.ipv4, at: ARPField.protocolType)
    out.store(UInt8(6), at: ARPField.hardwareLength)
    out.store(UInt8(4), at: ARPField.protocolLength)
    out.store(operation, at: ARPField.operation)
    out.store(senderMAC, at: ARPField.senderMAC)
    out.storeV4(senderIP, at: ARPField.senderIP)
    out.store(targetMAC, at: ARPField.targetMAC)
    out.storeV4(targetIP, at: ARPField.targetIP)
    return ARPHeader.encodedLength
  }
}
