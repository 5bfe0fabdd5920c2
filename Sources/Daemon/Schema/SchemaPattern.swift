// SPDX-License-Identifier: Apache-2.0
//
// SchemaPattern: the keyword `pattern`. Pattern and text are kept short, because matching goes back and forth and both
// come from files.

enum SchemaPattern {
  private static let maximumPattern = 256
  private static let maximumText = 1024

  /// Whether the pattern is found somewhere in the text; nil when it is no pattern.
  static func matches(_ text: String, pattern: String) -> Bool? {
    guard pattern.utf8.count <= maximumPattern, let regex = try? Regex(pattern) else { return nil }
    guard text.utf8.count <= maximumText else { return false }
    return text.firstMatch(of: regex) != nil
  }
}
