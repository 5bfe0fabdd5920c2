// SPDX-License-Identifier: Apache-2.0
//
// Paragraph: text from plugins, guests and files for a terminal: without control characters, and wrapped.

enum Paragraph {
  /// The width of the smallest usual terminals.
  static let width = 80

  /// Control characters, which could move the cursor or hide a line, become "?"; line ends and tabs become spaces.
  static func printable(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    return String(
      String.UnicodeScalarView(
        text.unicodeScalars.map { scalar in
          guard isControl(scalar) else { return scalar }
          return scalar == "\n" || scalar == "\t" ? " " : "?"
        }))
  }

  /// The same for text of several lines: line ends and tabs stay.
  static func printableLines(_ text: String) -> String {
    // The common case needs no further check.
    guard text.utf8.contains(where: { ($0 < 0x20 && $0 != 0x0a && $0 != 0x09) || $0 >= 0x7f })
    else { return text }
    return String(
      String.UnicodeScalarView(
        text.unicodeScalars.map { scalar in
          scalar != "\n" && scalar != "\t" && isControl(scalar) ? "?" : scalar
        }))
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    // Of the format characters those that change the text's direction (UAX 9).
    case .control, .lineSeparator, .paragraphSeparator: true
    case .format:
      (0x202A...0x202E).contains(scalar.value) || (0x2066...0x2069).contains(scalar.value)
    default: false
    }
  }

  /// Lines of at most `width` characters, each behind `indent` spaces; a word that is longer stands alone.
  /// - Parameters:
  ///   - first: what the first line begins with, instead of the indent.
  ///   - width: nil: all is one line.
  static func lines(
    _ text: String, first: String? = nil, indent: Int, width: Int? = Self.width
  ) -> [String] {
    let margin = String(repeating: " ", count: indent)
    guard let width else { return [(first ?? margin) + printable(text)] }
    var lines: [String] = []
    var line = first ?? margin
    var isEmpty = true
    for word in printable(text).split(separator: " ") {
      if !isEmpty, line.count + 1 + word.count > width {
        lines.append(line)
        line = margin
        isEmpty = true
      }
      line += isEmpty ? String(word) : " " + word
      isEmpty = false
    }
    lines.append(line)
    return lines
  }
}
