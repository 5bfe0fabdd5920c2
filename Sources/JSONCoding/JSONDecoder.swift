// SPDX-License-Identifier: Apache-2.0
//
// The Decoder behind JSONCoder: reads a JSONValue. Errors are DecodingErrors
// with the path to the value.

struct JSONValueDecoder: Decoder {
  let value: JSONValue
  let codingPath: [any CodingKey]
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    guard case .object(let object) = value else { throw mismatch("an object") }
    return KeyedDecodingContainer(KeyedDecoder<Key>(object, codingPath))
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    guard case .array(let elements) = value else { throw mismatch("an array") }
    return UnkeyedDecoder(elements: elements, codingPath: codingPath)
  }

  func singleValueContainer() -> any SingleValueDecodingContainer {
    SingleDecoder(decoder: self)
  }

  func mismatch(_ wanted: String) -> DecodingError {
    .dataCorrupted(.init(codingPath: codingPath, debugDescription: "\(wanted) expected"))
  }

  func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
    let result: Any?
    let wanted: String
    switch type {
    case is Bool.Type: (result, wanted) = (value.bool, "true or false")
    case is String.Type: (result, wanted) = (value.string, "a string")
    case is Double.Type: (result, wanted) = (value.double, "a number")
    case is Float.Type: (result, wanted) = (value.double.map { Float($0) }, "a number")
    case let integer as any FixedWidthInteger.Type:
      (result, wanted) = (integer.from(value), "an integer that fits \(type)")
    case is JSONValue.Type: (result, wanted) = (value, "a value")
    default: return try type.init(from: self)
    }
    guard let result = result as? Value else { throw mismatch(wanted) }
    return result
  }
}

extension FixedWidthInteger {
  fileprivate static func from(_ value: JSONValue) -> Any? { value.integer(Self.self) }
}

private struct KeyedDecoder<Key: CodingKey>: KeyedDecodingContainerProtocol {
  let object: JSONObject
  /// The members by name, if there are more than a few: a dictionary of ten thousand is decoded key by key.
  private let byName: [String: JSONValue]?
  let codingPath: [any CodingKey]

  init(_ object: JSONObject, _ codingPath: [any CodingKey]) {
    self.object = object
    byName = object.members.count > 16 ? object.byName : nil
    self.codingPath = codingPath
  }

  private func value(_ name: String) -> JSONValue? {
    if let byName { return byName[name] }
    return object[name]
  }

  var allKeys: [Key] { object.members.compactMap { Key(stringValue: $0.name) } }

  func contains(_ key: Key) -> Bool { value(key.stringValue) != nil }

  private func decoder(_ key: Key) throws -> JSONValueDecoder {
    guard let value = value(key.stringValue) else {
      throw DecodingError.keyNotFound(
        key, .init(codingPath: codingPath, debugDescription: "\"\(key.stringValue)\" is missing"))
    }
    return JSONValueDecoder(value: value, codingPath: codingPath + [key])
  }

  func decodeNil(forKey key: Key) throws -> Bool { try decoder(key).value == .null }

  func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
    try decoder(key).decode(type)
  }

  func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key) throws
    -> KeyedDecodingContainer<Nested>
  { try decoder(key).container(keyedBy: type) }

  func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
    try decoder(key).unkeyedContainer()
  }

  func superDecoder() throws -> any Decoder {
    JSONValueDecoder(value: value("super") ?? .null, codingPath: codingPath)
  }

  func superDecoder(forKey key: Key) throws -> any Decoder { try decoder(key) }
}

private struct UnkeyedDecoder: UnkeyedDecodingContainer {
  let elements: [JSONValue]
  let codingPath: [any CodingKey]
  var currentIndex = 0
  var count: Int? { elements.count }
  var isAtEnd: Bool { currentIndex >= elements.count }

  private mutating func take() throws -> JSONValueDecoder {
    let path = codingPath + [JSONKey(intValue: currentIndex)]
    guard !isAtEnd else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: path, debugDescription: "the array is too short"))
    }
    currentIndex += 1
    return JSONValueDecoder(value: elements[currentIndex - 1], codingPath: path)
  }

  mutating func decodeNil() throws -> Bool {
    guard !isAtEnd, elements[currentIndex] == .null else { return false }
    currentIndex += 1
    return true
  }

  mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
    try take().decode(type)
  }

  mutating func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) throws
    -> KeyedDecodingContainer<Nested>
  { try take().container(keyedBy: type) }

  mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
    try take().unkeyedContainer()
  }

  mutating func superDecoder() throws -> any Decoder { try take() }
}

private struct SingleDecoder: SingleValueDecodingContainer {
  let decoder: JSONValueDecoder
  var codingPath: [any CodingKey] { decoder.codingPath }

  func decodeNil() -> Bool { decoder.value == .null }

  func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try decoder.decode(type) }
}

extension JSONValue: Codable {
  public init(from decoder: any Decoder) throws {
    guard let decoder = decoder as? JSONValueDecoder else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: "JSONValue needs JSONCoder"))
    }
    self = decoder.value
  }

  public func encode(to encoder: any Encoder) throws {
    guard let encoder = encoder as? JSONValueEncoder else {
      throw EncodingError.invalidValue(
        self, .init(codingPath: encoder.codingPath, debugDescription: "JSONValue needs JSONCoder"))
    }
    encoder.box.value = self
  }
}
