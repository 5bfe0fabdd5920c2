// SPDX-License-Identifier: Apache-2.0
//
// PatternRun: one search. The active steps are a set, all tried on each character; a step is in the set once, even if
// several paths lead to it, so a character costs at most as many steps as the program has.

struct PatternRun {
  private let program: [PatternStep]
  private let sets: [PatternSet]
  /// Steps that match a character at this position.
  private var waiting: [Int] = []
  /// Steps that follow the previous character.
  private var arrivals: [Int] = []
  private var stack: [Int] = []
  /// Per step: the last position at which it was reached, from 1.
  private var seen: [Int]
  private var position = 0

  init(program: [PatternStep], sets: [PatternSet]) {
    self.program = program
    self.sets = sets
    seen = Array(repeating: 0, count: program.count)
    waiting.reserveCapacity(program.count)
    arrivals.reserveCapacity(program.count)
  }

  /// Whether there is a match anywhere in the text.
  mutating func search(_ text: String.UnicodeScalarView) -> Bool {
    var before: UInt32?
    for scalar in text {
      if advance(before, scalar.value) { return true }
      arrivals.removeAll(keepingCapacity: true)
      for step in waiting {
        if case .character(let set) = program[step], sets[set].contains(scalar.value) {
          arrivals.append(step + 1)
        }
      }
      before = scalar.value
    }
    return advance(before, nil)
  }

  /// Follows all steps that consume no character, between `before` and `after`. True when a match is reached.
  private mutating func advance(_ before: UInt32?, _ after: UInt32?) -> Bool {
    position += 1
    waiting.removeAll(keepingCapacity: true)
    // A match may begin at any position.
    stack.append(0)
    stack += arrivals
    while let step = stack.popLast() {
      guard seen[step] != position else { continue }
      seen[step] = position
      switch program[step] {
      case .character: waiting.append(step)
      case .assertion(let assertion):
        if assertion.holds(before, after) { stack.append(step + 1) }
      case .split(let first, let second):
        stack.append(second)
        stack.append(first)
      case .jump(let target): stack.append(target)
      case .match: return true
      }
    }
    return false
  }
}

extension PatternAssertion {
  /// Whether an assertion holds between two characters; nil: the text's start or end.
  func holds(_ before: UInt32?, _ after: UInt32?) -> Bool {
    switch self {
    case .start: return before == nil
    case .end: return after == nil
    case .wordBoundary, .noWordBoundary:
      let isWord = { (scalar: UInt32?) in scalar.map(PatternSet.wordCharacters.contains) ?? false }
      return (isWord(before) != isWord(after)) == (self == .wordBoundary)
    }
  }
}
