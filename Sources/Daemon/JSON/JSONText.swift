// SPDX-License-Identifier: Apache-2.0
//
// JSONText: converts Codable values to and from JSON text, with messages about invalid text.

import JSONCoding

package typealias JSONValue = JSONCoding.JSONValue
package typealias JSONObject = JSONCoding.JSONObject

package enum JSONText {
  /// Members are in the order of declaration. Encoding never fails for types of this module.
  package static func encode(_ value: some Encodable, pretty: Bool = false) throws -> [UInt8] {
    let json = try JSONCoder.jsonValue(of: value)
    return pretty ? Array(json.prettyText.utf8) : json.bytes
  }

  package static func value(of value: some Encodable) throws -> JSONValue {
    try JSONCoder.jsonValue(of: value)
  }

  package static func string(_ value: some Encodable, pretty: Bool = false) throws -> String {
    String(decoding: try encode(value, pretty: pretty), as: UTF8.self)
  }

  package static func decode<Value: Decodable>(
    _ type: Value.Type, from bytes: some Sequence<UInt8>
  ) throws -> Value {
    try JSONCoder.decode(type, from: Array(bytes))
  }

  package static func decode<Value: Decodable>(
    _ type: Value.Type, from value: JSONValue
  ) throws -> Value {
    try JSONCoder.decode(type, from: value)
  }

  package static func decode<Value: Decodable>(
    _ type: Value.Type, from text: String
  ) throws -> Value {
    try JSONCoder.decode(type, from: Array(text.utf8))
  }
}

extension JSONText {
  /// Why a text could not be decoded, for users: "forwards[0].host: a string expected".
  package static func explain(_ error: any Error) -> String {
    guard let error = error as? DecodingError else { return "\(error)" }
    let context: DecodingError.Context
    switch error {
    case .typeMismatch(_, let found), .valueNotFound(_, let found), .keyNotFound(_, let found),
      .dataCorrupted(let found):
      context = found
    @unknown default: return "\(error)"
    }
    let path = context.codingPath.reduce(into: "") { path, key in
      if let index = key.intValue {
        path += "[\(index)]"
      } else {
        path += (path.isEmpty ? "" : ".") + key.stringValue
      }
    }
    return (path.isEmpty ? "" : "\(path): ") + context.debugDescription
  }
}

extension JSONValue {
  /// The type's name in JSON Schema.
  package var typeName: String {
    switch self {
    case .null: return "null"
    case .bool: return "boolean"
    case .integer, .unsigned: return "integer"
    case .double: return "number"
    case .string: return "string"
    case .array: return "array"
    case .object: return "object"
    }
  }
}
