// SPDX-License-Identifier: Apache-2.0
//
// The Encoder behind JSONCoder: builds a tree of boxes, which are resolved to
// a JSONValue at the end.

/// A value under construction; containers share it by reference.
final class JSONBox {
  var value: JSONValue = .null
  var elements: [JSONBox]?
  var members: [(name: String, box: JSONBox)]?

  var resolved: JSONValue {
    if let elements { return .array(elements.map(\.resolved)) }
    guard let members else { return value }
    var object = JSONObject()
    for member in members { object[member.name] = member.box.resolved }
    return .object(object)
  }

  func member(_ name: String) -> JSONBox {
    let box = JSONBox()
    members = (members ?? []) + [(name, box)]
    return box
  }

  func element() -> JSONBox {
    let box = JSONBox()
    elements = (elements ?? []) + [box]
    return box
  }
}

struct JSONValueEncoder: Encoder {
  let box: JSONBox
  let codingPath: [any CodingKey]
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    box.members = box.members ?? []
    return KeyedEncodingContainer(KeyedEncoder<Key>(box: box, codingPath: codingPath))
  }

  func unkeyedContainer() -> any UnkeyedEncodingContainer {
    box.elements = box.elements ?? []
    return UnkeyedEncoder(box: box, codingPath: codingPath)
  }

  func singleValueContainer() -> any SingleValueEncodingContainer {
    SingleEncoder(box: box, codingPath: codingPath)
  }
}

extension JSONBox {
  func encode(_ value: some Encodable, _ path: [any CodingKey]) throws {
    switch value {
    case let value as Bool: self.value = .bool(value)
    case let value as String: self.value = .string(value)
    case let value as Double: self.value = .double(value)
    case let value as Float: self.value = .double(Double(value))
    case let value as any FixedWidthInteger & Encodable: self.value = Self.number(value)
    case let value as JSONValue: self.value = value
    default: try value.encode(to: JSONValueEncoder(box: self, codingPath: path))
    }
  }

  private static func number(_ value: some FixedWidthInteger) -> JSONValue {
    Int64(exactly: value).map(JSONValue.integer)
      ?? .unsigned(UInt64(truncatingIfNeeded: value))
  }
}

private struct KeyedEncoder<Key: CodingKey>: KeyedEncodingContainerProtocol {
  let box: JSONBox
  let codingPath: [any CodingKey]

  mutating func encodeNil(forKey key: Key) { _ = box.member(key.stringValue) }

  mutating func encode<Value: Encodable>(_ value: Value, forKey key: Key) throws {
    try box.member(key.stringValue).encode(value, codingPath + [key])
  }

  mutating func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key)
    -> KeyedEncodingContainer<Nested>
  {
    JSONValueEncoder(box: box.member(key.stringValue), codingPath: codingPath + [key])
      .container(keyedBy: type)
  }

  mutating func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
    JSONValueEncoder(box: box.member(key.stringValue), codingPath: codingPath + [key])
      .unkeyedContainer()
  }

  mutating func superEncoder() -> any Encoder {
    JSONValueEncoder(box: box.member("super"), codingPath: codingPath)
  }

  mutating func superEncoder(forKey key: Key) -> any Encoder {
    JSONValueEncoder(box: box.member(key.stringValue), codingPath: codingPath + [key])
  }
}

private struct UnkeyedEncoder: UnkeyedEncodingContainer {
  let box: JSONBox
  let codingPath: [any CodingKey]
  var count: Int { box.elements?.count ?? 0 }

  private var path: [any CodingKey] { codingPath + [JSONKey(intValue: count)] }

  mutating func encodeNil() { _ = box.element() }

  mutating func encode<Value: Encodable>(_ value: Value) throws {
    let path = path
    try box.element().encode(value, path)
  }

  mutating func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type)
    -> KeyedEncodingContainer<Nested>
  {
    let path = path
    return JSONValueEncoder(box: box.element(), codingPath: path).container(keyedBy: type)
  }

  mutating func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer {
    let path = path
    return JSONValueEncoder(box: box.element(), codingPath: path).unkeyedContainer()
  }

  mutating func superEncoder() -> any Encoder {
    let path = path
    return JSONValueEncoder(box: box.element(), codingPath: path)
  }
}

private struct SingleEncoder: SingleValueEncodingContainer {
  let box: JSONBox
  let codingPath: [any CodingKey]

  mutating func encodeNil() { box.value = .null }

  mutating func encode<Value: Encodable>(_ value: Value) throws {
    try box.encode(value, codingPath)
  }
}
