// SPDX-License-Identifier: Apache-2.0
//
// JSONValue: a JSON text (RFC 8259) in memory. Written because a network's
// process stays without Foundation: FoundationEssentials costs it 4 MiB and
// 2 ms. Parsing is strict, bounded in depth, and never traps.

/// One JSON value. Objects keep the order of their members.
package enum JSONValue: Hashable, Sendable {
  case null
  case bool(Bool)
  case integer(Int64)
  /// An integer above Int64.max.
  case unsigned(UInt64)
  case double(Double)
  case string(String)
  case array([JSONValue])
  case object(JSONObject)
}

/// An object's members, in order. Looking one up is linear: objects here have
/// a dozen members.
package struct JSONObject: Hashable, Sendable, ExpressibleByDictionaryLiteral {
  package private(set) var members: [Member] = []

  package struct Member: Hashable, Sendable {
    package let name: String
    package var value: JSONValue
  }

  package init() {}

  package init(dictionaryLiteral elements: (String, JSONValue)...) {
    for (name, value) in elements { self[name] = value }
  }

  /// nil removes.
  package subscript(_ name: String) -> JSONValue? {
    get { members.first { $0.name == name }?.value }
    set {
      let index = members.firstIndex { $0.name == name }
      switch (index, newValue) {
      case (let index?, let value?): members[index].value = value
      case (let index?, nil): members.remove(at: index)
      case (nil, let value?): members.append(Member(name: name, value: value))
      case (nil, nil): break
      }
    }
  }

  /// Appends without a look for a member of that name.
  mutating func append(_ name: String, _ value: JSONValue) {
    members.append(Member(name: name, value: value))
  }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral,
  ExpressibleByNilLiteral
{
  package init(stringLiteral value: String) { self = .string(value) }
  package init(integerLiteral value: Int64) { self = .integer(value) }
  package init(booleanLiteral value: Bool) { self = .bool(value) }
  package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  package init(nilLiteral: ()) { self = .null }
  package init(dictionaryLiteral elements: (String, JSONValue)...) {
    var object = JSONObject()
    for (name, value) in elements { object[name] = value }
    self = .object(object)
  }
}

extension JSONValue {
  /// A number that fits no smaller case.
  package init(_ value: UInt64) {
    self = Int64(exactly: value).map(JSONValue.integer) ?? .unsigned(value)
  }

  package init(_ value: String?) { self = value.map(JSONValue.string) ?? .null }

  /// A member of an object; nil for anything else.
  package subscript(_ name: String) -> JSONValue? {
    guard case .object(let object) = self else { return nil }
    return object[name]
  }

  package var string: String? {
    guard case .string(let value) = self else { return nil }
    return value
  }

  package var bool: Bool? {
    guard case .bool(let value) = self else { return nil }
    return value
  }

  package var array: [JSONValue]? {
    guard case .array(let value) = self else { return nil }
    return value
  }

  package var object: JSONObject? {
    guard case .object(let value) = self else { return nil }
    return value
  }

  /// The value as an integer of any width; nil when it is none or does not fit.
  package func integer<Value: FixedWidthInteger>(_ type: Value.Type = Value.self) -> Value? {
    switch self {
    case .integer(let value): Value(exactly: value)
    case .unsigned(let value): Value(exactly: value)
    case .double(let value): Value(exactly: value)
    default: nil
    }
  }

  package var double: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .unsigned(let value): Double(value)
    case .double(let value): value
    default: nil
    }
  }
}
