// SPDX-License-Identifier: Apache-2.0
//
// Schema: validates a value by a JSON Schema and fills in defaults. Implements the part of 2020-12 that options need: type,
// enum, const, properties, required, additionalProperties, items, the bounds of numbers, strings and arrays, pattern,
// format, anyOf, oneOf, $ref into #/$defs; title, description and the like are ignored. One deviation: an object with
// properties allows no others unless it has additionalProperties, so that misspelt options are detected. A schema comes
// from a plugin and may be any JSON: depth and number of steps are bounded, and errors in it are reported as problems. A
// step is the comparison of one part of the schema with one part of the value (a property's name, an alternative, a few
// characters of a pattern): a validation takes at most some milliseconds.

import Patterns

package struct Schema: Sendable {
  private let root: JSONValue
  /// The schema's JSON.
  var value: JSONValue { root }
  private static let maximumDepth = 32
  private static let maximumProblems = 50
  private static let maximumSteps = 200_000
  /// Maximum number of characters that a pattern is matched with.
  private static let maximumText = 1024

  /// Nil if the text is no JSON object (`true` is no schema for options).
  package init?(text: String) {
    guard text.utf8.count <= 1 << 20, let root = try? JSONValue(parsing: text), root.object != nil
    else { return nil }
    self.root = root
  }

  package init(_ root: JSONValue) {
    self.root = root
  }

  /// The names of the top-level properties.
  package var propertyNames: Set<String> {
    Set(root["properties"]?.object?.members.map(\.name) ?? [])
  }

  /// The top-level properties that name files, with the kind of access ("read", "write").
  var pathProperties: [(name: String, kind: String)] {
    (root["properties"]?.object?.members ?? []).compactMap { member in
      member.value["x-path"]?.string.map { (member.name, $0) }
    }
  }

  /// A top-level list of strings; empty if there is none.
  func strings(at key: String) -> [String] { root[key]?.array?.compactMap(\.string) ?? [] }

  /// The value with defaults filled in, and all problems.
  package func check(_ value: JSONValue) -> (value: JSONValue, problems: [SchemaProblem]) {
    var run = Run(root: root)
    let result = run.check(value, against: root, pointer: "", depth: 0)
    return (result, run.problems)
  }

  private struct Run {
    let root: JSONValue
    var problems: [SchemaProblem] = []
    var steps = 0
    /// Compiled patterns, or the reason of a failure.
    var patterns: [String: Result<Pattern, Pattern.Failure>] = [:]
    /// Number of enclosing writeOnly values, which no message may quote.
    var hidden = 0

    init(root: JSONValue) {
      self.root = root
    }

    /// The message is computed only if it is reported.
    mutating func fail(_ kind: @autoclosure () -> SchemaProblem.Kind, _ pointer: String) {
      guard problems.count < Schema.maximumProblems else { return }
      let kind = kind()
      problems.append(
        SchemaProblem(kind: hidden > 0 ? kind.withoutValue : kind, pointer: pointer))
    }

    mutating func check(
      _ value: JSONValue, against schema: JSONValue, pointer: String, depth: Int
    ) -> JSONValue {
      steps += 1
      guard depth < Schema.maximumDepth, steps < Schema.maximumSteps else {
        fail(.tooDeep, pointer)
        return value
      }
      if case .bool(let allowed) = schema {
        if !allowed { fail(.forbidden, pointer) }
        return value
      }
      guard let keywords = schema.object else {
        fail(.badSchema("a schema is \(schema.typeName)"), pointer)
        return value
      }
      // Each keyword is looked up among all of them.
      steps += keywords.members.count / 4
      guard steps < Schema.maximumSteps else {
        fail(.tooDeep, pointer)
        return value
      }
      let isHidden = keywords["writeOnly"] == .bool(true)
      if isHidden { hidden += 1 }
      defer { if isHidden { hidden -= 1 } }
      var value = value
      if let reference = keywords["$ref"]?.string {
        guard let target = resolve(reference) else {
          fail(.badSchema("$ref \(reference) leads nowhere"), pointer)
          return value
        }
        value = check(value, against: target, pointer: pointer, depth: depth + 1)
      }
      let before = problems.count
      checkType(value, keywords, pointer)
      // Other keywords would report the wrong type again.
      guard problems.count == before else { return value }
      checkChoice(value, keywords, pointer)
      switch value {
      case .integer, .unsigned, .double: checkNumber(value.double ?? 0, keywords, pointer)
      case .string(let text): checkString(text, keywords, pointer)
      case .array(let items): value = checkArray(items, keywords, pointer, depth)
      case .object(let members): value = checkObject(members, keywords, pointer, depth)
      case .null, .bool: break
      }
      return checkAlternatives(value, keywords, pointer, depth)
    }

    private mutating func resolve(_ reference: String) -> JSONValue? {
      guard reference.hasPrefix("#/") else { return reference == "#" ? root : nil }
      var node = root
      for key in JSONPointer.keys(String(reference.dropFirst())) {
        steps += 1 + (node.object?.members.count ?? 0) / 4
        guard steps < Schema.maximumSteps, let next = node[key] else { return nil }
        node = next
      }
      return node
    }

    private mutating func checkType(
      _ value: JSONValue, _ keywords: JSONObject, _ pointer: String
    ) {
      guard let type = keywords["type"] else { return }
      let names = type.string.map { [$0] } ?? type.array?.compactMap(\.string) ?? []
      steps += names.count / 4
      guard !names.isEmpty else { return fail(.badSchema("type is \(type.typeName)"), pointer) }
      let fits = names.contains { name in
        switch (name, value) {
        case ("number", .integer), ("number", .unsigned), ("number", .double): return true
        case ("integer", .double(let number)): return Int64(exactly: number) != nil
        default: return name == value.typeName
        }
      }
      if !fits { fail(.type(expected: names, found: value), pointer) }
    }

    private mutating func checkChoice(
      _ value: JSONValue, _ keywords: JSONObject, _ pointer: String
    ) {
      if let choices = keywords["enum"]?.array {
        steps += choices.count
        if !choices.contains(where: { $0.equals(value) }) { fail(.notOneOf(choices), pointer) }
      }
      if let constant = keywords["const"], !constant.equals(value) {
        fail(.notConst(constant), pointer)
      }
    }

    private mutating func checkNumber(
      _ value: Double, _ keywords: JSONObject, _ pointer: String
    ) {
      if let bound = keywords["minimum"]?.double, value < bound {
        fail(.below(bound), pointer)
      }
      if let bound = keywords["maximum"]?.double, value > bound {
        fail(.above(bound), pointer)
      }
      if let bound = keywords["exclusiveMinimum"]?.double, value <= bound {
        fail(.notAbove(bound), pointer)
      }
      if let bound = keywords["exclusiveMaximum"]?.double, value >= bound {
        fail(.notBelow(bound), pointer)
      }
      if let step = keywords["multipleOf"]?.double, step > 0,
        value.truncatingRemainder(dividingBy: step) != 0
      {
        fail(.notMultiple(step), pointer)
      }
    }

    private mutating func checkString(
      _ text: String, _ keywords: JSONObject, _ pointer: String
    ) {
      let length = text.unicodeScalars.count
      if let bound = keywords["minLength"]?.double, Double(length) < bound {
        fail(.tooShort(Int(clamping: bound)), pointer)
      }
      if let bound = keywords["maxLength"]?.double, Double(length) > bound {
        fail(.tooLong(Int(clamping: bound)), pointer)
      }
      if let pattern = keywords["pattern"]?.string { checkPattern(text, length, pattern, pointer) }
      if let format = keywords["format"]?.string, !SchemaFormat.matches(text, format: format) {
        fail(.format(format, value: text), pointer)
      }
    }

    private mutating func checkPattern(
      _ text: String, _ length: Int, _ pattern: String, _ pointer: String
    ) {
      let compiled: Result<Pattern, Pattern.Failure>
      if let known = patterns[pattern] {
        compiled = known
      } else {
        steps += pattern.utf8.count
        compiled = Result { () throws(Pattern.Failure) in try Pattern(pattern) }
        patterns[pattern] = compiled
      }
      switch compiled {
      case .failure(let failure):
        fail(.badSchema("the pattern \(pattern) cannot be used: \(failure)"), pointer)
      case .success(let expression):
        guard length <= Schema.maximumText else {
          return fail(.tooLong(Schema.maximumText), pointer)
        }
        steps += expression.size * length / 3
        guard steps < Schema.maximumSteps else { return fail(.tooDeep, pointer) }
        if !expression.matches(text) { fail(.pattern(pattern), pointer) }
      }
    }

    private mutating func checkArray(
      _ items: [JSONValue], _ keywords: JSONObject, _ pointer: String, _ depth: Int
    ) -> JSONValue {
      if let bound = keywords["minItems"]?.double, Double(items.count) < bound {
        fail(.tooFew(Int(clamping: bound)), pointer)
      }
      if let bound = keywords["maxItems"]?.double, Double(items.count) > bound {
        fail(.tooMany(Int(clamping: bound)), pointer)
      }
      if keywords["uniqueItems"]?.bool == true, Set(items).count < items.count {
        fail(.repeated, pointer)
      }
      guard let schema = keywords["items"] else { return .array(items) }
      return .array(
        items.enumerated().map {
          check($0.element, against: schema, pointer: "\(pointer)/\($0.offset)", depth: depth + 1)
        })
    }

    private mutating func checkObject(
      _ members: JSONObject, _ keywords: JSONObject, _ pointer: String,
      _ depth: Int
    ) -> JSONValue {
      var result = members
      let properties = keywords["properties"]?.object ?? [:]
      let others = keywords["additionalProperties"] ?? .bool(keywords["properties"] == nil)
      let required = keywords["required"]?.array ?? []
      for member in members.members {
        // Each property is looked up in both.
        steps += (properties.members.count + members.members.count) / 4
        guard steps < Schema.maximumSteps else {
          fail(.tooDeep, pointer)
          return .object(members)
        }
        let (key, value) = (member.name, member.value)
        let child = pointer + "/" + JSONPointer.escape(key)
        if let schema = properties[key] {
          result[key] = check(value, against: schema, pointer: child, depth: depth + 1)
        } else if others == .bool(false) {
          let known = properties.members.map(\.name)
          fail(
            .unknown(key, nearest: Identifier.nearest(to: key, among: known), known: known), child)
        } else {
          result[key] = check(value, against: others, pointer: child, depth: depth + 1)
        }
      }
      steps += (properties.members.count + required.count) * (members.members.count + 1) / 4
      guard steps < Schema.maximumSteps else {
        fail(.tooDeep, pointer)
        return .object(members)
      }
      for property in properties.members where result[property.name] == nil {
        if let value = property.value["default"] { result[property.name] = value }
      }
      for key in required.compactMap(\.string)
      where result[key] == nil {
        fail(.missing(key, description: properties[key]?["description"]?.string), pointer)
      }
      return .object(result)
    }

    private mutating func checkAlternatives(
      _ value: JSONValue, _ keywords: JSONObject, _ pointer: String, _ depth: Int
    ) -> JSONValue {
      for (keyword, exactlyOne) in [("anyOf", false), ("oneOf", true)] {
        guard let schemas = keywords[keyword]?.array else { continue }
        var fitting: [JSONValue] = []
        for schema in schemas {
          var trial = Run(root: root)
          trial.steps = steps
          trial.hidden = hidden
          trial.patterns = patterns
          let checked = trial.check(value, against: schema, pointer: pointer, depth: depth + 1)
          steps = trial.steps
          patterns = trial.patterns
          if trial.problems.isEmpty { fitting.append(checked) }
        }
        guard let first = fitting.first else {
          fail(.noAlternative, pointer)
          continue
        }
        if exactlyOne, fitting.count > 1 { fail(.severalAlternatives, pointer) }
        return first
      }
      return value
    }
  }
}

extension JSONValue {
  /// Equality in JSON, where 1 equals 1.0.
  fileprivate func equals(_ other: JSONValue) -> Bool {
    if let left = double, let right = other.double { return left == right }
    return self == other
  }
}

extension Int {
  fileprivate init(clamping value: Double) {
    self = Int(exactly: value.rounded()) ?? (value < 0 ? .min : .max)
  }
}
