// SPDX-License-Identifier: Apache-2.0
//
// Codable types to JSON and back, without Foundation.

@_exported import JSON

package enum JSONCoder {
  /// Compact JSON. Codable types of this package do not fail to encode.
  package static func encode(_ value: some Encodable) throws -> [UInt8] {
    try jsonValue(of: value).bytes
  }

  package static func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws
    -> Value
  {
    try decode(type, from: JSONValue(parsing: bytes))
  }

  package static func decode<Value: Decodable>(_ type: Value.Type, from value: JSONValue) throws
    -> Value
  {
    try Value(from: JSONValueDecoder(value: value, codingPath: []))
  }

  package static func jsonValue(of value: some Encodable) throws -> JSONValue {
    let box = JSONBox()
    try value.encode(to: JSONValueEncoder(box: box, codingPath: []))
    return box.resolved
  }
}

/// A member's name or an element's index on the way to a value.
struct JSONKey: CodingKey {
  let stringValue: String
  let intValue: Int?
  init(stringValue: String) {
    self.stringValue = stringValue
    intValue = nil
  }
  init(intValue: Int) {
    stringValue = String(intValue)
    self.intValue = intValue
  }
}
