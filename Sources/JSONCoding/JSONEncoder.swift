// SPDX-License-Identifier: Apache-2.0
//
// The Encoder behind JSONCoder: builds a tree of nodes, which is resolved to a JSONValue at the end. Linear in the
// input. Numbers, texts and booleans, by far the most frequent, need no object, path or cast: a list of a thousand
// ports is encoded on a network's loop.

/// A value in a container: complete, or under construction.
enum JSONNode {
  case value(JSONValue)
  case box(JSONBox)

  var resolved: JSONValue {
    switch self {
    case .value(let value): value
    case .box(let box): box.resolved
    }
  }
}

/// A value under construction; containers share it by reference.
final class JSONBox {
  var value: JSONValue = .null
  private(set) var elements: [JSONNode]?
  private(set) var members: [(name: String, node: JSONNode)]?

  var resolved: JSONValue {
    if let elements { return .array(elements.map(\.resolved)) }
    guard let members else { return value }
    return .object(JSONObject(members.lazy.map { ($0.name, $0.node.resolved) }))
  }

  func becomeObject() { if members == nil { members = [] } }
  func becomeArray() { if elements == nil { elements = [] } }

  // In place: copying a list for each of its elements would be quadratic.
  func add(_ name: String, _ value: JSONValue) { members?.append((name, .value(value))) }
  func add(_ value: JSONValue) { elements?.append(.value(value)) }

  func member(_ name: String) -> JSONBox {
    let box = JSONBox()
    members?.append((name, .box(box)))
    return box
  }

  func element() -> JSONBox {
    let box = JSONBox()
    elements?.append(.box(box))
    return box
  }
}

struct JSONValueEncoder: Encoder {
  let box: JSONBox
  let codingPath: [any CodingKey]
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    box.becomeObject()
    return KeyedEncodingContainer(KeyedEncoder<Key>(box: box, codingPath: codingPath))
  }

  func unkeyedContainer() -> any UnkeyedEncodingContainer {
    box.becomeArray()
    return UnkeyedEncoder(box: box, codingPath: codingPath)
  }

  func singleValueContainer() -> any SingleValueEncodingContainer {
    SingleEncoder(box: box, codingPath: codingPath)
  }
}

extension JSONBox {
  func encode(_ value: some Encodable, _ path: [any CodingKey]) throws {
    if let leaf = Self.leaf(value) {
      self.value = leaf
    } else {
      try value.encode(to: JSONValueEncoder(box: self, codingPath: path))
    }
  }

  /// A value without parts.
  static func leaf(_ value: some Encodable) -> JSONValue? {
    switch value {
    case let value as JSONValue: value
    case let value as String: .string(value)
    case let value as Bool: .bool(value)
    case let value as Double: .double(value)
    case let value as Float: .double(Double(value))
    case let value as any FixedWidthInteger & Encodable: JSONValue(value)
    default: nil
    }
  }
}

private struct KeyedEncoder<Key: CodingKey>: KeyedEncodingContainerProtocol {
  let box: JSONBox
  let codingPath: [any CodingKey]

  mutating func encodeNil(forKey key: Key) { box.add(key.stringValue, .null) }
  mutating func encode(_ value: Bool, forKey key: Key) { box.add(key.stringValue, .bool(value)) }
  mutating func encode(_ value: String, forKey key: Key) {
    box.add(key.stringValue, .string(value))
  }
  mutating func encode(_ value: Double, forKey key: Key) {
    box.add(key.stringValue, .double(value))
  }
  mutating func encode(_ value: Int, forKey key: Key) { box.add(key.stringValue, JSONValue(value)) }
  mutating func encode(_ value: Int32, forKey key: Key) {
    box.add(key.stringValue, JSONValue(value))
  }
  mutating func encode(_ value: Int64, forKey key: Key) {
    box.add(key.stringValue, JSONValue(value))
  }
  mutating func encode(_ value: UInt32, forKey key: Key) {
    box.add(key.stringValue, JSONValue(value))
  }
  mutating func encode(_ value: UInt64, forKey key: Key) {
    box.add(key.stringValue, JSONValue(value))
  }

  mutating func encode<Value: Encodable>(_ value: Value, forKey key: Key) throws {
    if let leaf = JSONBox.leaf(value) { return box.add(key.stringValue, leaf) }
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

  mutating func encodeNil() { box.add(.null) }
  mutating func encode(_ value: Bool) { box.add(.bool(value)) }
  mutating func encode(_ value: String) { box.add(.string(value)) }
  mutating func encode(_ value: Double) { box.add(.double(value)) }
  mutating func encode(_ value: Int) { box.add(JSONValue(value)) }
  mutating func encode(_ value: Int64) { box.add(JSONValue(value)) }
  mutating func encode(_ value: UInt64) { box.add(JSONValue(value)) }

  mutating func encode<Value: Encodable>(_ value: Value) throws {
    if let leaf = JSONBox.leaf(value) { return box.add(leaf) }
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
