// SPDX-License-Identifier: Apache-2.0
//
// A DHCP message (RFC 2131 §2). Parsing copies: it is a cold path, and options may be in three fields.

import Wire

private enum Field {
  static let operation = 0
  static let hardwareType = 1
  static let hardwareLength = 2
  static let hops = 3
  static let transactionID = 4
  static let seconds = 8
  static let flags = 10
  static let clientAddress = 12
  static let yourAddress = 16
  static let serverAddress = 20
  static let relayAddress = 24
  static let hardwareAddress = 28
  static let serverName = 44
  static let file = 108
  static let cookie = 236
  static let options = 240
}

private let magicCookie: UInt32 = 0x6382_5363
private let broadcastFlag: UInt16 = 0x8000

/// A message between Ethernet stations.
package struct DHCPMessage: Hashable, Sendable {
  package enum Operation: UInt8, Sendable {
    case request = 1
    case reply = 2
  }

  package var operation: Operation
  package var transactionID: UInt32
  package var seconds: UInt16 = 0
  /// The client cannot receive unicast before it has its address (the broadcast flag).
  package var isBroadcast = false
  /// ciaddr
  package var clientAddress = IPAddress.anyV4
  /// yiaddr
  package var yourAddress = IPAddress.anyV4
  /// siaddr: the boot server, not the DHCP server.
  package var serverAddress = IPAddress.anyV4
  /// giaddr
  package var relayAddress = IPAddress.anyV4
  /// chaddr
  package var hardwareAddress: MACAddress
  package var options = DHCPOptions()

  /// Minimum length: RFC 951's 300 bytes, which some clients require.
  package static let minimumLength = 300
  /// Longer messages are refused: no client needs them.
  package static let maximumLength = 2048
  /// Offset of the options field.
  package static let optionsOffset = 240
  package static let serverPort: UInt16 = 67
  package static let clientPort: UInt16 = 68

  package init(
    operation: Operation, transactionID: UInt32, hardwareAddress: MACAddress
  ) {
    self.operation = operation
    self.transactionID = transactionID
    self.hardwareAddress = hardwareAddress
  }

  /// Parses the payload of a UDP datagram. Nil if it is not a complete DHCP message of an Ethernet station.
  package init?(checking bytes: ByteView) {
    guard (Field.options...DHCPMessage.maximumLength).contains(bytes.count),
      bytes.uint32(at: Field.cookie) == magicCookie,
      bytes[Field.hardwareType] == 1, bytes[Field.hardwareLength] == 6,
      let operation = Operation(rawValue: bytes[Field.operation]),
      let options = DHCPOptions(
        field: bytes.dropFirst(Field.options),
        file: bytes.slice(at: Field.file, count: Field.cookie - Field.file),
        serverName: bytes.slice(at: Field.serverName, count: Field.file - Field.serverName))
    else { return nil }
    self.operation = operation
    self.options = options
    transactionID = bytes.uint32(at: Field.transactionID)
    seconds = bytes.uint16(at: Field.seconds)
    isBroadcast = bytes.uint16(at: Field.flags) & broadcastFlag != 0
    clientAddress = bytes.ipv4Address(at: Field.clientAddress)
    yourAddress = bytes.ipv4Address(at: Field.yourAddress)
    serverAddress = bytes.ipv4Address(at: Field.serverAddress)
    relayAddress = bytes.ipv4Address(at: Field.relayAddress)
    hardwareAddress = bytes.macAddress(at: Field.hardwareAddress)
  }

  package var encodedLength: Int {
    max(DHCPMessage.minimumLength, Field.options + options.encodedLength)
  }

  /// Returns the bytes written: `encodedLength`, or 0 if they don't fit.
  @discardableResult
  package func emit(into out: MutableByteView) -> Int {
    let length = encodedLength
    guard out.count >= length else { return 0 }
    out.zero(at: 0, count: length)
    out.store(operation.rawValue, at: Field.operation)
    out.store(UInt8(1), at: Field.hardwareType)
    out.store(UInt8(6), at: Field.hardwareLength)
    out.store(transactionID, at: Field.transactionID)
    out.store(seconds, at: Field.seconds)
    out.store(isBroadcast ? broadcastFlag : 0, at: Field.flags)
    out.storeV4(clientAddress, at: Field.clientAddress)
    out.storeV4(yourAddress, at: Field.yourAddress)
    out.storeV4(serverAddress, at: Field.serverAddress)
    out.storeV4(relayAddress, at: Field.relayAddress)
    out.store(hardwareAddress, at: Field.hardwareAddress)
    out.store(magicCookie, at: Field.cookie)
    _ = options.emit(into: out.dropFirst(Field.options))
    return length
  }
}
