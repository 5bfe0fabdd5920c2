// SPDX-License-Identifier: Apache-2.0
//
// PatternRun: one search. The steps that are under way are a set, tried together on each character; a step is in it
// once, however many ways lead to it, so a character costs at most as many steps as the program has.

struct PatternRun {
  private let program: [PatternStep]
  private let sets: [PatternSet]
  /// Steps that want a character, at this position.
  private var waiting: [Int] = []
  /// Steps behind the character before.
  private var arrivals: [Int] = []
  private var stack: [Int] = []
  /// By step: the last position at which it was come to, from 1.
  private var seen: [Int]
  private var position = 0

  init(program: [PatternStep], sets: [PatternSet]) {
    self.program = program
    self.sets = sets
    seen = Array(repeating: 0, count: program.count)
    waiting.reserveCapacity(program.count)
    arrivals.reserveCapacity(program.count)
  }

  /// Whether a match is somewhere in the text.
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

  /// Follows all that needs no character, between `before` and `after`. True when a match is reached.
  private mutating func advance(_ before: UInt32?, _ after: UInt32?) -> Bool {
    position += 1
    waiting.removeAll(keepingCapacity: true)
    // A match may begin anywhere.
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
  /// Between two characters, of which there may be none.
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
