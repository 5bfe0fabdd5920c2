// SPDX-License-Identifier: Apache-2.0
//
// OptionLines: what changes of a network's `options` are in the lines of networks.yaml: a block of one key a line, or
// braces on one line, whose values are single ones. Pure; NetworksText checks that the text means what was meant.

struct OptionLines {
  /// Lines to put others in the place of, which may be several; nil removes the line. Lines count from 0.
  private(set) var edits: [(line: Int, with: String?)] = []
  /// Lines behind the network's other ones.
  private(set) var added: [String] = []
  /// What `options` is by then; nil: there is none.
  private(set) var node: YAMLNode?

  private static let prefix = "options."

  /// "prefix6" of "options.prefix6"; nil: it is a key of the network itself.
  static func name(_ key: String) -> String? {
    key.hasPrefix(prefix) ? String(key.dropFirst(prefix.count)) : nil
  }

  /// Nil: lines cannot be edited so.
  /// - Parameters:
  ///   - member: `options`, where it is written.
  ///   - changes: by the options' names.
  ///   - indent: of the network's keys.
  init?(
    _ member: YAMLNode.Member?, _ changes: [NetworksText.Change], indent: Int, _ lines: [String]
  ) {
    node = member?.value
    guard let member else {
      added = Self.block(changes, indent: indent)
      if !added.isEmpty { node = Self.mapping(Self.changed([], changes)) }
      return
    }
    let line = member.keyMark.line - 1
    guard lines.indices.contains(line) else { return nil }
    if member.value.isNull {
      let block = Self.block(changes, indent: indent).dropFirst()
      guard !block.isEmpty else { return }
      edits = [
        (line, ([NetworksText.keyOnly(lines[line])] + block).joined(separator: "\n"))
      ]
      node = Self.mapping(Self.changed([], changes))
      return
    }
    guard case .mapping(let members) = member.value.content else { return nil }
    let isBlock = members.first.map { $0.keyMark.line > member.keyMark.line } ?? false
    // New ones stand directly below `options:` in a block.
    let after = Self.changed(members, changes, inFront: isBlock)
    if let first = members.first, isBlock {
      editBlock(line, members, first.keyMark.column - 1, changes, lines)
      node = Self.mapping(after)
      guard after.isEmpty else { return }
      edits.append((line, nil))
      node = nil
    } else {
      guard let text = Self.braces(after, in: lines[line]) else { return nil }
      edits = [(line, text)]
      node = Self.mapping(after)
    }
  }

  private mutating func editBlock(
    _ line: Int, _ members: [YAMLNode.Member], _ indent: Int, _ changes: [NetworksText.Change],
    _ lines: [String]
  ) {
    var new: [String] = []
    for (key, value) in changes {
      if let there = members.first(where: { $0.key == key }) {
        let at = there.keyMark.line - 1
        edits.append((at, value.map { NetworksText.replacing(lines[at], key: key, value: $0) }))
      } else if let value {
        new.append(NetworksText.written(key, value, indent: indent))
      }
    }
    if !new.isEmpty { edits.append((line, ([lines[line]] + new).joined(separator: "\n"))) }
  }

  /// `options: {mtu: 9000} # comment` with other members; nil: the braces do not end there, or have more than single values.
  private static func braces(_ members: [YAMLNode.Member], in line: String) -> String? {
    guard let colon = line.firstIndex(of: ":") else { return nil }
    let rest = line[line.index(after: colon)...]
    let comment = NetworksText.comment(of: rest)
    let value = rest.dropLast(comment.count).filter { $0 != " " && $0 != "\t" && $0 != "\r" }
    guard value.first == "{", value.last == "}" else { return nil }
    var words: [String] = []
    for member in members {
      guard case .scalar(let text, let plain) = member.value.content else { return nil }
      words.append("\(member.key): \(plain ? text : quoted(text))")
    }
    return "\(line[...colon]) {\(words.joined(separator: ", "))}\(comment)"
  }

  /// Also what could stand without quotes: `8` and `"8"` are not the same.
  private static func quoted(_ text: String) -> String {
    YAMLText.isPlain(text) ? "\"\(text)\"" : YAMLText.scalar(text)
  }

  /// `options:` and the keys below it; none where nothing is set.
  static func block(_ changes: [NetworksText.Change], indent: Int) -> [String] {
    let set = changes.compactMap { key, value in
      value.map { NetworksText.written(key, $0, indent: indent + 2) }
    }
    return set.isEmpty ? [] : [String(repeating: " ", count: indent) + "options:"] + set
  }

  private static func changed(
    _ members: [YAMLNode.Member], _ changes: [NetworksText.Change], inFront: Bool = false
  ) -> [YAMLNode.Member] {
    var members = members
    var new: [YAMLNode.Member] = []
    for (key, value) in changes {
      let at = members.firstIndex { $0.key == key }
      switch (at, value) {
      case (let at?, let value?): members[at].value = NetworksText.scalar(value)
      case (let at?, nil): members.remove(at: at)
      case (nil, let value?):
        new.append(
          YAMLNode.Member(
            key: key, keyMark: Mark(line: 1, column: 1), value: NetworksText.scalar(value)))
      case (nil, nil): break
      }
    }
    return inFront ? new + members : members + new
  }

  static func mapping(_ members: [YAMLNode.Member]) -> YAMLNode {
    YAMLNode(content: .mapping(members), mark: Mark(line: 1, column: 1))
  }
}
