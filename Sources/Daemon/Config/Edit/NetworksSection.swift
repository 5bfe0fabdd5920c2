// SPDX-License-Identifier: Apache-2.0
//
// NetworksSection: the lines of each network in a networks.yaml. Line numbers start at 0. Pure.

struct NetworksSection {
  /// Line of the key `networks`.
  var line: Int
  /// Line of the next top-level key, or the number of lines.
  var end: Int
  var members: [YAMLNode.Member]

  /// The line at which a new last network is inserted: lines indented at least as deep as the networks' names belong to
  /// them, others (a comment above the next key) do not.
  func endOfContent(_ lines: [String]) -> Int {
    guard let last = members.last else { return line + 1 }
    return contentEnd(
      from: last.keyMark.line - 1, before: end, indent: last.keyMark.column - 1, lines)
  }

  /// The lines of a network from its name to its last key, without blank lines and comments before the next network.
  func range(of index: Int, _ lines: [String]) -> Range<Int> {
    let member = members[index]
    let start = member.keyMark.line - 1
    let next = index + 1 < members.count ? members[index + 1].keyMark.line - 1 : end
    return start..<contentEnd(from: start, before: next, indent: member.keyMark.column, lines)
  }

  /// The first line of the comment about a network: directly above it with the same indentation. It ends at a blank line,
  /// and at a line that is a network or key commented out.
  func commentStart(of index: Int, _ lines: [String]) -> Int {
    let mark = members[index].keyMark
    var start = mark.line - 1
    while start - 1 > line, start - 1 < lines.count {
      let above = lines[start - 1]
      let text = above.drop { $0 == " " || $0 == "\t" }
      guard text.first == "#", above.utf8.count - text.utf8.count == mark.column - 1,
        !Self.isOutOfUse(text.dropFirst())
      else { break }
      start -= 1
    }
    return start
  }

  /// Whether a comment is a key commented out, as "mode: slirp".
  private static func isOutOfUse(_ comment: Substring) -> Bool {
    let words = comment.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == "\r" })
    guard let first = words.first, words.count <= 2 else { return false }
    return first.last == ":" && first.count > 1
  }

  private func contentEnd(from start: Int, before end: Int, indent: Int, _ lines: [String]) -> Int {
    var last = start
    for at in start..<max(start, min(end, lines.count)) {
      let text = lines[at].drop { $0 == " " || $0 == "\t" || $0 == "\r" }
      if text.isEmpty { continue }
      if text.first == "#", lines[at].prefix(while: { $0 == " " }).count < indent { continue }
      last = at
    }
    return last + 1
  }
}
