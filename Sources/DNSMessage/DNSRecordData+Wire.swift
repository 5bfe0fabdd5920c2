// SPDX-License-Identifier: Apache-2.0
//
// RDATA from and to the wire. Names are decompressed in the types of RFC 1035 and, as RFC 3597 4 requires of
// receivers, in later types that were once sent compressed; they are compressed only in those of RFC 1035. RDATA of
// other types is not decoded. So decoded RDATA is valid in any other message.

extension DNSRecordData {
  /// Reads exactly the window's octets.
  init(type: DNSType, _ reader: inout DNSReader) throws(DNSParseError) {
    switch type {
    case .a, .aaaa:
      guard let address = DNSAddress(octets: reader.rest()), address.type == type else {
        throw .badRecordData(type)
      }
      self = .address(address)
    case .ns, .cname, .ptr, .dname:
      self = .name(type, try reader.name())
    case .mx:
      self = .mx(preference: try reader.u16(), exchange: try reader.name())
    case .txt:
      var strings: [[UInt8]] = []
      while !reader.isAtEnd { strings.append(Array(try reader.string())) }
      guard !strings.isEmpty else { throw .badRecordData(type) }
      self = .txt(strings)
    case .srv:
      self = .srv(
        priority: try reader.u16(), weight: try reader.u16(), port: try reader.u16(),
        target: try reader.name())
    case .soa:
      self = .soa(
        DNSStartOfAuthority(
          primary: try reader.name(), mailbox: try reader.name(), serial: try reader.u32(),
          refresh: try reader.u32(), retry: try reader.u32(), expire: try reader.u32(),
          minimum: try reader.u32()))
    case .caa:
      let flags = try reader.octet()
      let tag = Array(try reader.string())
      guard !tag.isEmpty else { throw .badRecordData(type) }
      self = .caa(flags: flags, tag: tag, value: Array(reader.rest()))
    case .svcb, .https:
      let priority = try reader.u16()
      let target = try reader.name()
      let parameters = Array(reader.rest())
      guard Self.areParameters(parameters) else { throw .badRecordData(type) }
      self = .service(type, priority: priority, target: target, parameters: parameters)
    default:
      self = .opaque(type, try Self.expanded(type, &reader))
    }
    guard reader.isAtEnd else { throw .badRecordData(type) }
  }

  /// RDATA of a type that is not decoded, with its names decompressed where the type permits compression (RFC 1035
  /// 3.3, RFC 3597 4).
  private static func expanded(
    _ type: DNSType, _ reader: inout DNSReader
  ) throws(DNSParseError) -> [UInt8] {
    // Octets before the names, then character-strings, then names; the rest is unchanged.
    let layout: (octets: Int, strings: Int, names: Int)
    switch type.rawValue {
    case 3, 4, 7, 8, 9: layout = (0, 0, 1)  // MD, MF, MB, MG, MR
    case 14, 17: layout = (0, 0, 2)  // MINFO, RP
    case 18, 21, 36: layout = (2, 0, 1)  // AFSDB, RT, KX
    case 24: layout = (18, 0, 1)  // SIG
    case 26: layout = (2, 0, 2)  // PX
    case 30: layout = (0, 0, 1)  // NXT
    case 35: layout = (4, 3, 1)  // NAPTR
    default: return Array(reader.rest())
    }
    var bytes = Array(try reader.octets(layout.octets))
    for _ in 0..<layout.strings {
      let string = try reader.string()
      bytes.append(UInt8(string.count))
      bytes += string
    }
    for _ in 0..<layout.names { bytes += try reader.name().wire }
    return bytes + reader.rest()
  }

  /// Key, length, value, with strictly increasing keys (RFC 9460 2.2).
  private static func areParameters(_ bytes: [UInt8]) -> Bool {
    var reader = DNSReader(bytes)
    var last = -1
    while !reader.isAtEnd {
      guard let key = try? reader.u16(), Int(key) > last, let length = try? reader.u16(),
        (try? reader.skip(Int(length))) != nil
      else { return false }
      last = Int(key)
    }
    return true
  }

  /// Appends the RDATA; strings are cut after 255 octets, which does not occur in parsed data.
  func write(to builder: inout DNSBuilder) {
    switch self {
    case .address(let address):
      builder.append(address.octets)
    case .name(let type, let name):
      builder.append(name, compress: type != .dname)
    case .mx(let preference, let exchange):
      builder.append(preference)
      builder.append(exchange, compress: true)
    case .txt(let strings):
      for string in strings { builder.append(string: string) }
    case .srv(let priority, let weight, let port, let target):
      builder.append(priority)
      builder.append(weight)
      builder.append(port)
      builder.append(target, compress: false)
    case .soa(let soa):
      builder.append(soa.primary, compress: true)
      builder.append(soa.mailbox, compress: true)
      for value in [soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum] {
        builder.append(value)
      }
    case .caa(let flags, let tag, let value):
      builder.append([flags])
      builder.append(string: tag)
      builder.append(value)
    case .service(_, let priority, let target, let parameters):
      builder.append(priority)
      builder.append(target, compress: false)
      builder.append(parameters)
    case .opaque(_, let bytes):
      builder.append(bytes)
    }
  }
}
