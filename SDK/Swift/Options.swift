// SPDX-License-Identifier: Apache-2.0
//
// The options of an instance. The host has validated them by the schema and filled in defaults. The accessors check again,
// since another host may run the plugin; failures have the JSON pointer of the member.

@_exported import JSON
import PluginAPI

/// The `options:` of a network, with typed access.
public struct Options: Sendable {
  /// Always an object.
  public let json: JSONValue
  /// JSON pointer of this object within all options: "", "/tcp".
  private let path: String

  /// - Parameter json: an object; other values count as empty.
  public init(_ json: JSONValue = .object([:])) { self.init(json, path: "") }

  private init(_ json: JSONValue, path: String) {
    if case .object = json { self.json = json } else { self.json = .object([:]) }
    self.path = path
  }

  /// Parses the text of `options`; empty text is an empty object.
  public init(parsing text: String) throws(PluginFailure) {
    guard !text.isEmpty else {
      self.init()
      return
    }
    do throws(JSONSyntaxError) {
      self.init(try JSONValue(parsing: text))
    } catch {
      throw .invalid(nil, "options are \(error)")
    }
  }

  init(parsing bytes: UnsafePointer<CChar>?, length: UInt64) throws(PluginFailure) {
    let buffer = UnsafeRawBufferPointer(start: bytes, count: bytes == nil ? 0 : Int(length))
    try self.init(parsing: String(decoding: buffer, as: UTF8.self))
  }

  private func member(_ name: String) -> JSONValue? {
    let value = json[name]
    return value == .null ? nil : value
  }

  /// A string; nil if absent.
  public func string(_ name: String) throws(PluginFailure) -> String? {
    switch member(name) {
    case nil: return nil
    case .string(let value): return value
    default: throw .invalid("\(path)/\(name)", "not a text")
    }
  }

  /// An integer in `range`; nil if absent.
  public func integer(
    _ name: String, in range: ClosedRange<Int64>
  ) throws(PluginFailure) -> Int64? {
    switch member(name) {
    case nil: return nil
    case .integer(let value) where range.contains(value): return value
    case .integer, .unsigned:
      throw .invalid("\(path)/\(name)", "not in \(range.lowerBound)...\(range.upperBound)")
    default: throw .invalid("\(path)/\(name)", "not a whole number")
    }
  }

  /// A boolean; nil if absent.
  public func bool(_ name: String) throws(PluginFailure) -> Bool? {
    switch member(name) {
    case nil: return nil
    case .bool(let value): return value
    default: throw .invalid("\(path)/\(name)", "neither true nor false")
    }
  }

  /// A list of strings; nil if absent.
  public func strings(_ name: String) throws(PluginFailure) -> [String]? {
    switch member(name) {
    case nil: return nil
    case .array(let values):
      var strings: [String] = []
      for (index, value) in values.enumerated() {
        guard case .string(let text) = value else {
          throw .invalid("\(path)/\(name)/\(index)", "not a text")
        }
        strings.append(text)
      }
      return strings
    default: throw .invalid("\(path)/\(name)", "not a list")
    }
  }

  /// The options nested under `name`; empty if absent.
  public func object(_ name: String) throws(PluginFailure) -> Options {
    switch member(name) {
    case nil: return Options(.object([:]), path: "\(path)/\(name)")
    case .object(let members): return Options(.object(members), path: "\(path)/\(name)")
    default: throw .invalid("\(path)/\(name)", "not an object")
    }
  }
}
