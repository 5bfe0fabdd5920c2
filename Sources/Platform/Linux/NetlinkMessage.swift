// SPDX-License-Identifier: Apache-2.0
//
// NetlinkMessage: builds one rtnetlink request and reads the attributes of an answer (netlink(7), rtnetlink(7)).
// Fields are in host byte order, attributes are padded to four bytes. Lengths in answers come from the kernel and are
// checked nevertheless.

#if os(Linux)

  package struct NetlinkMessage {
    package enum Kind: UInt16, Sendable {
      case newLink = 16
      case getLink = 18
      case newAddress = 20
      case getAddress = 22
      case newRoute = 24
      case getRoute = 26
    }

    package struct Flags: OptionSet, Sendable {
      package let rawValue: UInt16
      package init(rawValue: UInt16) { self.rawValue = rawValue }

      package static let request = Flags(rawValue: 0x001)
      package static let acknowledge = Flags(rawValue: 0x004)
      package static let replace = Flags(rawValue: 0x100)
      package static let exclusive = Flags(rawValue: 0x200)
      package static let create = Flags(rawValue: 0x400)
      /// NLM_F_DUMP: all objects.
      package static let dump = Flags(rawValue: 0x300)
    }

    package static let headerLength = 16

    /// The message so far; its length field is always correct.
    package private(set) var bytes: [UInt8]

    package init(_ kind: Kind, flags: Flags, sequence: UInt32) {
      self.init(kind: kind.rawValue, flags: flags, sequence: sequence)
    }

    /// - Parameter kind: the message type, of the socket's netlink family.
    package init(kind: UInt16, flags: Flags, sequence: UInt32) {
      bytes = []
      bytes.reserveCapacity(128)
      append(UInt32(Self.headerLength))
      append(kind)
      append(flags.union(.request).rawValue)
      append(sequence)
      append(UInt32(0))
    }

    package mutating func append<Value: FixedWidthInteger>(_ value: Value) {
      for shift in 0..<(Value.bitWidth / 8) {
        #if _endian(little)
          bytes.append(UInt8(truncatingIfNeeded: value >> Value(shift * 8)))
        #else
          bytes.append(UInt8(truncatingIfNeeded: value >> Value(Value.bitWidth - 8 - shift * 8)))
        #endif
      }
      updateLength()
    }

    /// A struct rtattr with its padding.
    package mutating func appendAttribute(_ type: UInt16, _ payload: [UInt8]) {
      append(UInt16(4 + payload.count))
      append(type)
      bytes.append(contentsOf: payload)
      while bytes.count % 4 != 0 { bytes.append(0) }
      updateLength()
    }

    package mutating func appendAttribute(_ type: UInt16, _ value: UInt32) {
      append(UInt16(8))
      append(type)
      append(value)
    }

    private mutating func updateLength() {
      guard bytes.count >= Self.headerLength else { return }
      let length = UInt32(bytes.count)
      for index in 0..<4 {
        #if _endian(little)
          bytes[index] = UInt8(truncatingIfNeeded: length >> UInt32(index * 8))
        #else
          bytes[index] = UInt8(truncatingIfNeeded: length >> UInt32(24 - index * 8))
        #endif
      }
    }
  }

  /// Bytes of an answer, read by offset; out of range returns nil and never traps.
  package struct NetlinkReader {
    let bytes: ArraySlice<UInt8>

    package init(_ bytes: ArraySlice<UInt8>) {
      self.bytes = bytes
    }

    package func integer<Value: FixedWidthInteger>(at offset: Int, as: Value.Type) -> Value? {
      let size = Value.bitWidth / 8
      guard offset >= 0, bytes.count - offset >= size else { return nil }
      var value: Value = 0
      for index in 0..<size {
        let byte = Value(truncatingIfNeeded: bytes[bytes.startIndex + offset + index])
        #if _endian(little)
          value |= byte << Value(index * 8)
        #else
          value |= byte << Value((size - 1 - index) * 8)
        #endif
      }
      return value
    }

    /// The attributes from `offset` on; stops at the first truncated one.
    package func attributes(from offset: Int) -> [(type: UInt16, payload: ArraySlice<UInt8>)] {
      var found: [(type: UInt16, payload: ArraySlice<UInt8>)] = []
      var offset = offset
      while let length = integer(at: offset, as: UInt16.self).map(Int.init),
        let type = integer(at: offset + 2, as: UInt16.self),
        length >= 4, offset + length <= bytes.count
      {
        let start = bytes.startIndex + offset
        // The two top bits are the flags "nested" and "network byte order".
        found.append((type & 0x3fff, bytes[(start + 4)..<(start + length)]))
        offset += (length + 3) & ~3
      }
      return found
    }
  }

#endif
