// SPDX-License-Identifier: Apache-2.0
//
// Messages in dig's format: RDATA in presentation form (RFC 1035 5.1, RFC 3597 5 for unknown types).

extension DNSQuestion: CustomStringConvertible {
  package var description: String { "\(name)\t\(dnsClass)\t\(type)" }
}

extension DNSRecord: CustomStringConvertible {
  package var description: String { "\(name)\t\(ttl)\t\(dnsClass)\t\(type)\t\(data)" }
}

extension DNSRecordData: CustomStringConvertible {
  package var description: String {
    switch self {
    case .address(let address): "\(address)"
    case .name(_, let name): "\(name)"
    case .mx(let preference, let exchange): "\(preference) \(exchange)"
    case .txt(let strings): strings.map(Self.quoted).joined(separator: " ")
    case .srv(let priority, let weight, let port, let target):
      "\(priority) \(weight) \(port) \(target)"
    case .soa(let soa):
      "\(soa.primary) \(soa.mailbox) \(soa.serial) \(soa.refresh) \(soa.retry) "
        + "\(soa.expire) \(soa.minimum)"
    case .caa(let flags, let tag, let value):
      "\(flags) \(String(decoding: tag, as: UTF8.self)) \(Self.quoted(value))"
    case .service(_, let priority, let target, let parameters):
      ["\(priority) \(target)", Self.parameters(parameters)]
        .filter { !$0.isEmpty }.joined(separator: " ")
    case .opaque(_, let bytes):
      bytes.isEmpty ? "\\# 0" : "\\# \(bytes.count) \(Self.hex(bytes))"
    }
  }

  private static func quoted(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = [UInt8(ascii: "\"")]
    for octet in bytes {
      if octet == 0x20 {
        text.append(octet)
      } else {
        appendEscaped(octet, to: &text, special: Array("\"\\".utf8))
      }
    }
    return String(decoding: text + [UInt8(ascii: "\"")], as: UTF8.self)
  }

  private static func hex(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    return String(
      decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  /// RFC 9460 2.1; alpn, port and the address hints as values, others as octets.
  private static func parameters(_ bytes: [UInt8]) -> String {
    var reader = DNSReader(bytes)
    var parts: [String] = []
    while !reader.isAtEnd, let key = try? reader.u16(), let length = try? reader.u16(),
      let value = try? reader.octets(Int(length))
    {
      parts.append(parameter(key, Array(value)))
    }
    return parts.joined(separator: " ")
  }

  private static func parameter(_ key: UInt16, _ value: [UInt8]) -> String {
    var inner = DNSReader(value)
    switch key {
    case 1:
      var protocols: [String] = []
      while let string = try? inner.string() {
        protocols.append(String(decoding: string, as: UTF8.self))
      }
      return "alpn=\(quoted(Array(protocols.joined(separator: ",").utf8)))"
    case 2: return "no-default-alpn"
    case 3:
      guard value.count == 2, let port = try? inner.u16() else { break }
      return "port=\(port)"
    case 4, 6:
      var hints: [String] = []
      while let octets = try? inner.octets(key == 4 ? 4 : 16),
        let address = DNSAddress(octets: octets)
      {
        hints.append("\(address)")
      }
      return "ipv\(key)hint=\(hints.joined(separator: ","))"
    default: break
    }
    return value.isEmpty ? "key\(key)" : "key\(key)=\(quoted(value))"
  }
}

extension DNSHeader {
  /// "qr", "aa", "tc", "rd", "ra", "ad", "cd": those that are set.
  package var flagNames: [String] {
    let names: [(UInt16, String)] = [
      (0x8000, "qr"), (0x0400, "aa"), (0x0200, "tc"), (0x0100, "rd"), (0x0080, "ra"),
      (0x0020, "ad"), (0x0010, "cd"),
    ]
    return names.filter { flags & $0.0 != 0 }.map(\.1)
  }
}

extension DNSMessage: CustomStringConvertible {
  /// Header, OPT, and each section that is not empty.
  package var description: String {
    let flags = header.flagNames.joined(separator: " ")
    let additionalCount = additionals.count + (edns == nil ? 0 : 1)
    var lines = [
      ";; opcode: \(header.opcode), status: \(responseCode), id: \(header.id)",
      ";; flags: \(flags); QUERY: \(questions.count), ANSWER: \(answers.count), "
        + "AUTHORITY: \(authorities.count), ADDITIONAL: \(additionalCount)",
    ]
    if let edns {
      lines.append(
        ";; EDNS: version: \(edns.version), flags:\(edns.dnssecOK ? " do" : ""); "
          + "udp: \(edns.udpSize)")
    }
    if !questions.isEmpty {
      lines += ["", ";; QUESTION SECTION:"] + questions.map { ";\($0)" }
    }
    for (title, records) in [
      ("ANSWER", answers), ("AUTHORITY", authorities), ("ADDITIONAL", additionals),
    ] where !records.isEmpty {
      lines += ["", ";; \(title) SECTION:"] + records.map(\.description)
    }
    return lines.joined(separator: "\n")
  }
}
