// SPDX-License-Identifier: Apache-2.0
//
// PatternParser: parses an expression to a tree. Nesting is bounded, so that no text exhausts the stack.

indirect enum PatternNode {
  case empty
  case set(PatternSet)
  case assertion(PatternAssertion)
  case sequence([PatternNode])
  case choice([PatternNode])
  case repetition(PatternNode, minimum: Int, maximum: Int?)
}

enum PatternAssertion: UInt8, Sendable {
  case start, end, wordBoundary, noWordBoundary
}

struct PatternParser {
  private let text: [UInt32]
  private var index = 0
  private var depth = 0
  private var ignoringCase: Bool
  private var dotTakesAll = false

  init(_ text: String, ignoringCase: Bool) {
    self.text = text.unicodeScalars.map(\.value)
    self.ignoringCase = ignoringCase
  }

  mutating func parse() throws(Pattern.Failure) -> PatternNode {
    let node = try choice()
    guard next == nil else { throw failure("a group is closed that is not open") }
    return node
  }

  private func failure(_ reason: String) -> Pattern.Failure {
    Pattern.Failure(offset: index, reason: reason)
  }

  private var next: UInt32? { index < text.count ? text[index] : nil }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard next == character.value else { return false }
    index += 1
    return true
  }

  // MARK: Structure

  private mutating func choice() throws(Pattern.Failure) -> PatternNode {
    guard depth < Pattern.maximumDepth else { throw failure("groups are nested too deeply") }
    depth += 1
    defer { depth -= 1 }
    var branches = [try sequence()]
    while take("|") { branches.append(try sequence()) }
    return branches.count == 1 ? branches[0] : .choice(branches)
  }

  private mutating func sequence() throws(Pattern.Failure) -> PatternNode {
    var nodes: [PatternNode] = []
    while let character = next, character != "|", character != ")" {
      nodes.append(try repeated(try atom()))
    }
    return nodes.count == 1 ? nodes[0] : .sequence(nodes)
  }

  private mutating func repeated(_ node: PatternNode) throws(Pattern.Failure) -> PatternNode {
    let start = index
    guard let (minimum, maximum) = try quantifier() else { return node }
    if case .assertion = node {
      index = start
      throw failure("there is nothing to repeat")
    }
    // A lazy quantifier: the same texts match.
    _ = take("?")
    let end = index
    if try quantifier() != nil {
      index = end
      throw failure("a repetition of a repetition has to be in a group")
    }
    return .repetition(node, minimum: minimum, maximum: maximum)
  }

  private mutating func quantifier() throws(Pattern.Failure) -> (minimum: Int, maximum: Int?)? {
    if take("*") { return (0, nil) }
    if take("+") { return (1, nil) }
    if take("?") { return (0, 1) }
    return try counts()
  }

  /// `{n}`, `{n,}`, `{n,m}`; any other brace is a literal.
  private mutating func counts() throws(Pattern.Failure) -> (minimum: Int, maximum: Int?)? {
    let start = index
    guard take("{"), let minimum = number() else {
      index = start
      return nil
    }
    var maximum: Int? = minimum
    if take(",") { maximum = next == "}" ? nil : number() ?? -1 }
    guard take("}"), maximum != -1 else {
      index = start
      return nil
    }
    guard minimum <= Pattern.maximumRepetition, maximum ?? 0 <= Pattern.maximumRepetition else {
      index = start
      throw failure("a repetition is of \(Pattern.maximumRepetition) at most")
    }
    if let maximum, maximum < minimum {
      index = start
      throw failure("the least of a repetition is more than its most")
    }
    return (minimum, maximum)
  }

  private mutating func number() -> Int? {
    var value: Int?
    while let character = next, PatternSet.digits.contains(character) {
      // Capped above every bound.
      value = min((value ?? 0) * 10 + Int(character - 0x30), 1_000_000)
      index += 1
    }
    return value
  }

  // MARK: Atoms

  private mutating func atom() throws(Pattern.Failure) -> PatternNode {
    let start = index
    if try quantifier() != nil {
      index = start
      throw failure("there is nothing to repeat")
    }
    if take("(") { return try group() }
    if take("[") { return .set(try brackets()) }
    if take("^") { return .assertion(.start) }
    if take("$") { return .assertion(.end) }
    if take(".") {
      return .set(dotTakesAll ? .all : .dot)
    }
    if take("\\") { return try escape() }
    defer { index += 1 }
    return .set(cased(PatternSet([text[index]...text[index]])))
  }

  private func cased(_ set: PatternSet) -> PatternSet { ignoringCase ? set.ignoringCase : set }

  /// After "(".
  private mutating func group() throws(Pattern.Failure) -> PatternNode {
    let start = index - 1
    let flags = (ignoringCase, dotTakesAll)
    if take("?"), try head(start) { return .empty }
    let node = try choice()
    guard take(")") else {
      index = start
      throw failure("a group is not closed")
    }
    (ignoringCase, dotTakesAll) = flags
    return node
  }

  /// After "(?". True when the group ends here: `(?i)` applies up to the end of the enclosing group.
  private mutating func head(_ start: Int) throws(Pattern.Failure) -> Bool {
    if take(":") { return false }
    _ = take("P")
    if take("<") {
      if next == "=" || next == "!" { throw failure("look-behind is not taken") }
      let name = index
      while let character = next, PatternSet.wordCharacters.contains(character) { index += 1 }
      guard index > name, take(">") else {
        throw failure("a group's name is letters, digits and _")
      }
      return false
    }
    var value = true
    let first = index
    while let character = next {
      switch character {
      case "i": ignoringCase = value
      case "s": dotTakesAll = value
      case "-" where value: value = false
      case ":" where index > first:
        index += 1
        return false
      case ")" where index > first:
        index += 1
        return true
      case "=", "!": throw failure("look-ahead is not taken")
      default: throw failure("this kind of group is not taken")
      }
      index += 1
    }
    index = start
    throw failure("a group is not closed")
  }

  /// After the backslash, outside brackets.
  private mutating func escape() throws(Pattern.Failure) -> PatternNode {
    if take("b") { return .assertion(.wordBoundary) }
    if take("B") { return .assertion(.noWordBoundary) }
    if take("A") { return .assertion(.start) }
    if take("z") { return .assertion(.end) }
    if let character = next, let set = PatternSet.escaped(character) {
      index += 1
      return .set(set)
    }
    let character = try escapedCharacter()
    return .set(cased(PatternSet([character...character])))
  }

  /// After the backslash: an escape for one character.
  private mutating func escapedCharacter() throws(Pattern.Failure) -> UInt32 {
    guard let character = next else { throw failure("a backslash ends the expression") }
    switch character {
    case "n": index += 1; return 0x0a
    case "r": index += 1; return 0x0d
    case "t": index += 1; return 0x09
    case "f": index += 1; return 0x0c
    case "v": index += 1; return 0x0b
    case "x", "u":
      index += 1
      return try hexadecimal(digits: character == "x" ? 2 : 4)
    case "1"..."9": throw failure("back-references are not taken")
    case "p", "P": throw failure("classes of Unicode (\\p) are not taken")
    // Letters and digits are reserved for escapes; escaped punctuation is literal.
    case _ where PatternSet.wordCharacters.contains(character) && character != "_":
      throw failure("\\\(Unicode.Scalar(character).map(String.init) ?? "") is not known")
    default:
      index += 1
      return character
    }
  }

  /// `41`, `{1F600}`
  private mutating func hexadecimal(digits: Int) throws(Pattern.Failure) -> UInt32 {
    let start = index
    let isBraced = take("{")
    var value: UInt32 = 0
    var count = 0
    while let character = next, count < (isBraced ? 6 : digits),
      let digit = Unicode.Scalar(character).flatMap({ Character($0).hexDigitValue }),
      character < 0x80
    {
      value = value << 4 | UInt32(digit)
      count += 1
      index += 1
    }
    guard isBraced ? count > 0 && take("}") : count == digits, Unicode.Scalar(value) != nil else {
      index = start
      throw failure("hexadecimal digits of a character are expected")
    }
    return value
  }

  // MARK: Brackets

  /// After "[".
  private mutating func brackets() throws(Pattern.Failure) -> PatternSet {
    let start = index - 1
    var ranges: [ClosedRange<UInt32>] = []
    let isNegated = take("^")
    var isFirst = true
    while let character = next, character != "]" || isFirst {
      isFirst = false
      if let whole = try wholeSet() {
        ranges += whole.ranges
        continue
      }
      let low = try bracketCharacter()
      guard next == "-", index + 1 < text.count, text[index + 1] != "]" else {
        ranges.append(low...low)
        continue
      }
      index += 1
      if try wholeSet() != nil { throw failure("a range ends in a class") }
      let high = try bracketCharacter()
      guard low <= high else { throw failure("a range's end is before its start") }
      ranges.append(low...high)
    }
    guard take("]") else {
      index = start
      throw failure("a bracket is not closed")
    }
    let set = cased(PatternSet(ranges))
    return isNegated ? set.complement : set
  }

  /// `\d`, `[:alpha:]`
  private mutating func wholeSet() throws(Pattern.Failure) -> PatternSet? {
    if next == "\\", index + 1 < text.count, let set = PatternSet.escaped(text[index + 1]) {
      index += 2
      return set
    }
    guard next == "[", index + 1 < text.count, text[index + 1] == ":" else { return nil }
    let start = index
    index += 2
    let isNegated = take("^")
    var name = ""
    while let character = next, (0x61...0x7a).contains(character),
      let scalar = Unicode.Scalar(character)
    {
      name.unicodeScalars.append(scalar)
      index += 1
    }
    guard take(":"), take("]"), let set = PatternSet.named(name) else {
      index = start
      throw failure("there is no such class; there are [:alpha:], [:digit:], [:alnum:] and others")
    }
    return isNegated ? set.complement : set
  }

  private mutating func bracketCharacter() throws(Pattern.Failure) -> UInt32 {
    guard let character = next else { throw failure("a bracket is not closed") }
    index += 1
    guard character == "\\" else { return character }
    // \b is a backspace in ECMA-262 and invalid in RE2.
    if next == "b" { throw failure("\\b in brackets is not taken") }
    return try escapedCharacter()
  }
}

/// Patterns are matched as numbers; their cases are written as characters.
private func ~= (pattern: Unicode.Scalar, value: UInt32) -> Bool { pattern.value == value }
private func ~= (pattern: ClosedRange<Unicode.Scalar>, value: UInt32) -> Bool {
  (pattern.lowerBound.value...pattern.upperBound.value).contains(value)
}
private func == (left: UInt32, right: Unicode.Scalar) -> Bool { left == right.value }
private func != (left: UInt32, right: Unicode.Scalar) -> Bool { left != right.value }
private func == (left: UInt32?, right: Unicode.Scalar) -> Bool { left == right.value }
