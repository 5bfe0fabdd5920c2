// SPDX-License-Identifier: Apache-2.0
//
// Converts YAML to JSON by the core schema of YAML 1.2: plain `true`, `8`, `0x10`, `1.5` and `null` have their types, other
// scalars are strings; also `.inf` and `.nan`, which JSON does not have.

extension YAMLNode {
  var jsonValue: JSONValue {
    switch content {
    case .scalar(let text, let plain):
      return plain ? Self.plainValue(text, isNull: isNull) : .string(text)
    case .sequence(let items):
      return .array(items.map(\.jsonValue))
    case .mapping(let members):
      return .object(JSONObject(members.lazy.map { ($0.key, $0.value.jsonValue) }))
    }
  }

  private static func plainValue(_ text: String, isNull: Bool) -> JSONValue {
    if isNull { return .null }
    switch text {
    case "true", "True", "TRUE": return .bool(true)
    case "false", "False", "FALSE": return .bool(false)
    default: break
    }
    guard let first = text.utf8.first, "+-.0123456789".utf8.contains(first) else {
      return .string(text)
    }
    if text.hasPrefix("0x"), let value = Int64(text.dropFirst(2), radix: 16) {
      return .integer(value)
    }
    if text.hasPrefix("0o"), let value = Int64(text.dropFirst(2), radix: 8) {
      return .integer(value)
    }
    if let value = Int64(text) { return .integer(value) }
    // Double also parses hexadecimal floats and "inf", which YAML's core schema does not have.
    let numeric = text.utf8.allSatisfy { "+-.0123456789eE".utf8.contains($0) }
    if numeric, let value = Double(text), value.isFinite { return .double(value) }
    return .string(text)
  }

  /// The pointer for the mark of a key, beside that of its value. "~key" is invalid in a JSON pointer, so that it is
  /// unique.
  static func keyPointer(_ pointer: String) -> String { pointer + "~key" }

  /// Adds the marks of this node and its descendants, by JSON pointer (RFC 6901).
  func collectMarks(pointer: String, into marks: inout [String: Mark]) {
    marks[pointer] = mark
    switch content {
    case .scalar:
      break
    case .sequence(let items):
      for (index, item) in items.enumerated() {
        item.collectMarks(pointer: "\(pointer)/\(index)", into: &marks)
      }
    case .mapping(let members):
      for member in members {
        let child = pointer + "/" + JSONPointer.escape(member.key)
        member.value.collectMarks(pointer: child, into: &marks)
        marks[Self.keyPointer(child)] = member.keyMark
      }
    }
  }
}

/// JSON pointers (RFC 6901 §3).
package enum JSONPointer {
  package static func escape(_ key: String) -> String {
    var result = ""
    for character in key {
      switch character {
      case "~": result += "~0"
      case "/": result += "~1"
      default: result.append(character)
      }
    }
    return result
  }

  /// The unescaped keys of a pointer, for messages: ["options", "mtu"].
  package static func keys(_ pointer: String) -> [String] {
    pointer.split(separator: "/").map { key in
      var result = ""
      var escaped = false
      for character in key {
        if escaped {
          result.append(character == "1" ? "/" : "~")
          escaped = false
        } else if character == "~" {
          escaped = true
        } else {
          result.append(character)
        }
      }
      return result
    }
  }
}
