// SPDX-License-Identifier: Apache-2.0
//
// Bodies of `_ep.sock`'s requests. Keys are matched without case, as Go's decoder does; unknown ones are passed over.

import JSONCoding
import Patterns

/// POST /services/forwarder/expose, /services/forwarder/unexpose.
package struct ExposeRequest: Hashable {
  /// As the client wrote it; "" in neither.
  var local: String
  var remote: String
  /// "tcp" when the client says nothing.
  var `protocol`: String

  package init(_ body: [UInt8]) throws(EndpointError) {
    let fields = try EndpointBody.object(body)
    local = try fields.string("local")
    remote = try fields.string("remote")
    let kind = try fields.string("protocol")
    self.protocol = kind.isEmpty ? "tcp" : kind
  }

  /// The forward that is meant.
  /// - Throws: gvproxy's words, where it has some.
  package func forward() throws(EndpointError) -> Forward {
    switch self.protocol {
    case "tcp", "udp":
      let (host, port) = try Self.split(remote)
      guard let address = ForwardIP(host) else { throw .internalError("invalid remote addr") }
      return Forward(
        protocol: self.protocol, host: try localAddress(),
        guest: address.with(port: try Self.port(port)))
    case "unix":
      return Forward(protocol: "unix", host: local, guest: try remoteOfURI())
    case "npipe":
      throw .internalError("npipe forwards are for Windows hosts only")
    default:
      throw .internalError("unknown protocol \(self.protocol)")
    }
  }

  /// What `unexpose` names.
  package func listener() throws(EndpointError) -> Forward {
    let host = ["tcp", "udp"].contains(self.protocol) ? try localAddress() : local
    return Forward(protocol: self.protocol, host: host, guest: nil)
  }

  /// `local` as it is listed: with the port of `host`, where the system chose one.
  func local(listeningAt host: String) -> String {
    guard local.hasSuffix(":0"), let colon = host.lastIndex(of: ":") else { return local }
    return "\(local.dropLast(2))\(host[colon...])"
  }

  /// Go listens on all addresses of both families for ":8080" and "[::]:8080", and resolves names.
  private func localAddress() throws(EndpointError) -> String {
    let (host, port) = try Self.split(local)
    switch host {
    case "": return "\(Forward.everywhere):\(port)"
    case "localhost": return "127.0.0.1:\(port)"
    default:
      guard let address = ForwardIP(host) else {
        throw .internalError("listen \(self.protocol): lookup \(host): no such host")
      }
      if address == .anyIPv6 { return "\(Forward.everywhere):\(try Self.port(port))" }
      return address.with(port: try Self.port(port))
    }
  }

  private static func port(_ text: String) throws(EndpointError) -> Int {
    switch EndpointNumber.parse(text, function: "ParseUint") {
    case .success(let port): return port
    case .failure(let failure): throw .internalError(failure.text)
    }
  }

  /// "tcp://192.168.104.3:80"
  private func remoteOfURI() throws(EndpointError) -> String {
    guard let scheme = remote.firstRange(of: "://") else {
      throw .internalError(
        "failed to parse remote uri :\(remote) : write it as tcp://ADDRESS:PORT")
    }
    guard remote[..<scheme.lowerBound] == "tcp" else {
      throw .internalError(
        "remote protocol for unix forwarder is not implemented: \(remote[..<scheme.lowerBound])")
    }
    let rest = remote[scheme.upperBound...].prefix { $0 != "/" && $0 != "?" }
    let (host, port) = try Self.split(String(rest))
    guard let address = ForwardIP(host) else { throw .internalError("invalid remote addr") }
    return address.with(port: try Self.port(port))
  }

  /// As Go's net.SplitHostPort, with its words; 400.
  static func split(_ text: String) throws(EndpointError) -> (host: String, port: String) {
    func wrong(_ reason: String) -> EndpointError { .badRequest("address \(text): \(reason)") }
    guard let colon = text.lastIndex(of: ":") else { throw wrong("missing port in address") }
    let port = String(text[text.index(after: colon)...])
    if text.hasPrefix("[") {
      guard let end = text.firstIndex(of: "]") else { throw wrong("missing ']' in address") }
      guard text.index(after: end) == colon else {
        throw wrong(end > colon ? "missing port in address" : "too many colons in address")
      }
      return (String(text[text.index(after: text.startIndex)..<end]), port)
    }
    let host = text[..<colon]
    guard !host.contains(":") else { throw wrong("too many colons in address") }
    return (String(host), port)
  }
}

/// POST /services/dns/add, and an element of GET /services/dns/all.
package struct ZoneBody: Hashable, Codable {
  struct Record: Hashable, Codable {
    var name: String
    var address: String
    var pattern: String?
  }

  var name: String
  var records: [Record]
  var defaultAddress: String

  static let maximumRecords = 1000

  init(name: String, records: [Record], defaultAddress: String = "") {
    self.name = name
    self.records = records
    self.defaultAddress = defaultAddress
  }

  package init(_ body: [UInt8]) throws(EndpointError) {
    let fields = try EndpointBody.object(body)
    name = try fields.string("name")
    defaultAddress = try Self.address(try fields.string("defaultip"))
    var records: [Record] = []
    var size = 0
    for item in try fields.array("records") {
      guard case .object(let object) = item else {
        throw .badRequest("json: cannot unmarshal \(item.typeName) into Records")
      }
      let record = EndpointBody(object)
      let pattern = try record.string("regexp")
      if !pattern.isEmpty { size += try Self.size(of: pattern) }
      records.append(
        Record(
          name: try record.string("name"), address: try Self.address(try record.string("ip")),
          pattern: pattern.isEmpty ? nil : pattern))
    }
    guard records.count <= Self.maximumRecords, name.utf8.count <= 255,
      records.allSatisfy({ $0.name.utf8.count <= 255 })
    else {
      throw .badRequest("a zone has \(Self.maximumRecords) records at most, and names 255 bytes")
    }
    guard size <= Pattern.maximumSizeTogether else {
      throw .badRequest(
        "the expressions of a zone have \(Pattern.maximumSizeTogether) characters at most together, "
          + "with repetitions written out")
    }
    self.records = records
  }

  /// As the network's process takes it; Go's words around our reason.
  private static func size(of pattern: String) throws(EndpointError) -> Int {
    do throws(Pattern.Failure) {
      return try Pattern(pattern, ignoringCase: true).size
    } catch {
      throw .badRequest("error parsing regexp: \(error): `\(pattern)`")
    }
  }

  private static func address(_ text: String) throws(EndpointError) -> String {
    if text.isEmpty { return "" }
    guard let address = ForwardIP(text) else {
      throw .badRequest("invalid IP address: \(text)")
    }
    return address.description
  }

  package var json: JSONValue {
    .object([
      "Name": .string(name),
      "Records": .array(
        records.map { record in
          var object: JSONObject = [
            "Name": .string(record.name), "IP": .string(record.address),
          ]
          object["Regexp"] = record.pattern.map(JSONValue.string)
          return .object(object)
        }),
      "DefaultIP": .string(defaultAddress),
    ])
  }
}

/// A JSON object by keys in lower case.
struct EndpointBody {
  private var fields: [String: JSONValue] = [:]

  init(_ object: JSONObject) {
    for member in object.members { fields[member.name.lowercased()] = member.value }
  }

  /// - Throws: 400.
  static func object(_ body: [UInt8]) throws(EndpointError) -> EndpointBody {
    guard !body.isEmpty else { throw .badRequest("EOF") }
    let value: JSONValue
    do throws(JSONSyntaxError) { value = try JSONValue(parsing: body) } catch {
      throw .badRequest("invalid JSON: \(error)")
    }
    switch value {
    case .object(let object): return EndpointBody(object)
    case .null: return EndpointBody([:])
    default: throw .badRequest("json: cannot unmarshal \(value.typeName) into an object")
    }
  }

  /// "" for null and nothing.
  func string(_ key: String) throws(EndpointError) -> String {
    switch fields[key] ?? .null {
    case .null: return ""
    case .string(let text) where !text.utf8.contains(0): return text
    case let other: throw .badRequest("json: cannot unmarshal \(other.typeName) into \(key)")
    }
  }

  func array(_ key: String) throws(EndpointError) -> [JSONValue] {
    switch fields[key] ?? .null {
    case .null: return []
    case .array(let items): return items
    case let other: throw .badRequest("json: cannot unmarshal \(other.typeName) into \(key)")
    }
  }
}
