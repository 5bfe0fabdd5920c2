// SPDX-License-Identifier: Apache-2.0
//
// SchemaReview: is a plugin's options_schema a schema, and do its own defaults fit it? A plugin whose schema is wrong
// loads, and refuses every network that gives an option.

package enum SchemaReview {
  /// What is wrong, in words for the plugin's author; nil: nothing.
  package static func problem(_ text: String?) -> String? {
    guard let text else { return nil }
    guard let schema = Schema(text: text), let root = try? JSONValue(parsing: text) else {
      return "it is no JSON object of at most 1 MiB"
    }
    if let type = root["type"]?.string, type != "object" {
      return "its type is \(type); options are an object"
    }
    if let problem = keywords(root, path: "", depth: 0) { return problem }
    let (_, problems) = schema.check(.object([:]))
    for problem in problems {
      if case .badSchema(let text) = problem.kind { return text }
      // An option that has no default and is required is the user's to give.
      if case .missing = problem.kind { continue }
      return "its defaults do not fit it: \(problem.pointer) \(problem.sentence)"
    }
    return nil
  }

  /// Keywords whose values are of another type than they have to be, patterns that do not compile, and defaults that do
  /// not fit.
  private static func keywords(_ schema: JSONValue, path: String, depth: Int) -> String? {
    guard depth < 16 else { return "it is nested more than 16 deep" }
    guard let object = schema.object else {
      if case .bool = schema { return nil }
      return "\(place(path)) is \(schema.typeName), no schema"
    }
    if let type = object["type"], let problem = typeProblem(type) {
      return "\(place(path)): \(problem)"
    }
    for key in ["properties", "$defs"] {
      guard let members = object[key] else { continue }
      guard let inner = members.object else { return "\(place(path)): `\(key)` is no object" }
      for member in inner.members {
        if let problem = keywords(member.value, path: path + "/" + member.name, depth: depth + 1) {
          return problem
        }
      }
    }
    for key in ["anyOf", "oneOf"] {
      guard let list = object[key] else { continue }
      guard let choices = list.array, !choices.isEmpty else {
        return "\(place(path)): `\(key)` is no list of schemas"
      }
      for choice in choices {
        if let problem = keywords(choice, path: path, depth: depth + 1) { return problem }
      }
    }
    if let items = object["items"],
      let problem = keywords(items, path: path + "/items", depth: depth + 1)
    {
      return problem
    }
    return defaultProblem(object, schema, path)
  }

  private static func defaultProblem(
    _ object: JSONObject, _ schema: JSONValue, _ path: String
  ) -> String? {
    let value = object["default"]
    // A text that no pattern meets: the pattern itself is what is tried.
    guard value != nil || object["pattern"] != nil else { return nil }
    let probe = value ?? .string("x")
    // References lead to the whole schema's definitions: judged with it, not here.
    if object["$ref"] != nil { return nil }
    for problem in Schema(schema).check(probe).problems {
      if case .badSchema(let text) = problem.kind { return "\(place(path)): \(text)" }
      if value != nil { return "\(place(path)): its default \(problem.sentence)" }
    }
    return nil
  }

  private static let types: Set = [
    "object", "array", "string", "number", "integer", "boolean", "null",
  ]

  private static func typeProblem(_ type: JSONValue) -> String? {
    let names = type.array ?? [type]
    for name in names {
      guard let text = name.string else { return "`type` is \(name.typeName), no name of a type" }
      guard types.contains(text) else { return "there is no type \(text)" }
    }
    return nil
  }

  private static func place(_ path: String) -> String { path.isEmpty ? "the schema" : path }
}
