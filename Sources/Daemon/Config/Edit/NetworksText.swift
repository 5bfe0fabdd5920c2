// SPDX-License-Identifier: Apache-2.0
//
// NetworksText: adds, changes and removes networks in the text of a networks.yaml line by line, so that comments, order and
// spelling of the rest are kept. Supports block style as written by Lima (one key per line); flow style is refused, with
// instructions for a manual edit.
//
// Invariant: an edit succeeds only if the new text means the same as the old one with that change, which is checked by
// parsing both. Pure.

/// Why an edit is refused.
package enum NetworksEditError: Error, Hashable, Sendable {
  /// The text before the edit is invalid YAML, or `networks` is no mapping.
  case unreadable(YAMLError)
  case exists(String)
  case unknown(String, nearest: String?)
  /// Flow style, aliases or several keys in a line, which editing by lines does not support.
  case byHand(key: String, line: Int)
}

package struct NetworksText {
  /// A key with its value, as it is written; nil removes the key. "options.NAME" is one of the network's options.
  package typealias Change = (key: String, value: String?)

  private var lines: [String]
  private let endsWithNewline: Bool

  package init(_ text: String) {
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    endsWithNewline = lines.last == ""
    if endsWithNewline { lines.removeLast() }
    self.lines = lines
  }

  package var text: String {
    lines.joined(separator: "\n") + (endsWithNewline || !lines.isEmpty ? "\n" : "")
  }

  /// The names of the networks, in the order of the file.
  package func names() throws(NetworksEditError) -> [String] {
    try networks()?.members.map(\.key) ?? []
  }

  // MARK: Edits

  /// Adds a network after the others.
  package mutating func add(_ name: String, _ entry: [(key: String, value: String)])
    throws(NetworksEditError)
  {
    let before = try tree()
    guard let section = try networks() else {
      var new = self
      if !(new.lines.last ?? "").isEmpty { new.lines.append("") }
      new.lines.append("networks:")
      new.lines += Self.written(name, entry, indent: 2)
      return try accept(new, before, expecting: (name, Self.node(entry)), line: 1)
    }
    guard !section.members.contains(where: { $0.key == name }) else { throw .exists(name) }
    var new = self
    if section.members.isEmpty {
      // `networks:`, `networks: {}` or `networks: null`.
      new.lines[section.line] = Self.keyOnly(lines[section.line])
      new.lines.insert(contentsOf: Self.written(name, entry, indent: 2), at: section.line + 1)
    } else {
      let indent = section.members[0].keyMark.column - 1
      new.lines.insert(
        contentsOf: Self.written(name, entry, indent: indent), at: section.endOfContent(lines))
    }
    try accept(new, before, expecting: (name, Self.node(entry)), line: section.line + 1)
  }

  /// Removes a network with the comment directly above it; all other comments stay.
  package mutating func remove(_ name: String) throws(NetworksEditError) {
    let before = try tree()
    let (section, index) = try find(name)
    var new = self
    let range = section.range(of: index, lines)
    new.lines.removeSubrange(section.commentStart(of: index, lines)..<range.upperBound)
    try accept(new, before, expecting: (name, nil), line: section.members[index].keyMark.line)
  }

  /// Sets and removes keys of a network.
  package mutating func change(_ name: String, _ changes: [Change]) throws(NetworksEditError) {
    let before = try tree()
    let (section, index) = try find(name)
    let entry = section.members[index]
    let line = entry.keyMark.line
    guard case .mapping(var members) = entry.value.content, let first = members.first,
      first.keyMark.line > line
    else { throw .byHand(key: "networks.\(name)", line: line) }
    let indent = first.keyMark.column - 1
    var new = self
    var added: [String] = []
    // From the last line to the first, so that line numbers stay valid.
    var edits: [(line: Int, with: String?)] = []
    for (key, value) in changes where OptionLines.name(key) == nil {
      if let at = members.firstIndex(where: { $0.key == key }) {
        let member = members[at]
        let place = member.keyMark.line - 1
        edits.append((place, value.map { Self.replacing(lines[place], key: key, value: $0) }))
        if let value {
          members[at].value = Self.scalar(value)
        } else {
          members.remove(at: at)
        }
      } else if let value {
        added.append(Self.written(key, value, indent: indent))
        members.append(YAMLNode.Member(key: key, keyMark: first.keyMark, value: Self.scalar(value)))
      }
    }
    let options = changes.compactMap { change in
      OptionLines.name(change.key).map { (key: $0, value: change.value) }
    }
    if !options.isEmpty {
      let at = members.firstIndex { $0.key == "options" }
      guard let lines = OptionLines(at.map { members[$0] }, options, indent: indent, lines) else {
        throw .byHand(key: "networks.\(name).options", line: line)
      }
      edits += lines.edits
      added += lines.added
      switch (at, lines.node) {
      case (let at?, let node?): members[at].value = node
      case (let at?, nil): members.remove(at: at)
      case (nil, let node?):
        members.append(YAMLNode.Member(key: "options", keyMark: first.keyMark, value: node))
      case (nil, nil): break
      }
    }
    let end = section.range(of: index, lines).upperBound
    new.lines.insert(contentsOf: added, at: end)
    for edit in edits.sorted(by: { $0.line > $1.line }) {
      if let text = edit.with {
        new.lines[edit.line] = text
      } else {
        new.lines.remove(at: edit.line)
      }
    }
    // What stands for one line may be several.
    new = NetworksText(new.text)
    try accept(
      new, before, expecting: (name, YAMLNode(content: .mapping(members), mark: first.keyMark)),
      line: line)
  }

  // MARK: The tree

  private func tree() throws(NetworksEditError) -> YAMLNode? {
    do throws(YAMLError) {
      return try YAMLReader.read(Array(text.utf8))
    } catch {
      throw .unreadable(error)
    }
  }

  private func networks() throws(NetworksEditError) -> NetworksSection? {
    guard let root = try tree(), !root.isNull else { return nil }
    guard case .mapping(let top) = root.content else {
      throw .byHand(key: "networks", line: root.mark.line)
    }
    guard let at = top.firstIndex(where: { $0.key == "networks" }) else {
      // A document in flow style cannot get an additional line.
      if let first = top.first, first.keyMark.column != 1 {
        throw .byHand(key: "networks", line: first.keyMark.line)
      }
      return nil
    }
    let next = top.dropFirst(at + 1).map { $0.keyMark.line - 1 }.min() ?? lines.count
    var members: [YAMLNode.Member] = []
    if case .mapping(let found) = top[at].value.content {
      members = found
    } else if !top[at].value.isNull {
      throw .byHand(key: "networks", line: top[at].keyMark.line)
    }
    return NetworksSection(line: top[at].keyMark.line - 1, end: next, members: members)
  }

  private func find(_ name: String) throws(NetworksEditError) -> (NetworksSection, Int) {
    let section = try networks()
    guard let section, let index = section.members.firstIndex(where: { $0.key == name }) else {
      let known = section?.members.map(\.key) ?? []
      throw .unknown(name, nearest: Identifier.nearest(to: name, among: known))
    }
    return (section, index)
  }

  /// Accepts `new` if it means `before` with `networks.NAME` as expected; otherwise throws.
  private mutating func accept(
    _ new: NetworksText, _ before: YAMLNode?, expecting: (name: String, node: YAMLNode?), line: Int
  ) throws(NetworksEditError) {
    let refusal = NetworksEditError.byHand(key: "networks.\(expecting.name)", line: line)
    let after: YAMLNode?
    do throws(NetworksEditError) { after = try new.tree() } catch { throw refusal }
    let expected = NetworksMeaning(before).setting(expecting.name, to: expecting.node)
    guard NetworksMeaning(after) == expected else { throw refusal }
    self = new
  }

  // MARK: Lines

  private static func written(_ name: String, _ entry: [(key: String, value: String)], indent: Int)
    -> [String]
  {
    let (own, options) = parted(entry)
    return [String(repeating: " ", count: indent) + "\(YAMLText.scalar(name)):"]
      + own.map { written($0.key, $0.value, indent: indent + 2) }
      + OptionLines.block(options.map { ($0.key, $0.value) }, indent: indent + 2)
  }

  /// The network's keys, and its options by their names.
  private static func parted(_ entry: [(key: String, value: String)]) -> (
    own: [(key: String, value: String)], options: [(key: String, value: String)]
  ) {
    (
      entry.filter { OptionLines.name($0.key) == nil },
      entry.compactMap { one in OptionLines.name(one.key).map { ($0, one.value) } }
    )
  }

  static func written(_ key: String, _ value: String, indent: Int) -> String {
    String(repeating: " ", count: indent) + "\(key): \(YAMLText.scalar(value))"
  }

  private static func node(_ entry: [(key: String, value: String)]) -> YAMLNode {
    let mark = Mark(line: 1, column: 1)
    let (own, options) = parted(entry)
    func members(_ part: [(key: String, value: String)]) -> [YAMLNode.Member] {
      part.map { YAMLNode.Member(key: $0.key, keyMark: mark, value: scalar($0.value)) }
    }
    let nested =
      options.isEmpty
      ? []
      : [
        YAMLNode.Member(
          key: "options", keyMark: mark, value: OptionLines.mapping(members(options)))
      ]
    return OptionLines.mapping(members(own) + nested)
  }

  static func scalar(_ value: String) -> YAMLNode {
    YAMLNode(
      content: .scalar(text: value, plain: YAMLText.isPlain(value)), mark: Mark(line: 1, column: 1))
  }

  /// `networks: {}  # comment` without its value.
  static func keyOnly(_ line: String) -> String {
    guard let colon = line.firstIndex(of: ":") else { return line }
    return String(line[...colon]) + comment(of: line[line.index(after: colon)...])
  }

  /// The same key and comment with another value.
  static func replacing(_ line: String, key: String, value: String) -> String {
    guard let colon = line.firstIndex(of: ":") else { return line }
    return "\(line[...colon]) \(YAMLText.scalar(value))"
      + comment(of: line[line.index(after: colon)...])
  }

  /// The comment behind a value, with the blanks before it.
  static func comment(of rest: Substring) -> String {
    var quote: Character?
    var before: Character = " "
    var at = rest.startIndex
    while at < rest.endIndex {
      let character = rest[at]
      if let open = quote {
        if character == open { quote = nil }
      } else if character == "\"" || character == "'" {
        quote = character
      } else if character == "#", before == " " || before == "\t" {
        var start = at
        while start > rest.startIndex, " \t".contains(rest[rest.index(before: start)]) {
          start = rest.index(before: start)
        }
        return String(rest[start...])
      }
      before = character
      at = rest.index(after: at)
    }
    return ""
  }
}
