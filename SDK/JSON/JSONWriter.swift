// SPDX-License-Identifier: Apache-2.0
//
// Writes a JSONValue as text: compact, or indented for readers.

extension JSONValue {
  /// The value as compact JSON.
  public var bytes: [UInt8] {
    var output: [UInt8] = []
    write(to: &output, indentation: nil)
    return output
  }

  public var text: String { String(decoding: bytes, as: UTF8.self) }

  /// Indented by two spaces per level.
  public var prettyText: String {
    var output: [UInt8] = []
    write(to: &output, indentation: 0)
    return String(decoding: output, as: UTF8.self)
  }

  private func write(to output: inout [UInt8], indentation: Int?) {
    switch self {
    case .null: output += "null".utf8
    case .bool(let value): output += (value ? "true" : "false").utf8
    case .integer(let value): output += String(value).utf8
    case .unsigned(let value): output += String(value).utf8
    // JSON has no NaN and no infinities.
    case .double(let value): output += (value.isFinite ? String(value) : "null").utf8
    case .string(let value): Self.write(value, to: &output)
    case .array(let elements):
      Self.list(elements, "[", "]", &output, indentation) { element, output, inner in
        element.write(to: &output, indentation: inner)
      }
    case .object(let object):
      Self.list(object.members, "{", "}", &output, indentation) { member, output, inner in
        Self.write(member.name, to: &output)
        output += (inner == nil ? ":" : ": ").utf8
        member.value.write(to: &output, indentation: inner)
      }
    }
  }

  private static func list<Element>(
    _ elements: [Element], _ open: String, _ close: String, _ output: inout [UInt8],
    _ indentation: Int?, _ write: (Element, inout [UInt8], Int?) -> Void
  ) {
    output += open.utf8
    let inner = indentation.map { $0 + 2 }
    for (index, element) in elements.enumerated() {
      if index > 0 { output.append(UInt8(ascii: ",")) }
      newLine(&output, inner)
      write(element, &output, inner)
    }
    if !elements.isEmpty { newLine(&output, indentation) }
    output += close.utf8
  }

  private static func newLine(_ output: inout [UInt8], _ indentation: Int?) {
    guard let indentation else { return }
    output.append(0x0a)
    output += repeatElement(0x20, count: indentation)
  }

  /// Appends a string in quotation marks, for writing a long text in pieces.
  public static func write(_ string: String, to output: inout [UInt8]) {
    output.append(UInt8(ascii: "\""))
    for byte in string.utf8 {
      switch byte {
      case UInt8(ascii: "\""): output += #"\""#.utf8
      case UInt8(ascii: "\\"): output += #"\\"#.utf8
      case 0x0a: output += #"\n"#.utf8
      case 0x0d: output += #"\r"#.utf8
      case 0x09: output += #"\t"#.utf8
      case 0..<0x20, 0x7f:
        let digits = String(byte, radix: 16)
        output += (#"\u"# + String(repeating: "0", count: 4 - digits.count) + digits).utf8
      default: output.append(byte)
      }
    }
    output.append(UInt8(ascii: "\""))
  }
}
