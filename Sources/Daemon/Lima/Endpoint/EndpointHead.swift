// SPDX-License-Identifier: Apache-2.0
//
// EndpointHead: tells from the first bytes of a connection to `_ep.sock` whether it stays HTTP. Two paths do not:
// behind their request comes something else, in both directions (gvproxy "hijacks" the connection). Pure.

package enum EndpointHead: Hashable {
  /// More bytes are needed to tell.
  case incomplete
  /// HTTP, for the HTTP server; also requests for the two paths with which something is wrong.
  case http
  /// A TCP connection to a guest follows, behind so many bytes.
  case tunnel(guest: String, length: Int)
  /// Ethernet frames with HyperKit's framing follow, behind so many bytes.
  case frames(length: Int)

  /// A head beyond this is for the HTTP server to refuse.
  static let limit = 8192

  package init(_ bytes: some Collection<UInt8>) {
    let bytes = Array(bytes)
    guard Self.mayBecomeRequest(bytes) else {
      self = .http
      return
    }
    guard let lineEnd = bytes.firstIndex(of: UInt8(ascii: "\n")) else {
      self = bytes.count >= Self.limit ? .http : .incomplete
      return
    }
    let words = bytes[..<lineEnd].filter { $0 != UInt8(ascii: "\r") }
      .split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
    guard words.count == 3, words[2].hasPrefix("HTTP/1.") else {
      self = .http
      return
    }
    let target = EndpointTarget(words[1])
    guard ["/tunnel", "/connect"].contains(target.path) else {
      self = .http
      return
    }
    guard let length = Self.headLength(bytes) else {
      self = bytes.count >= Self.limit ? .http : .incomplete
      return
    }
    switch target.path {
    case "/connect": self = .frames(length: length)
    default:
      guard case .success(let guest) = target.tunnel else {
        self = .http
        return
      }
      self = .tunnel(guest: guest, length: length)
    }
  }

  /// Only letters up to the first space: the beginning of a method.
  private static func mayBecomeRequest(_ bytes: [UInt8]) -> Bool {
    bytes.prefix { $0 != UInt8(ascii: " ") }.prefix(16).allSatisfy {
      (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0)
    }
  }

  /// Up to and with the empty line.
  private static func headLength(_ bytes: [UInt8]) -> Int? {
    var lineIsEmpty = false
    for (index, byte) in bytes.enumerated() {
      switch byte {
      case UInt8(ascii: "\n"):
        if lineIsEmpty { return index + 1 }
        lineIsEmpty = true
      case UInt8(ascii: "\r"): break
      default: lineIsEmpty = false
      }
    }
    return nil
  }
}

/// The target of a request: its path, and the fields of its query.
struct EndpointTarget {
  let path: String
  private let fields: [String: String]

  /// "/tunnel?ip=192.168.104.3&port=22", or the same behind "http://host".
  init(_ target: String) {
    var target = target[...]
    if let scheme = target.firstRange(of: "://"), !target.hasPrefix("/") {
      target = target[scheme.upperBound...].drop { $0 != "/" }
    }
    let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    path = Self.decoded(parts.first ?? "", plusIsSpace: false)
    var fields: [String: String] = [:]
    for field in (parts.count > 1 ? parts[1] : "").split(separator: "&") {
      let pair = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let key = Self.decoded(pair[0], plusIsSpace: true)
      // The first of several, as Go's Get.
      if fields[key] == nil {
        fields[key] = pair.count > 1 ? Self.decoded(pair[1], plusIsSpace: true) : ""
      }
    }
    self.fields = fields
  }

  /// "" for a field that is not there.
  subscript(_ field: String) -> String { fields[field] ?? "" }

  /// The guest's address and port, or what gvproxy would say.
  var tunnel: Result<String, EndpointError> {
    guard !self["ip"].isEmpty else { return .failure(.internalError("ip is mandatory")) }
    guard let address = ForwardIP(self["ip"]) else {
      return .failure(.internalError("invalid ip address: \(self["ip"])"))
    }
    switch EndpointNumber.parse(self["port"], function: "Atoi") {
    case .success(let port): return .success(address.with(port: port))
    case .failure(let error): return .failure(.internalError(error.text))
    }
  }

  private static func decoded(_ text: Substring, plusIsSpace: Bool) -> String {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%"), rest.count >= 2,
        let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
      {
        bytes.append(value)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(plusIsSpace && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// Why a request of `_ep.sock` is not done; the body of the answer.
package struct EndpointError: Error, Hashable {
  var status: Int
  var text: String

  static func badRequest(_ text: String) -> EndpointError { EndpointError(status: 400, text: text) }
  static func internalError(_ text: String) -> EndpointError {
    EndpointError(status: 500, text: text)
  }
}

/// A number in a query, with the words of Go's strconv.
enum EndpointNumber {
  struct Failure: Error { var text: String }

  /// 1 to 65535 where `function` is Atoi (a port to dial), 0 to 65535 where it is ParseUint.
  static func parse(_ text: String, function: String) -> Result<Int, Failure> {
    guard !text.isEmpty, text.utf8.count < 19, text.utf8.allSatisfy({ (48...57).contains($0) }),
      let value = Int(text)
    else {
      return .failure(Failure(text: "strconv.\(function): parsing \"\(text)\": invalid syntax"))
    }
    guard value <= 65535, value > 0 || function != "Atoi" else {
      return .failure(
        Failure(text: "strconv.\(function): parsing \"\(text)\": value out of range"))
    }
    return .success(value)
  }
}
