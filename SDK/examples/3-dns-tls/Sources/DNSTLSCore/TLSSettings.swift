// SPDX-License-Identifier: Apache-2.0
//
// The options: the servers and their authentication.

import LimaNetdSDK
import NIOCore

public let tlsSchema = #"""
  {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "tls",
    "type": "object",
    "additionalProperties": false,
    "required": ["servers"],
    "properties": {
      "servers": {
        "description": "Servers, the first one first: 9.9.9.9#dns.quad9.net, 192.0.2.53:8853, [2001:db8::53]:853#dns.example; the certificate must be for the name, or for the address",
        "type": "array", "items": { "type": "string" }, "minItems": 1, "maxItems": 8
      },
      "caFile": {
        "description": "PEM file of the authorities that are trusted, instead of the system's; an absolute path",
        "type": "string", "pattern": "^/", "x-path": "read"
      },
      "timeout": {
        "description": "Seconds to wait for a server before the next one is asked",
        "type": "integer", "minimum": 1, "maximum": 30, "default": 2
      },
      "idle": {
        "description": "Seconds after which a connection that is not used is closed",
        "type": "integer", "minimum": 1, "maximum": 3600, "default": 30
      }
    }
  }
  """#

/// A server of the options.
struct TLSServer: Sendable, Equatable, CustomStringConvertible {
  let address: SocketAddress
  /// The name in its certificate; nil: the address (SwiftNIO verifies either).
  let name: String?
  let description: String

  static let port = 853

  /// ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT, optionally with #NAME.
  init?(_ text: String) {
    var rest = Substring(text)
    if let hash = rest.firstIndex(of: "#") {
      let name = String(rest[rest.index(after: hash)...])
      let legal = name.utf8.allSatisfy {
        switch $0 {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."):
          true
        default: false
        }
      }
      // TLS server names exclude addresses (RFC 6066 §3): without a name the address is verified.
      guard legal, name.contains(where: \.isLetter), name.count <= 253 else { return nil }
      self.name = name
      rest = rest[..<hash]
    } else {
      name = nil
    }
    var port = Self.port
    if rest.first == "[" {
      guard let end = rest.firstIndex(of: "]") else { return nil }
      let after = rest[rest.index(after: end)...]
      if !after.isEmpty {
        guard after.first == ":", let number = UInt16(after.dropFirst()), number > 0 else {
          return nil
        }
        port = Int(number)
      }
      rest = rest[rest.index(after: rest.startIndex)..<end]
    } else if let colon = rest.firstIndex(of: ":"), colon == rest.lastIndex(of: ":") {
      guard let number = UInt16(rest[rest.index(after: colon)...]), number > 0 else { return nil }
      port = Int(number)
      rest = rest[..<colon]
    }
    guard let address = try? SocketAddress(ipAddress: String(rest), port: port) else { return nil }
    self.address = address
    description = text
  }
}

struct TLSSettings: Sendable {
  var servers: [TLSServer]
  var caFile: String?
  var timeout: TimeAmount
  var idle: TimeAmount

  init(_ options: Options) throws(PluginFailure) {
    servers = []
    for (index, text) in (try options.strings("servers") ?? []).enumerated() {
      guard let server = TLSServer(text) else {
        throw .invalid(
          "/servers/\(index)",
          "\"\(text)\" is no server; write 9.9.9.9#dns.quad9.net, 192.0.2.53:8853 or [2001:db8::53]:853"
        )
      }
      servers.append(server)
    }
    guard !servers.isEmpty else { throw .invalid("/servers", "no server: name at least one") }
    caFile = try options.string("caFile")
    timeout = .seconds(try options.integer("timeout", in: 1...30) ?? 2)
    idle = .seconds(try options.integer("idle", in: 1...3600) ?? 30)
  }
}
