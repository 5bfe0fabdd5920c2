// SPDX-License-Identifier: Apache-2.0
//
// Parses text to a JSONValue. Strict RFC 8259: no comments, no trailing commas, valid UTF-8, no duplicate members. The
// depth is bounded, so that no input exhausts the stack.

public struct JSONSyntaxError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Offset in the text, bytes.
  public let offset: Int
  public let reason: String

  public var description: String { "not JSON: \(reason) at byte \(offset)" }
}

extension JSONValue {
  public static let maximumDepth = 64

  public init(parsing bytes: [UInt8]) throws(JSONSyntaxError) {
    var parser = JSONParser(bytes: bytes)
    self = try parser.document()
  }

  public init(parsing text: String) throws(JSONSyntaxError) {
    try self.init(parsing: Array(text.utf8))
  }
}

private struct JSONParser {
  let bytes: [UInt8]
  var index = 0
  var depth = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  mutating func document() throws(JSONSyntaxError) -> JSONValue {
    let value = try value()
    skipSpace()
    guard index == bytes.count else { throw error("something after the value") }
    return value
  }

  func error(_ reason: String) -> JSONSyntaxError {
    JSONSyntaxError(offset: index, reason: reason)
  }

  var next: UInt8? { index < bytes.count ? bytes[index] : nil }

  mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d {
      index += 1
    }
  }

  mutating func take(_ character: Character) -> Bool {
    skipSpace()
    guard next == character.asciiValue else { return false }
    index += 1
    return true
  }

  mutating func expect(_ character: Character) throws(JSONSyntaxError) {
    guard take(character) else { throw error("'\(character)' expected") }
  }

  mutating func value() throws(JSONSyntaxError) -> JSONValue {
    skipSpace()
    guard let byte = next else { throw error("the text ends too early") }
    switch byte {
    case UInt8(ascii: "{"):
      return .object(try nested { parser throws(JSONSyntaxError) in try parser.object() })
    case UInt8(ascii: "["):
      return .array(try nested { parser throws(JSONSyntaxError) in try parser.array() })
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try literal("true", .bool(true))
    case UInt8(ascii: "f"): return try literal("false", .bool(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    default: throw error("a value expected")
    }
  }

  mutating func nested<Result>(
    _ body: (inout JSONParser) throws(JSONSyntaxError) -> Result
  ) throws(JSONSyntaxError) -> Result {
    guard depth < JSONValue.maximumDepth else { throw error("nested too deeply") }
    depth += 1
    index += 1
    defer { depth -= 1 }
    return try body(&self)
  }

  mutating func object() throws(JSONSyntaxError) -> JSONObject {
    var result = JSONObject()
    var names = JSONNames()
    if take("}") { return result }
    repeat {
      skipSpace()
      guard next == UInt8(ascii: "\"") else { throw error("a member's name expected") }
      let name = try string()
      guard names.add(name, among: result.members) == nil else {
        throw error("member \"\(name)\" twice")
      }
      try expect(":")
      result.append(name, try value())
    } while take(",")
    try expect("}")
    return result
  }

  mutating func array() throws(JSONSyntaxError) -> [JSONValue] {
    var result: [JSONValue] = []
    if take("]") { return result }
    repeat { result.append(try value()) } while take(",")
    try expect("]")
    return result
  }

  mutating func literal(_ text: String, _ value: JSONValue) throws(JSONSyntaxError) -> JSONValue {
    guard bytes[index...].starts(with: text.utf8) else { throw error("a value expected") }
    index += text.utf8.count
    return value
  }

  mutating func digits() throws(JSONSyntaxError) {
    let start = index
    while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { index += 1 }
    guard index > start else { throw error("a digit expected") }
  }

  mutating func number() throws(JSONSyntaxError) -> JSONValue {
    let start = index
    var isInteger = true
    if next == UInt8(ascii: "-") { index += 1 }
    if next == UInt8(ascii: "0") { index += 1 } else { try digits() }
    if next == UInt8(ascii: ".") {
      isInteger = false
      index += 1
      try digits()
    }
    if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
      isInteger = false
      index += 1
      if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { index += 1 }
      try digits()
    }
    let text = String(decoding: bytes[start..<index], as: UTF8.self)
    if isInteger {
      if let value = Int64(text) { return .integer(value) }
      if let value = UInt64(text) { return .unsigned(value) }
    }
    guard let value = Double(text), value.isFinite else { throw error("a number out of range") }
    return .double(value)
  }

  mutating func string() throws(JSONSyntaxError) -> String {
    index += 1
    var content: [UInt8] = []
    while true {
      guard let byte = next else { throw error("a string that does not end") }
      index += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let text = String(validating: content, as: UTF8.self) else {
          throw error("a string that is not UTF-8")
        }
        return text
      case UInt8(ascii: "\\"): try escape(into: &content)
      case 0..<0x20: throw error("a control character in a string")
      default: content.append(byte)
      }
    }
  }

  mutating func escape(into content: inout [UInt8]) throws(JSONSyntaxError) {
    guard let byte = next else { throw error("a string that does not end") }
    index += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(byte)
    case UInt8(ascii: "b"): content.append(0x08)
    case UInt8(ascii: "f"): content.append(0x0c)
    case UInt8(ascii: "n"): content.append(0x0a)
    case UInt8(ascii: "r"): content.append(0x0d)
    case UInt8(ascii: "t"): content.append(0x09)
    case UInt8(ascii: "u"):
      var code = try hexadecimal()
      if (0xd800...0xdbff).contains(code) {
        guard next == UInt8(ascii: "\\"), index + 1 < bytes.count,
          bytes[index + 1] == UInt8(ascii: "u")
        else { throw error("half a surrogate pair") }
        index += 2
        let low = try hexadecimal()
        guard (0xdc00...0xdfff).contains(low) else { throw error("half a surrogate pair") }
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00)
      }
      guard let scalar = Unicode.Scalar(code) else { throw error("half a surrogate pair") }
      content += Array(String(scalar).utf8)
    default: throw error("an unknown escape")
    }
  }

  mutating func hexadecimal() throws(JSONSyntaxError) -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw error("four hexadecimal digits expected")
      }
      code = code << 4 | UInt32(digit)
      index += 1
    }
    return code
  }
}
