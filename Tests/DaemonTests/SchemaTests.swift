// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Daemon

@Suite("Option schemas", .timeLimit(.minutes(5)))
struct SchemaTests {
  static let schema = #"""
    {"type": "object",
     "properties": {
       "mtu": {"type": "integer", "minimum": 576, "maximum": 65520, "default": 1500, "description": "bytes"},
       "gateway": {"type": "string", "format": "ipv4"},
       "either": {"type": "string", "format": "ipv4-or-6"},
       "subnet": {"type": "string", "format": "cidr"},
       "mac": {"type": "string", "format": "mac"},
       "lease": {"type": "string", "format": "duration", "default": "24h"},
       "kind": {"enum": ["a", "b", 3]},
       "name": {"type": "string", "pattern": "^[a-z]+$", "minLength": 2, "maxLength": 4},
       "servers": {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": 2, "uniqueItems": true},
       "deep": {"type": "object", "properties": {"on": {"type": "boolean", "default": true}}},
       "free": {"type": "object", "additionalProperties": {"type": "integer"}},
       "number": {"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.5},
       "ref": {"$ref": "#/$defs/port"},
       "any": {"anyOf": [{"type": "integer"}, {"const": "auto"}]}
     },
     "$defs": {"port": {"type": "integer", "minimum": 1, "maximum": 65535}},
     "required": ["gateway"]}
    """#

  func check(_ json: String, _ schema: String = Self.schema) throws -> (
    value: JSONValue, problems: [String]
  ) {
    let schema = try #require(Schema(text: schema))
    let result = schema.check(try JSONValue(parsing: json))
    return (result.value, result.problems.map { "\($0.pointer): \($0.sentence)" })
  }

  @Test func `defaults are filled in, also inside`() throws {
    let result = try check(#"{"gateway": "10.0.0.1", "deep": {}}"#)
    #expect(result.problems.isEmpty)
    #expect(
      result.value == ["gateway": "10.0.0.1", "deep": ["on": true], "mtu": 1500, "lease": "24h"])
  }

  @Test(arguments: [
    (#"{}"#, ": `gateway` is missing: add it"),
    (#"{"gateway": "10.0.0.1", "mtuu": 1}"#, "/mtuu: unknown option: did you mean `mtu`?"),
    (#"{"gateway": "10.0.0.1", "mtu": 10}"#, "/mtu: must be at least 576"),
    (#"{"gateway": "10.0.0.1", "mtu": 70000}"#, "/mtu: must be at most 65520"),
    (
      #"{"gateway": "10.0.0.1", "mtu": "1500"}"#,
      "/mtu: must be integer, not string: write the number without quotes"
    ),
    (#"{"gateway": "10.0.0.1", "mtu": 1500.5}"#, "/mtu: must be integer, not number"),
    (#"{"gateway": 10}"#, "/gateway: must be string, not integer: put quotes around it"),
    (#"{"gateway": "10.0.0"}"#, "/gateway: `10.0.0` is no IPv4 address: write it as 192.168.5.2"),
    (
      #"{"gateway": "10.0.0.1", "either": "fd00::x"}"#,
      "/either: `fd00::x` is no IP address: write it as 192.168.5.2 or fd00::2"
    ),
    (
      #"{"gateway": "10.0.0.1", "subnet": "10.0.0.0/33"}"#,
      "/subnet: `10.0.0.0/33` is no subnet: write it as 192.168.5.0/24"
    ),
    (
      #"{"gateway": "10.0.0.1", "mac": "1:2:3:4:5:6"}"#,
      "/mac: `1:2:3:4:5:6` is no MAC address: write it as 52:55:55:12:34:56"
    ),
    (
      #"{"gateway": "10.0.0.1", "lease": "10"}"#,
      "/lease: `10` is no duration: write it as 500ms, 10s, 5m or 1h30m"
    ),
    (#"{"gateway": "10.0.0.1", "kind": "c"}"#, "/kind: must be one of a, b, 3"),
    (#"{"gateway": "10.0.0.1", "name": "ABC"}"#, "/name: does not match the pattern ^[a-z]+$"),
    (#"{"gateway": "10.0.0.1", "name": "a"}"#, "/name: must have at least 2 characters"),
    (#"{"gateway": "10.0.0.1", "name": "abcde"}"#, "/name: must have at most 4 characters"),
    (#"{"gateway": "10.0.0.1", "servers": ["a", ""]}"#, "/servers/1: must not be empty"),
    (
      #"{"gateway": "10.0.0.1", "servers": ["a", "b", "c"]}"#,
      "/servers: must have at most 2 members"
    ),
    (
      #"{"gateway": "10.0.0.1", "servers": ["a", "a"]}"#,
      "/servers: must not have the same member twice"
    ),
    (
      #"{"gateway": "10.0.0.1", "deep": {"on": "yes"}}"#,
      "/deep/on: must be a boolean: write true or false, not `yes`"
    ),
    (
      #"{"gateway": "10.0.0.1", "deep": {"off": true}}"#,
      "/deep/off: unknown option: there is on"
    ),
    (
      #"{"gateway": "10.0.0.1", "free": {"a/b": "x"}}"#,
      "/free/a~1b: must be integer, not string: write the number without quotes"
    ),
    (#"{"gateway": "10.0.0.1", "number": 0}"#, "/number: must be more than 0"),
    (#"{"gateway": "10.0.0.1", "number": 0.7}"#, "/number: must be a multiple of 0.5"),
    (#"{"gateway": "10.0.0.1", "ref": 0}"#, "/ref: must be at least 1"),
    (#"{"gateway": "10.0.0.1", "any": "x"}"#, "/any: fits none of the forms the schema allows"),
    (#"[]"#, ": must be object, not array"),
  ])
  func `a misfit is told by pointer and sentence`(json: String, problem: String) throws {
    #expect(try check(json).problems == [problem])
  }

  @Test func `good values of each format pass`() throws {
    let result = try check(
      #"""
      {"gateway": "10.0.0.1", "either": "fd00::2", "subnet": "fd00::/64", "mac": "52:55:55:12:34:5F",
       "lease": "1h30m", "kind": 3.0, "name": "abc", "free": {"x": 1}, "number": 1.5, "ref": 80, "any": "auto"}
      """#)
    #expect(result.problems.isEmpty)
  }

  @Test(arguments: [
    ##"{"$ref": "#"}"##, ##"{"$ref": "#/$defs/x"}"##, ##"{"type": 5}"##,
    ##"{"properties": {"a": 7}}"##,
    ##"{"properties": {"a": {"pattern": "("}}}"##, ##"{"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}"##,
  ])
  func `a wrong schema is a problem, never a crash`(text: String) throws {
    #expect(try !check(#"{"a": "x"}"#, text).problems.isEmpty)
  }

  @Test(arguments: ["^(a+)+$", "^(a|a)*$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(.*)*(.*)*(.*)*x$"])
  func `a plugin's pattern holds nothing up, whatever it is`(pattern: String) throws {
    let schema = #"{"properties": {"a": {"type": "string", "pattern": "\#(pattern)"}}}"#
    let text = String(repeating: "a", count: 1000) + "!"
    #expect(try check(#"{"a": "\#(text)"}"#, schema).problems.count == 1)
  }

  @Test func `a pattern that cannot be used is told with the reason`() throws {
    let schema = #"{"properties": {"a": {"pattern": "(a)\\1"}}}"#
    #expect(
      try check(#"{"a": "aa"}"#, schema).problems == [
        #"/a: cannot be checked, the plugin's schema is wrong: the pattern (a)\1 cannot be used: "#
          + "back-references are not taken (at character 5)"
      ])
  }

  @Test func `what is too large for its schema is a problem, found in bounded steps`() throws {
    let members = (0..<5000).map { #""unknown\#($0)": 1"# }.joined(separator: ",")
    let known = (0..<2000).map { #""option\#($0)": {"type": "string"}"# }.joined(separator: ",")
    let problems = try check("{\(members)}", #"{"properties": {\#(known)}}"#).problems
    #expect(
      problems.contains { $0.contains("too large for the plugin's schema") } || problems.count == 50
    )
    let items = Array(repeating: #""aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa""#, count: 5000)
    let list = #"{"l": [\#(items.joined(separator: ","))]}"#
    let schema = #"{"properties": {"l": {"items": {"pattern": "^(a?){200}$"}}}}"#
    let large = try check(list, schema).problems
    #expect(large.first?.contains("too large for the plugin's schema") == true)
  }

  @Test func `what stands in a schema many times over counts at each look`() throws {
    let items = Array(repeating: "1", count: 3000).joined(separator: ",")
    let notes = (0..<20_000).map { #""note\#($0)": 1"# }.joined(separator: ",")
    let types = Array(repeating: #""string""#, count: 20_000).joined(separator: ",")
    for schema in [
      #"{"properties": {"l": {"items": {\#(notes)}}}}"#,
      #"{"properties": {"l": {"items": {"type": [\#(types),"integer"]}}}}"#,
      ##"{"properties": {"l": {"items": {"$ref": "#/$defs/last"}}}, "$defs": {\##(notes), "last": {}}}"##,
    ] {
      let problems = try check(#"{"l": [\#(items)]}"#, schema).problems
      #expect(
        problems.contains {
          $0.contains("too large for the plugin's schema") || $0.contains("$ref")
        },
        "\(schema.prefix(60))")
    }
  }

  @Test func `a schema must be an object`() {
    #expect(Schema(text: "true") == nil)
    #expect(Schema(text: "{") == nil)
  }

  @Test func `durations are read to the nanosecond`() {
    #expect(DurationText.nanoseconds("500ms") == 500_000_000)
    #expect(DurationText.nanoseconds("1h30m") == 5_400_000_000_000)
    #expect(DurationText.nanoseconds("1.5s") == 1_500_000_000)
    for text in ["", "s", "10", "-1s", "1d", "1e9s", ".5s", "99999999999999h"] {
      #expect(DurationText.nanoseconds(text) == nil, "\(text)")
    }
  }
}
