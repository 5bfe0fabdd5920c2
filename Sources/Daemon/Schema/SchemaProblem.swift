// SPDX-License-Identifier: Apache-2.0
//
// SchemaProblem: where a value does not match its schema, as data, with the text for users.

import Platform

package struct SchemaProblem: Error, Sendable, Hashable {
  package enum Kind: Sendable, Hashable {
    case type(expected: [String], found: JSONValue)
    case missing(String, description: String?)
    case unknown(String, nearest: String?, known: [String])
    case notOneOf([JSONValue])
    case notConst(JSONValue)
    case pattern(String)
    case format(String, value: String)
    case below(Double)
    case above(Double)
    case notAbove(Double)
    case notBelow(Double)
    case notMultiple(Double)
    case tooShort(Int)
    case tooLong(Int)
    case tooFew(Int)
    case tooMany(Int)
    case repeated
    case noAlternative
    case severalAlternatives
    case forbidden
    case tooDeep
    /// The schema itself is invalid, which is an error of the plugin.
    case badSchema(String)

    /// The same without a value that must not be shown.
    var withoutValue: Kind {
      switch self {
      case .format(let format, _): .format(format, value: Schema.mask)
      case .type(let expected, .string): .type(expected: expected, found: .string(Schema.mask))
      default: self
      }
    }
  }

  package var kind: Kind
  /// JSON pointer into the value; "" is the whole value.
  package var pointer: String
  /// The key is wrong, not its value.
  package var concernsKey: Bool {
    if case .unknown = kind { return true }
    return false
  }

  package var sentence: String {
    switch kind {
    case .type(let expected, let found):
      let wanted = expected.joined(separator: " or ")
      if case .string(let text) = found, expected.contains("boolean"),
        Self.booleanWords.contains(text.lowercased())
      {
        return "must be a boolean: write true or false, not `\(text)`"
      }
      if case .string = found, expected.contains("integer") || expected.contains("number") {
        return "must be \(wanted), not string: write the number without quotes"
      }
      if expected == ["string"], found.object == nil, found.array == nil {
        return "must be string, not \(found.typeName): put quotes around it"
      }
      return "must be \(wanted), not \(found.typeName)"
    case .missing(let key, let description):
      return "`\(key)` is missing: add it" + (description.map { " (\($0))" } ?? "")
    case .unknown(_, let nearest, let known):
      if let nearest { return "unknown option: did you mean `\(nearest)`?" }
      return known.isEmpty
        ? "unknown option: this plugin takes none"
        : "unknown option: \(Plural.there(known))"
    case .notOneOf(let values):
      return "must be one of \(values.map(\.shortText).joined(separator: ", "))"
    case .notConst(let value):
      return "must be \(value.shortText)"
    case .pattern(let pattern):
      return "does not match the pattern \(pattern)"
    case .format(let format, let value):
      return "`\(value)` is no \(SchemaFormat.describe(format))"
    case .below(let bound): return "must be at least \(Self.number(bound))"
    case .above(let bound): return "must be at most \(Self.number(bound))"
    case .notAbove(let bound): return "must be more than \(Self.number(bound))"
    case .notBelow(let bound): return "must be less than \(Self.number(bound))"
    case .notMultiple(let step): return "must be a multiple of \(Self.number(step))"
    case .tooShort(let count):
      return count == 1 ? "must not be empty" : "must have at least \(count) characters"
    case .tooLong(let count): return "must have at most \(Plural.text(count, "character"))"
    case .tooFew(let count):
      return count == 1 ? "must not be empty" : "must have at least \(count) members"
    case .tooMany(let count): return "must have at most \(Plural.text(count, "member"))"
    case .repeated: return "must not have the same member twice"
    case .noAlternative: return "fits none of the forms the schema allows"
    case .severalAlternatives: return "fits more than one of the forms the schema allows"
    case .forbidden: return "is not allowed here"
    case .tooDeep: return "is nested too deeply, or too large for the plugin's schema"
    case .badSchema(let reason):
      return "cannot be checked, the plugin's schema is wrong: \(reason)"
    }
  }

  private static let booleanWords = ["yes", "no", "on", "off", "true", "false", "y", "n"]

  private static func number(_ value: Double) -> String {
    if let whole = Int64(exactly: value) { return String(whole) }
    return String(value)
  }
}

extension JSONValue {
  /// Short text for messages.
  var shortText: String {
    switch self {
    case .string(let text): return text
    case .null: return "null"
    case .bool(let value): return String(value)
    case .integer(let value): return String(value)
    case .unsigned(let value): return String(value)
    case .double(let value): return String(value)
    case .array, .object: return typeName
    }
  }
}
