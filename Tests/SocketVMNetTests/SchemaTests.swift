// SPDX-License-Identifier: Apache-2.0
//
// The options as programs and people are told of them: the plugins' schemas, schema.json, and the table of the README.

import LibC
import LimaNetdSDK
import Testing

@testable import SocketVMNetCore

@Suite(.timeLimit(.minutes(1))) struct SchemaTests {
  private static let schemas = [
    "shared": SharedNetwork.sharedSchema, "host": SharedNetwork.hostSchema,
    "bridged": BridgedNetwork.schema,
  ]

  private static func text(_ name: String) throws -> String {
    let root = #filePath.replacing("Tests/SocketVMNetTests/SchemaTests.swift", with: "")
    let file = try #require(fopen(root + "Plugins/socketvmnet/" + name, "r"))
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 17)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes.prefix(count), as: UTF8.self)
  }

  @Test func `schema.json has the schema of each mode, as the plugins have it`() throws {
    let file = try JSONValue(parsing: Self.text("schema.json"))
    let definitions = try #require(file["$defs"]?.object)
    #expect(Set(definitions.members.map(\.name)) == Set(Self.schemas.keys))
    for (mode, schema) in Self.schemas {
      var own = try #require(try JSONValue(parsing: schema).object)
      own["$schema"] = nil
      #expect(definitions[mode] == .object(own), "\(mode)")
    }
  }

  /// "tcp.maxConnections" and the like, with their schemas.
  private static func options(_ schema: JSONValue, _ prefix: String = "") -> [(String, JSONValue)] {
    (schema["properties"]?.object?.members ?? []).flatMap { member in
      member.value["properties"] == nil
        ? [(prefix + member.name, member.value)]
        : options(member.value, prefix + member.name + ".")
    }
  }

  @Test func `the README has a row for each option, with its default and bounds`() throws {
    let rows = try Self.text("README.md").split(separator: "\n").filter { $0.hasPrefix("| `") }
    for (mode, text) in Self.schemas {
      for (name, schema) in Self.options(try JSONValue(parsing: text)) {
        let row = try #require(rows.first { $0.hasPrefix("| `\(name)` |") }, "\(name)")
        let columns = row.split(separator: "|").map { $0.trimmed }
        #expect(columns[1] == "all" || columns[1].contains(mode), "\(row)")
        for key in ["default", "minimum", "maximum"] {
          let value = schema[key]
          // What no longer is a number people think of.
          if value == .integer(Int64(UInt32.max)) { continue }
          let word = value?.string ?? value.map(\.text)
          if let word { #expect(row.contains(word), "\(name): \(key) \(word): \(row)") }
        }
      }
    }
  }
}

extension Substring {
  fileprivate var trimmed: String {
    var text = self
    while text.first == " " { text.removeFirst() }
    while text.last == " " { text.removeLast() }
    return String(text)
  }
}
