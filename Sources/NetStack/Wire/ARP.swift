// SPDX-License-Identifier: Apache-2.0
//
// ARP for IPv4 over Ethernet (RFC 826), and nothing else of ARP.

private enum Field {
  static let hardwareType = 0
  static let protocolType = 2
  static let hardwareLength = 4
  static let protocolLength = 5
  static let operation = 6
  static let senderMAC = 8
  static let senderIP = 14
  static let targetMAC = 18
  static let targetIP = 24
}

/// A view of an ARP packet. After the check no getter reads outside it.
package struct ARPPacket: BitwiseCopyable {
  package let bytes: ByteView

  /// Nil unless it is complete and maps IPv4 to Ethernet addresses.
  package init?(checking bytes: ByteView) {
    guard bytes.count >= ARPHeader.encodedLength,
      bytes.uint16(at: Field.hardwareType) == 1,
      bytes.uint16(at: Field.protocolType) == EtherType.ipv4,
      bytes[Field.hardwareLength] == 6, bytes[Field.protocolLength] == 4
    else { return nil }
    self.bytes = bytes
  }

  package var operation: UInt16 { bytes.uint16(at: Field.operation) }
  package var senderMAC: MACAddress { bytes.macAddress(at: Field.senderMAC) }
  package var senderIP: IPAddress { bytes.ipv4Address(at: Field.senderIP) }
  package var targetMAC: MACAddress { bytes.macAddress(at: Field.targetMAC) }
  package var targetIP: IPAddress { bytes.ipv4Address(at: Field.targetIP) }
}

package struct ARPHeader: Hashable, Sendable, BitwiseCopyable {
  package static let request: UInt16 = 1
  package static let reply: UInt16 = 2

  package var operation: UInt16
  package var senderMAC: MACAddress
  package var senderIP: IPAddress
  package var targetMAC: MACAddress
  package var targetIP: IPAddress

  package static let encodedLength = 28

  package init(
    operation: UInt16, senderMAC: MACAddress, senderIP: IPAddress,
    targetMAC: MACAddress, targetIP: IPAddress
  ) {
    self.operation = operation
    self.senderMAC = senderMAC
    self.senderIP = senderIP
    self.targetMAC = targetMAC
    self.targetIP = targetIP
  }

  package init(_ packet: ARPPacket) {
    self.init(
      operation: packet.operation, senderMAC: packet.senderMAC, senderIP: packet.senderIP,
      targetMAC: packet.targetMAC, targetIP: packet.targetIP)
  }

  /// The answer to this request, given by the station that has `mac`.
  package func reply(from mac: MACAddress) -> ARPHeader {
    ARPHeader(
      operation: ARPHeader.reply, senderMAC: mac, senderIP: targetIP,
      targetMAC: senderMAC, targetIP: senderIP)
  }

  /// Returns the bytes written: `encodedLength`, or 0 if they don't fit.
  @discardableResult
  package func emit(into out: MutableByteView) -> Int {
    guard out.count >= ARPHeader.encodedLength else { return 0 }
    out.store(UInt16(1), at: Field.hardwareType)
    out.store(EtherType.ipv4, at: Field.protocolType)
    out.store(UInt8(6), at: Field.hardwareLength)
    out.store(UInt8(4), at: Field.protocolLength)
    out.store(operation, at: Field.operation)
    out.store(senderMAC, at: Field.senderMAC)
    out.storeV4(senderIP, at: Field.senderIP)
    out.store(targetMAC, at: Field.targetMAC)
    out.storeV4(targetIP, at: Field.targetIP)
    return ARPHeader.encodedLength
  }
}
