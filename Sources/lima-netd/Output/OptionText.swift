// SPDX-License-Identifier: Apache-2.0
//
// OptionText: text for the values of a property in a plugin's JSON Schema: its type and all limits.

import Daemon
import Platform

enum OptionText {
  /// "576 to 65520", "client or gateway", "at most 32 texts, each of 1 to 253 characters"
  static func values(_ schema: JSONValue) -> String {
    if let constant = schema["const"] { return text(constant) }
    if let choices = schema["enum"]?.array, !choices.isEmpty {
      let words = choices.map(text)
      return words.count == 1
        ? words[0] : words.dropLast().joined(separator: ", ") + " or " + (words.last ?? "")
    }
    for (keyword, word) in [("anyOf", " or "), ("oneOf", " or ")] {
      if let parts = schema[keyword]?.array, !parts.isEmpty {
        return parts.map(values).joined(separator: word)
      }
    }
    return types(schema).map { values(schema, type: $0) }.joined(separator: " or ")
  }

  private static func types(_ schema: JSONValue) -> [String] {
    if let several = schema["type"]?.array?.compactMap(\.string), !several.isEmpty {
      return several
    }
    return [schema["type"]?.string ?? "anything"]
  }

  private static func values(_ schema: JSONValue, type: String) -> String {
    switch type {
    case "integer", "number": number(schema, type)
    case "string": string(schema)
    case "boolean": "true or false"
    case "array": list(schema)
    case "object": object(schema)
    default: type
    }
  }

  private static func number(_ schema: JSONValue, _ type: String) -> String {
    let noun = type == "integer" ? "a whole number" : "a number"
    var words: String
    switch (schema["minimum"].map(text), schema["maximum"].map(text)) {
    case (let low?, let high?):
      words = "\(low) to \(high)" + (type == "number" ? ", also parts" : "")
    case (let low?, nil): words = "\(noun), \(low) or more"
    case (nil, let high?): words = "\(noun), \(high) or less"
    case (nil, nil): words = noun
    }
    if let low = schema["exclusiveMinimum"].map(text) { words += ", more than \(low)" }
    if let high = schema["exclusiveMaximum"].map(text) { words += ", less than \(high)" }
    if let step = schema["multipleOf"].map(text) { words += ", in steps of \(step)" }
    return words
  }

  private static func string(_ schema: JSONValue) -> String {
    let noun: String
    switch schema["format"]?.string {
    case "ipv4": noun = "an IPv4 address"
    case "ipv6": noun = "an IPv6 address"
    case let format?: noun = "a text (\(format))"
    case nil: noun = "a text"
    }
    var words = noun
    if let size = size(schema, "minLength", "maxLength", "character") { words += " of \(size)" }
    if let pattern = schema["pattern"]?.string { words += " that matches \(pattern)" }
    return words
  }

  private static func list(_ schema: JSONValue) -> String {
    var words = "a list"
    if let size = size(schema, "minItems", "maxItems", "member") { words += " of \(size)" }
    if let items = schema["items"] { words += ", each \(values(items))" }
    if schema["uniqueItems"] == .bool(true) { words += ", no two alike" }
    return words
  }

  private static func object(_ schema: JSONValue) -> String {
    var words = "names and values"
    if let size = size(schema, "minProperties", "maxProperties", "name") {
      words = "\(size) and values"
    }
    if let values = schema["additionalProperties"], values.object != nil {
      words += ", each value \(Self.values(values))"
    }
    return words
  }

  /// "1 to 253 characters", "at most 1 member", "at least 2 members"
  private static func size(
    _ schema: JSONValue, _ minimum: String, _ maximum: String, _ unit: String
  ) -> String? {
    let low = count(schema[minimum]) ?? 0
    switch (low, count(schema[maximum])) {
    case (0, nil): return nil
    case (let low, let high?) where low == high: return Plural.text(high, unit)
    case (0, let high?): return "at most \(Plural.text(high, unit))"
    case (let low, let high?): return "\(low) to \(Plural.text(high, unit))"
    case (let low, nil): return "at least \(Plural.text(low, unit))"
    }
  }

  private static func count(_ value: JSONValue?) -> Int? {
    switch value {
    case .integer(let number)?: Int(clamping: number)
    case .unsigned(let number)?: Int(clamping: number)
    default: nil
    }
  }

  /// Strings without quotes where unambiguous, other values as JSON.
  static func text(_ value: JSONValue) -> String {
    if let word = value.string, !word.isEmpty, !word.contains(where: \.isWhitespace) { return word }
    return (try? JSONText.string(value)) ?? "?"
  }
}
