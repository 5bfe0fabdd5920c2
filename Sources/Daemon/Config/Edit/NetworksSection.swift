// SPDX-License-Identifier: Apache-2.0
//
// NetworksSection: which lines of a networks.yaml belong to which network. Lines count from 0. Pure.

struct NetworksSection {
  /// Of the key `networks`.
  var line: Int
  /// The line of the next key at the top, or the number of lines.
  var end: Int
  var members: [YAMLNode.Member]

  /// Where a network behind the last one begins: what is indented as deep as the networks' names belongs to them, what
  /// is less (a comment above the next key) does not.
  func endOfContent(_ lines: [String]) -> Int {
    guard let last = members.last else { return line + 1 }
    return contentEnd(
      from: last.keyMark.line - 1, before: end, indent: last.keyMark.column - 1, lines)
  }

  /// The lines of a network from its name to its last key; blank lines and comments before the next one stay.
  func range(of index: Int, _ lines: [String]) -> Range<Int> {
    let member = members[index]
    let start = member.keyMark.line - 1
    let next = index + 1 < members.count ? members[index + 1].keyMark.line - 1 : end
    return start..<contentEnd(from: start, before: next, indent: member.keyMark.column, lines)
  }

  /// The first line of the comment that is about a network: directly above it, as deep as its name. A blank line ends it,
  /// and so does a line that is a network or key put out of use.
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

  /// "mode: slirp" behind a "#".
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
