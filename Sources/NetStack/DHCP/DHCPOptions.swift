// SPDX-License-Identifier: Apache-2.0
//
// The options of a DHCP message (RFC 2132): parsing them from the options field and the overloaded `file` and `sname`
// fields (option 52, RFC 2131 §4.1), concatenating split options (RFC 3396), and encoding them.
//
// Cold path: a few messages per guest, so plain arrays.

import Wire

/// Option codes used by the server.
package enum DHCPOptionCode {
  package static let pad: UInt8 = 0
  package static let subnetMask: UInt8 = 1
  package static let router: UInt8 = 3
  package static let domainNameServers: UInt8 = 6
  package static let hostName: UInt8 = 12
  package static let domainName: UInt8 = 15
  package static let interfaceMTU: UInt8 = 26
  package static let broadcastAddress: UInt8 = 28
  package static let requestedAddress: UInt8 = 50
  package static let leaseTime: UInt8 = 51
  package static let overload: UInt8 = 52
  package static let messageType: UInt8 = 53
  package static let serverIdentifier: UInt8 = 54
  package static let parameterRequestList: UInt8 = 55
  package static let message: UInt8 = 56
  package static let maximumMessageSize: UInt8 = 57
  package static let renewalTime: UInt8 = 58
  package static let rebindingTime: UInt8 = 59
  package static let clientIdentifier: UInt8 = 61
  package static let clientFQDN: UInt8 = 81
  package static let domainSearch: UInt8 = 119
  package static let end: UInt8 = 255
}

/// Values of option 53 (RFC 2132 §9.6).
package enum DHCPMessageType: UInt8, Sendable {
  case discover = 1
  case offer, request, decline, ack, nak, release, inform
}

/// Options in order, each code once.
package struct DHCPOptions: Hashable, Sendable {
  private struct Option: Hashable {
    var code: UInt8
    var value: [UInt8]
  }
  private var options: [Option] = []

  package init() {}

  package var codes: [UInt8] { options.map(\.code) }

  /// The option's bytes; setting nil removes it. A new option is appended.
  package subscript(code: UInt8) -> [UInt8]? {
    get { options.first { $0.code == code }?.value }
    set {
      let index = options.firstIndex { $0.code == code }
      switch (index, newValue) {
      case (let index?, let value?): options[index].value = value
      case (let index?, nil): options.remove(at: index)
      case (nil, let value?): options.append(Option(code: code, value: value))
      case (nil, nil): break
      }
    }
  }

  /// The option as a number; nil if it is absent or has another length.
  package func uint16(_ code: UInt8) -> UInt16? {
    guard let value = self[code], value.count == 2 else { return nil }
    return UInt16(value[0]) << 8 | UInt16(value[1])
  }

  package func uint32(_ code: UInt8) -> UInt32? {
    guard let value = self[code], value.count == 4 else { return nil }
    return value.reduce(0) { $0 << 8 | UInt32($1) }
  }

  package func address(_ code: UInt8) -> IPAddress? { uint32(code).map { IPAddress(v4: $0) } }

  package mutating func set(_ code: UInt8, _ value: UInt16) {
    self[code] = [UInt8(value >> 8), UInt8(truncatingIfNeeded: value)]
  }

  package mutating func set(_ code: UInt8, _ value: UInt32) {
    self[code] = DHCPOptions.bytes(value)
  }

  package mutating func set(_ code: UInt8, _ addresses: [IPAddress]) {
    self[code] = addresses.flatMap { DHCPOptions.bytes($0.v4) }
  }

  private static func bytes(_ value: UInt32) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
  }

  package var messageType: DHCPMessageType? {
    guard let value = self[DHCPOptionCode.messageType], value.count == 1 else { return nil }
    return DHCPMessageType(rawValue: value[0])
  }

  // MARK: - Reading

  /// Nil when an option is truncated.
  /// - Parameters:
  ///   - field: what follows the magic cookie.
  ///   - file: the 128-byte field, parsed if option 52 says so.
  ///   - serverName: the 64-byte field, likewise.
  init?(field: ByteView, file: ByteView, serverName: ByteView) {
    guard read(field) else { return nil }
    guard let overload = self[DHCPOptionCode.overload] else { return }
    self[DHCPOptionCode.overload] = nil
    guard overload.count == 1, (1...3).contains(overload[0]) else { return nil }
    // The order in which RFC 3396 §5 concatenates the fields.
    if overload[0] & 1 != 0 { guard read(file) else { return nil } }
    if overload[0] & 2 != 0 { guard read(serverName) else { return nil } }
    // Valid in the options field only.
    self[DHCPOptionCode.overload] = nil
  }

  private mutating func read(_ field: ByteView) -> Bool {
    var at = 0
    while at < field.count {
      let code = field[at]
      at += 1
      if code == DHCPOptionCode.end { break }
      if code == DHCPOptionCode.pad { continue }
      guard at < field.count,
        let value = field.checkedSlice(at: at + 1, count: Int(field[at]))
      else { return false }
      at += 1 + value.count
      if let index = options.firstIndex(where: { $0.code == code }) {
        options[index].value += value.bytes
      } else {
        options.append(Option(code: code, value: value.bytes))
      }
    }
    return true
  }

  // MARK: - Writing

  /// Bytes on the wire with the end option.
  package var encodedLength: Int {
    options.reduce(1) { $0 + DHCPOptions.encodedLength(of: $1.value.count) }
  }

  /// Bytes of an option with its code and length, split if necessary.
  package static func encodedLength(of valueLength: Int) -> Int {
    valueLength + 2 * max(1, (valueLength + 254) / 255)
  }

  /// Returns the bytes written, 0 if they don't fit.
  func emit(into out: MutableByteView) -> Int {
    guard out.count >= encodedLength else { return 0 }
    var at = 0
    for option in options {
      var rest = option.value[...]
      repeat {
        let part = rest.prefix(255)
        out.store(option.code, at: at)
        out.store(UInt8(part.count), at: at + 1)
        for (index, byte) in part.enumerated() { out.store(byte, at: at + 2 + index) }
        at += 2 + part.count
        rest = rest.dropFirst(255)
      } while !rest.isEmpty
    }
    out.store(DHCPOptionCode.end, at: at)
    return at + 1
  }
}
