// SPDX-License-Identifier: Apache-2.0
//
// JSONValue: a JSON text (RFC 8259) in memory, for plugins, network process and supervisor. A network process does not link
// Foundation: FoundationEssentials would cost 4 MiB and 2 ms. JSONParser.swift parses, JSONWriter.swift writes;
// Sources/JSONCoding has Codable types.

/// A JSON value. Objects keep the order of their members.
public enum JSONValue: Hashable, Sendable {
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

/// An object's members, in order. Look-up is linear, as objects usually have a dozen members. An object with many is
/// created by `init(_:)` and read by `byName`.
public struct JSONObject: Hashable, Sendable, ExpressibleByDictionaryLiteral {
  public private(set) var members: [Member] = []

  public struct Member: Hashable, Sendable {
    public let name: String
    public var value: JSONValue
  }

  public init() {}

  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    for (name, value) in elements { self[name] = value }
  }

  /// Of several members with the same name the last value is kept, in the position of the first. Linear in the number of
  /// members.
  public init(_ members: some Sequence<(String, JSONValue)>) {
    self.members.reserveCapacity(members.underestimatedCount)
    var places = JSONNames()
    for (name, value) in members {
      if let place = places.add(name, among: self.members) {
        self.members[place].value = value
      } else {
        self.members.append(Member(name: name, value: value))
      }
    }
  }

  /// The members as a dictionary, for looking up many of them.
  public var byName: [String: JSONValue] {
    Dictionary(members.lazy.map { ($0.name, $0.value) }) { first, _ in first }
  }

  /// Assigning nil removes the member.
  public subscript(_ name: String) -> JSONValue? {
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

  /// The members of both; of those in both, the right one's.
  public static func + (left: JSONObject, right: JSONObject) -> JSONObject {
    JSONObject((left.members + right.members).lazy.map { ($0.name, $0.value) })
  }

  /// Appends without checking for a member of that name.
  public mutating func append(_ name: String, _ value: JSONValue) {
    members.append(Member(name: name, value: value))
  }
}

/// Positions of an object's names: found by a linear search among a few, and in a dictionary among many.
struct JSONNames {
  private var places: [String: Int] = [:]
  private static let few = 16

  /// The position of the member with that name; nil if it is new, and must then be appended next.
  mutating func add(_ name: String, among members: [JSONObject.Member]) -> Int? {
    if members.count < Self.few { return members.firstIndex { $0.name == name } }
    if places.isEmpty {
      for (place, member) in members.enumerated() { places[member.name] = place }
    }
    if let place = places[name] { return place }
    places[name] = members.count
    return nil
  }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral,
  ExpressibleByNilLiteral
{
  public init(stringLiteral value: String) { self = .string(value) }
  public init(integerLiteral value: Int64) { self = .integer(value) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  public init(nilLiteral: ()) { self = .null }
  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    var object = JSONObject()
    for (name, value) in elements { object[name] = value }
    self = .object(object)
  }
}

extension JSONValue {
  /// An integer of any width, clamped to 64 bits.
  public init(_ value: some BinaryInteger) {
    self =
      Int64(exactly: value).map(JSONValue.integer)
      ?? (value < 0 ? .integer(.min) : .unsigned(UInt64(clamping: value)))
  }

  public init(_ value: String?) { self = value.map(JSONValue.string) ?? .null }

  /// A member of an object; nil for other values.
  public subscript(_ name: String) -> JSONValue? {
    guard case .object(let object) = self else { return nil }
    return object[name]
  }

  public var string: String? {
    guard case .string(let value) = self else { return nil }
    return value
  }

  public var bool: Bool? {
    guard case .bool(let value) = self else { return nil }
    return value
  }

  public var array: [JSONValue]? {
    guard case .array(let value) = self else { return nil }
    return value
  }

  public var object: JSONObject? {
    guard case .object(let value) = self else { return nil }
    return value
  }

  /// The value as an integer of any width; nil if it is no integer or does not fit.
  public func integer<Value: FixedWidthInteger>(_ type: Value.Type = Value.self) -> Value? {
    switch self {
    case .integer(let value): Value(exactly: value)
    case .unsigned(let value): Value(exactly: value)
    case .double(let value): Value(exactly: value)
    default: nil
    }
  }

  public var double: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .unsigned(let value): Double(value)
    case .double(let value): value
    default: nil
    }
  }
}
