// SPDX-License-Identifier: Apache-2.0
//
// LimaTemplate: the `{{.Name}}` of socket paths in a lima.yaml. Only fields; what is not known stays as it is, and the
// path is then refused for not being one.

enum LimaTemplate {
  /// - Parameter values: by field, as "Home" and "Param.key".
  static func expand(_ text: String, _ values: [String: String]) -> String {
    var result = ""
    var rest = text[...]
    while let open = rest.firstRange(of: "{{"),
      let close = rest[open.upperBound...].firstRange(of: "}}")
    {
      let inside = rest[open.upperBound..<close.lowerBound].filter { !$0.isWhitespace }
      result += rest[..<open.lowerBound]
      if inside.hasPrefix("."), let value = values[String(inside.dropFirst())] {
        result += value
      } else {
        result += rest[open.lowerBound..<close.upperBound]
      }
      rest = rest[close.upperBound...]
    }
    return result + rest
  }
}
