// SPDX-License-Identifier: Apache-2.0
//
// Options that a schema marks as writeOnly (JSON Schema 2020-12, validation §9.4), such as passwords and keys. They are
// passed to the plugin only, and masked everywhere else.

extension Schema {
  /// The replacement of such a value.
  package static let mask = "(hidden)"
  /// Maximum number of subschemas visited: a schema is from a plugin.
  private static let mostSteps = 20_000

  /// The options with such values masked.
  package func masked(_ options: JSONObject) -> JSONObject {
    walk(options).options
  }

  /// The strings of such values, to be removed from other texts.
  package func secrets(of options: JSONObject) -> [String] {
    walk(options).secrets
  }

  private func walk(_ options: JSONObject) -> (options: JSONObject, secrets: [String]) {
    var walk = SecretWalk(root: value, stepsLeft: Self.mostSteps)
    let masked = walk.mask(.object(options), by: [value], depth: 0)
    return (masked.object ?? [:], walk.secrets)
  }
}

private struct SecretWalk {
  let root: JSONValue
  var stepsLeft: Int
  var secrets: [String] = []
  private static let deepest = 32

  init(root: JSONValue, stepsLeft: Int) {
    self.root = root
    self.stepsLeft = stepsLeft
  }

  /// - Parameter schemas: all schemas that apply to the value. At the limit everything below is masked.
  mutating func mask(_ value: JSONValue, by schemas: [JSONValue], depth: Int) -> JSONValue {
    var all: [JSONObject] = []
    for schema in schemas { collect(schema, into: &all, depth: 0) }
    stepsLeft -= 1 + all.count
    guard stepsLeft > 0, depth < Self.deepest,
      !all.contains(where: { $0["writeOnly"] == .bool(true) })
    else {
      note(value)
      return value == .null ? .null : .string(Schema.mask)
    }
    switch value {
    case .object(let members):
      var result = JSONObject()
      for member in members.members {
        let below = all.compactMap {
          $0["properties"]?[member.name] ?? $0["additionalProperties"]
        }
        result[member.name] = mask(member.value, by: below, depth: depth + 1)
      }
      return .object(result)
    case .array(let items):
      let below = all.compactMap { $0["items"] }
      return .array(items.map { mask($0, by: below, depth: depth + 1) })
    default: return value
    }
  }

  /// A schema, and those that it refers to or has as alternatives.
  private mutating func collect(_ schema: JSONValue, into all: inout [JSONObject], depth: Int) {
    stepsLeft -= 1
    guard stepsLeft > 0, depth < Self.deepest, let object = schema.object else { return }
    all.append(object)
    for keyword in ["anyOf", "oneOf", "allOf"] {
      for other in object[keyword]?.array ?? [] { collect(other, into: &all, depth: depth + 1) }
    }
    guard let reference = object["$ref"]?.string else { return }
    if reference == "#" { return collect(root, into: &all, depth: depth + 1) }
    guard reference.hasPrefix("#/") else { return }
    var node = root
    for key in JSONPointer.keys(String(reference.dropFirst())) {
      guard let next = node[key] else { return }
      node = next
    }
    collect(node, into: &all, depth: depth + 1)
  }

  private mutating func note(_ value: JSONValue) {
    guard secrets.count < 1000 else { return }
    switch value {
    case .string(let text): secrets.append(text)
    case .array(let items): for item in items { note(item) }
    case .object(let members): for member in members.members { note(member.value) }
    case .integer, .unsigned, .double: secrets.append(value.text)
    case .bool, .null: break
    }
  }
}
