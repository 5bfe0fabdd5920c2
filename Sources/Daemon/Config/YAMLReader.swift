// SPDX-License-Identifier: Apache-2.0
//
// YAMLReader: parses bytes to a YAMLNode by libyaml's event parser. The only file that accesses libyaml's memory. The text
// is UTF-8 or, with a byte order mark, UTF-16. The file is not trusted: size, depth and number of nodes are limited, and an
// alias counts as often as its target ("billion laughs"). Mapping keys must be scalars, and unique.

import CYaml

package struct YAMLLimits: Sendable {
  package var bytes = 1 << 20
  package var depth = 32
  package var nodes = 20_000

  package init() {}
}

/// Why a text cannot be parsed. `mark` nil: it concerns the whole file.
package struct YAMLError: Error, Hashable {
  package enum Problem: Hashable, Sendable {
    case tooLarge(bytes: Int, limit: Int)
    case tooDeep(limit: Int)
    case tooManyNodes(limit: Int)
    case syntax(String, context: String?)
    case duplicateKey(String, first: Mark)
    case complexKey
    case undefinedAlias(String)
    case severalDocuments
    case tag(String)
    case outOfMemory
    /// UTF-16 without a byte order mark.
    case encoding
  }

  package var problem: Problem
  package var mark: Mark?
}

package struct YAMLReader {
  private let limits: YAMLLimits
  private var nodes = 0
  private var anchors: [String: (node: YAMLNode, count: Int, height: Int)] = [:]

  /// The document in `bytes`; nil if there is none (an empty file, or comments only).
  package static func read(
    _ bytes: [UInt8], limits: YAMLLimits = YAMLLimits()
  ) throws(YAMLError) -> YAMLNode? {
    guard bytes.count <= limits.bytes else {
      throw YAMLError(problem: .tooLarge(bytes: bytes.count, limit: limits.bytes), mark: nil)
    }
    var reader = YAMLReader(limits: limits)
    return try reader.readDocument(bytes)
  }

  private init(limits: YAMLLimits) {
    self.limits = limits
  }

  private mutating func readDocument(_ bytes: [UInt8]) throws(YAMLError) -> YAMLNode? {
    let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
    defer { parser.deallocate() }
    guard yaml_parser_initialize(parser) == 1 else {
      throw YAMLError(problem: .outOfMemory, mark: nil)
    }
    defer { yaml_parser_delete(parser) }
    // libyaml keeps the pointer until yaml_parser_delete, so the bytes are copied.
    let input = UnsafeMutablePointer<UInt8>.allocate(capacity: max(bytes.count, 1))
    defer { input.deallocate() }
    input.initialize(repeating: 0, count: max(bytes.count, 1))
    for (index, byte) in bytes.enumerated() { input[index] = byte }
    yaml_parser_set_input_string(parser, input, bytes.count)
    // libyaml detects the encoding: UTF-8 or UTF-16 by the byte order mark, else UTF-8 (YAML 1.2 §5.2).
    if Self.isBareUTF16(bytes) {
      throw YAMLError(problem: .encoding, mark: Mark(line: 1, column: 1))
    }

    var root: YAMLNode?
    while true {
      let event = try Event.next(parser, bytes)
      switch event.kind {
      case .streamStart, .documentEnd: continue
      case .documentStart:
        guard root == nil else { throw YAMLError(problem: .severalDocuments, mark: event.mark) }
        root = try node(from: Event.next(parser, bytes), parser, bytes, depth: 1)
      case .streamEnd: return root
      default:
        throw YAMLError(problem: .syntax("unexpected content", context: nil), mark: event.mark)
      }
    }
  }

  /// ASCII in UTF-16 without a byte order mark, which would otherwise be reported as control characters.
  private static func isBareUTF16(_ bytes: [UInt8]) -> Bool {
    guard bytes.count >= 4, bytes.count.isMultiple(of: 2) else { return false }
    let zeros = bytes.prefix(4).map { $0 == 0 }
    return zeros == [false, true, false, true] || zeros == [true, false, true, false]
  }

  private mutating func node(
    from event: Event, _ parser: UnsafeMutablePointer<yaml_parser_t>, _ bytes: [UInt8], depth: Int
  ) throws(YAMLError) -> YAMLNode {
    guard depth <= limits.depth else {
      throw YAMLError(problem: .tooDeep(limit: limits.depth), mark: event.mark)
    }
    let before = nodes
    try count(1, event.mark)
    let content: YAMLNode.Content
    switch event.kind {
    case .alias(let name):
      guard let target = anchors[name] else {
        throw YAMLError(problem: .undefinedAlias(name), mark: event.mark)
      }
      try count(target.count, event.mark)
      guard depth + target.height - 1 <= limits.depth else {
        throw YAMLError(problem: .tooDeep(limit: limits.depth), mark: event.mark)
      }
      return YAMLNode(content: target.node.content, mark: event.mark)
    case .scalar(let text, let plain):
      content = .scalar(text: text, plain: plain)
    case .sequenceStart:
      var items: [YAMLNode] = []
      while true {
        let next = try Event.next(parser, bytes)
        if case .sequenceEnd = next.kind { break }
        items.append(try node(from: next, parser, bytes, depth: depth + 1))
      }
      content = .sequence(items)
    case .mappingStart:
      content = .mapping(try members(parser, bytes, depth: depth + 1))
    default:
      throw YAMLError(problem: .syntax("unexpected content", context: nil), mark: event.mark)
    }
    let node = YAMLNode(content: content, mark: event.mark)
    if let anchor = event.anchor { anchors[anchor] = (node, nodes - before, node.height) }
    return node
  }

  private mutating func members(
    _ parser: UnsafeMutablePointer<yaml_parser_t>, _ bytes: [UInt8], depth: Int
  ) throws(YAMLError) -> [YAMLNode.Member] {
    var members: [YAMLNode.Member] = []
    var seen: [String: Mark] = [:]
    while true {
      let keyEvent = try Event.next(parser, bytes)
      if case .mappingEnd = keyEvent.kind { return members }
      let key = try node(from: keyEvent, parser, bytes, depth: depth)
      guard case .scalar(let text, _) = key.content else {
        throw YAMLError(problem: .complexKey, mark: key.mark)
      }
      if let first = seen.updateValue(key.mark, forKey: text) {
        throw YAMLError(problem: .duplicateKey(text, first: first), mark: key.mark)
      }
      let value = try node(from: Event.next(parser, bytes), parser, bytes, depth: depth)
      members.append(YAMLNode.Member(key: text, keyMark: key.mark, value: value))
    }
  }

  private mutating func count(_ more: Int, _ mark: Mark) throws(YAMLError) {
    nodes += more
    guard nodes <= limits.nodes else {
      throw YAMLError(problem: .tooManyNodes(limit: limits.nodes), mark: mark)
    }
  }
}

/// A copy of a libyaml event.
private struct Event {
  enum Kind {
    case streamStart, streamEnd, documentStart, documentEnd
    case alias(String)
    case scalar(String, plain: Bool)
    case sequenceStart, sequenceEnd, mappingStart, mappingEnd
  }

  var kind: Kind
  var anchor: String?
  var mark: Mark

  static func next(
    _ parser: UnsafeMutablePointer<yaml_parser_t>, _ bytes: [UInt8]
  ) throws(YAMLError) -> Event {
    var event = yaml_event_t()
    guard yaml_parser_parse(parser, &event) == 1 else { throw failure(of: parser.pointee, bytes) }
    defer { yaml_event_delete(&event) }
    let mark = Mark(event.start_mark)
    switch event.type {
    case YAML_STREAM_START_EVENT: return Event(kind: .streamStart, mark: mark)
    case YAML_DOCUMENT_START_EVENT: return Event(kind: .documentStart, mark: mark)
    case YAML_DOCUMENT_END_EVENT: return Event(kind: .documentEnd, mark: mark)
    case YAML_ALIAS_EVENT:
      return Event(kind: .alias(text(event.data.alias.anchor)), mark: mark)
    case YAML_SCALAR_EVENT:
      let scalar = event.data.scalar
      // Valid UTF-8: libyaml has checked the input.
      let value = String(
        decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
      let tag = scalar.tag == nil ? "" : text(scalar.tag)
      guard ["", "!", "tag:yaml.org,2002:str"].contains(tag) else {
        throw YAMLError(problem: .tag(tag), mark: mark)
      }
      let plain = scalar.style == YAML_PLAIN_SCALAR_STYLE && tag.isEmpty
      return Event(
        kind: .scalar(value, plain: plain), anchor: optional(scalar.anchor), mark: mark)
    case YAML_SEQUENCE_START_EVENT:
      return Event(
        kind: .sequenceStart, anchor: optional(event.data.sequence_start.anchor), mark: mark)
    case YAML_SEQUENCE_END_EVENT: return Event(kind: .sequenceEnd, mark: mark)
    case YAML_MAPPING_START_EVENT:
      return Event(
        kind: .mappingStart, anchor: optional(event.data.mapping_start.anchor), mark: mark)
    case YAML_MAPPING_END_EVENT: return Event(kind: .mappingEnd, mark: mark)
    default: return Event(kind: .streamEnd, mark: mark)
    }
  }

  private static func failure(of parser: yaml_parser_t, _ bytes: [UInt8]) -> YAMLError {
    if parser.error == YAML_MEMORY_ERROR { return YAMLError(problem: .outOfMemory, mark: nil) }
    let problem = parser.problem.map { String(cString: $0) } ?? "not YAML"
    let context = parser.context.map { String(cString: $0) }
    // A reader error (invalid UTF-8, control characters) has an offset instead of a mark.
    let mark =
      parser.error == YAML_READER_ERROR
      ? Mark(offset: parser.problem_offset, in: bytes) : Mark(parser.problem_mark)
    return YAMLError(problem: .syntax(problem, context: context), mark: mark)
  }

  private static func text(_ pointer: UnsafeMutablePointer<yaml_char_t>) -> String {
    String(cString: pointer)
  }

  private static func optional(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
    pointer.map { String(cString: $0) }
  }
}

extension Mark {
  fileprivate init(_ mark: yaml_mark_t) {
    self.init(line: Int(mark.line) + 1, column: Int(mark.column) + 1)
  }

  fileprivate init(offset: Int, in bytes: [UInt8]) {
    let before = bytes.prefix(max(0, offset))
    let line = before.count { $0 == UInt8(ascii: "\n") } + 1
    let start = (before.lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1
    self.init(line: line, column: before.count - start + 1)
  }
}
